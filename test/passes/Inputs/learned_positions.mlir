// Learned positions, one fused projection with a bias, a window and a soft cap, a tied head.
!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph", llm.config = {context_length = 32 : i64, vocabulary = 24 : i64, stop_tokens = array<i64: 2>, model = "learned_positions"}} {
  llm.weight @wte : tensor<24x16xf32> {
    %0 = llm.random {seed = 1 : i64, mean = 0.0 : f64, deviation = 0.5 : f64} : tensor<24x16xf32>
    llm.yield %0 : tensor<24x16xf32>
  }
  llm.weight @wpe : tensor<32x16xf32> {
    %0 = llm.random {seed = 2 : i64, mean = 0.0 : f64, deviation = 0.5 : f64} : tensor<32x16xf32>
    llm.yield %0 : tensor<32x16xf32>
  }
  llm.weight @norm : tensor<16xf32> {
    %0 = llm.random {seed = 3 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @norm.bias : tensor<16xf32> {
    %0 = llm.random {seed = 4 : i64, mean = 0.0 : f64, deviation = 0.3 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @l.c_attn : tensor<48x16xf32> {
    %0 = llm.random {seed = 5 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<48x16xf32>
    llm.yield %0 : tensor<48x16xf32>
  }
  llm.weight @l.c_attn.bias : tensor<48xf32> {
    %0 = llm.random {seed = 6 : i64, mean = 0.0 : f64, deviation = 0.3 : f64} : tensor<48xf32>
    llm.yield %0 : tensor<48xf32>
  }
  llm.weight @l.c_proj : tensor<16x16xf32> {
    %0 = llm.random {seed = 7 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<16x16xf32>
    llm.yield %0 : tensor<16x16xf32>
  }
  llm.weight @l.c_proj.bias : tensor<16xf32> {
    %0 = llm.random {seed = 8 : i64, mean = 0.0 : f64, deviation = 0.3 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @norm2 : tensor<16xf32> {
    %0 = llm.random {seed = 9 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @norm2.bias : tensor<16xf32> {
    %0 = llm.random {seed = 10 : i64, mean = 0.0 : f64, deviation = 0.3 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @l.c_fc : tensor<64x16xf32> {
    %0 = llm.random {seed = 11 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<64x16xf32>
    llm.yield %0 : tensor<64x16xf32>
  }
  llm.weight @l.c_fc.bias : tensor<64xf32> {
    %0 = llm.random {seed = 12 : i64, mean = 0.0 : f64, deviation = 0.3 : f64} : tensor<64xf32>
    llm.yield %0 : tensor<64xf32>
  }
  llm.weight @l.c_proj2 : tensor<16x64xf32> {
    %0 = llm.random {seed = 13 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<16x64xf32>
    llm.yield %0 : tensor<16x64xf32>
  }
  llm.weight @l.c_proj2.bias : tensor<16xf32> {
    %0 = llm.random {seed = 14 : i64, mean = 0.0 : f64, deviation = 0.3 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @norm_f : tensor<16xf32> {
    %0 = llm.random {seed = 15 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @norm_f.bias : tensor<16xf32> {
    %0 = llm.random {seed = 16 : i64, mean = 0.0 : f64, deviation = 0.3 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x24xf32>, !cache) {
    %wte = llm.get_weight @wte : tensor<24x16xf32>
    %e = llm.embed %tokens, %wte : (tensor<?xi32>, tensor<24x16xf32>) -> tensor<?x16xf32>
    %wpe = llm.get_weight @wpe : tensor<32x16xf32>
    %p = llm.embed %positions, %wpe : (tensor<?xi32>, tensor<32x16xf32>) -> tensor<?x16xf32>
    %x = llm.add %e, %p : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    %norm = llm.get_weight @norm : tensor<16xf32>
    %norm.bias = llm.get_weight @norm.bias : tensor<16xf32>
    %n = llm.norm layer %x, %norm bias %norm.bias {epsilon = 1.0e-05 : f64} : (tensor<?x16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %l.c_attn = llm.get_weight @l.c_attn : tensor<48x16xf32>
    %l.c_attn.bias = llm.get_weight @l.c_attn.bias : tensor<48xf32>
    %qkv = llm.linear %n, %l.c_attn bias %l.c_attn.bias : (tensor<?x16xf32>, tensor<48x16xf32>, tensor<48xf32>) -> tensor<?x48xf32>
    %q = llm.slice %qkv [0, 16] : (tensor<?x48xf32>) -> tensor<?x16xf32>
    %k = llm.slice %qkv [16, 16] : (tensor<?x48xf32>) -> tensor<?x16xf32>
    %v = llm.slice %qkv [32, 16] : (tensor<?x48xf32>) -> tensor<?x16xf32>
    %c1 = llm.cache_append %cache, %k, %v, %positions, %batch {layer = 0 : i64} : (!cache, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, !llm.batch) -> !cache
    %a = llm.attention %q, %c1, %positions, %batch {layer = 0 : i64, scale = 0.5 : f64, window = 4 : i64, softcap = 20.0 : f64} : (tensor<?x16xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x16xf32>
    %l.c_proj = llm.get_weight @l.c_proj : tensor<16x16xf32>
    %l.c_proj.bias = llm.get_weight @l.c_proj.bias : tensor<16xf32>
    %o = llm.linear %a, %l.c_proj bias %l.c_proj.bias : (tensor<?x16xf32>, tensor<16x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %h = llm.add %o, %x : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    %norm2 = llm.get_weight @norm2 : tensor<16xf32>
    %norm2.bias = llm.get_weight @norm2.bias : tensor<16xf32>
    %n2 = llm.norm layer %h, %norm2 bias %norm2.bias {epsilon = 1.0e-05 : f64} : (tensor<?x16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %l.c_fc = llm.get_weight @l.c_fc : tensor<64x16xf32>
    %l.c_fc.bias = llm.get_weight @l.c_fc.bias : tensor<64xf32>
    %u = llm.linear %n2, %l.c_fc bias %l.c_fc.bias : (tensor<?x16xf32>, tensor<64x16xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %g = llm.activation gelu_tanh %u : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %l.c_proj2 = llm.get_weight @l.c_proj2 : tensor<16x64xf32>
    %l.c_proj2.bias = llm.get_weight @l.c_proj2.bias : tensor<16xf32>
    %d = llm.linear %g, %l.c_proj2 bias %l.c_proj2.bias : (tensor<?x64xf32>, tensor<16x64xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %h2 = llm.add %d, %h : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    %last = llm.gather_rows %h2, %rows : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32>
    %norm_f = llm.get_weight @norm_f : tensor<16xf32>
    %norm_f.bias = llm.get_weight @norm_f.bias : tensor<16xf32>
    %nf = llm.norm layer %last, %norm_f bias %norm_f.bias {epsilon = 1.0e-05 : f64} : (tensor<?x16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %logits = llm.linear %nf, %wte : (tensor<?x16xf32>, tensor<24x16xf32>) -> tensor<?x24xf32>
    return %logits, %c1 : tensor<?x24xf32>, !cache
  }
}
