// Attention and feed-forward network side by side after one norm; one key-value head; a quarter of
// each head rotated.
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph", llm.config = {context_length = 32 : i64, vocabulary = 24 : i64, stop_tokens = array<i64: 2>, model = "parallel"}} {
  llm.weight @embed : tensor<24x16xf32> {
    %0 = llm.random {seed = 1 : i64, mean = 0.0 : f64, deviation = 0.5 : f64} : tensor<24x16xf32>
    llm.yield %0 : tensor<24x16xf32>
  }
  llm.weight @norm : tensor<16xf32> {
    %0 = llm.random {seed = 2 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @norm.bias : tensor<16xf32> {
    %0 = llm.random {seed = 3 : i64, mean = 0.0 : f64, deviation = 0.3 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @l.q : tensor<16x16xf32> {
    %0 = llm.random {seed = 4 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<16x16xf32>
    llm.yield %0 : tensor<16x16xf32>
  }
  llm.weight @l.k : tensor<8x16xf32> {
    %0 = llm.random {seed = 5 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<8x16xf32>
    llm.yield %0 : tensor<8x16xf32>
  }
  llm.weight @l.v : tensor<8x16xf32> {
    %0 = llm.random {seed = 6 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<8x16xf32>
    llm.yield %0 : tensor<8x16xf32>
  }
  llm.weight @l.up : tensor<64x16xf32> {
    %0 = llm.random {seed = 7 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<64x16xf32>
    llm.yield %0 : tensor<64x16xf32>
  }
  llm.weight @l.dense : tensor<16x16xf32> {
    %0 = llm.random {seed = 8 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<16x16xf32>
    llm.yield %0 : tensor<16x16xf32>
  }
  llm.weight @l.down : tensor<16x64xf32> {
    %0 = llm.random {seed = 9 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<16x64xf32>
    llm.yield %0 : tensor<16x64xf32>
  }
  llm.weight @norm_f : tensor<16xf32> {
    %0 = llm.random {seed = 10 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @norm_f.bias : tensor<16xf32> {
    %0 = llm.random {seed = 11 : i64, mean = 0.0 : f64, deviation = 0.3 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @lm_head : tensor<24x16xf32> {
    %0 = llm.random {seed = 12 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<24x16xf32>
    llm.yield %0 : tensor<24x16xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x24xf32>, !cache) {
    %t = llm.rope_table %positions {frequencies = array<f32: 1.0>} : (tensor<?xi32>) -> tensor<?x2xf32>
    %embed = llm.get_weight @embed : tensor<24x16xf32>
    %x = llm.embed %tokens, %embed : (tensor<?xi32>, tensor<24x16xf32>) -> tensor<?x16xf32>
    %norm = llm.get_weight @norm : tensor<16xf32>
    %norm.bias = llm.get_weight @norm.bias : tensor<16xf32>
    %n = llm.norm layer %x, %norm bias %norm.bias {epsilon = 1.0e-05 : f64} : (tensor<?x16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %l.q = llm.get_weight @l.q : tensor<16x16xf32>
    %q = llm.linear %n, %l.q : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
    %l.k = llm.get_weight @l.k : tensor<8x16xf32>
    %k = llm.linear %n, %l.k : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x8xf32>
    %l.v = llm.get_weight @l.v : tensor<8x16xf32>
    %v = llm.linear %n, %l.v : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x8xf32>
    %l.up = llm.get_weight @l.up : tensor<64x16xf32>
    %u = llm.linear %n, %l.up : (tensor<?x16xf32>, tensor<64x16xf32>) -> tensor<?x64xf32>
    %qr = llm.rope half %q, %t {head_dim = 8 : i64} : (tensor<?x16xf32>, tensor<?x2xf32>) -> tensor<?x16xf32>
    %kr = llm.rope half %k, %t {head_dim = 8 : i64} : (tensor<?x8xf32>, tensor<?x2xf32>) -> tensor<?x8xf32>
    %c1 = llm.cache_append %cache, %kr, %v, %positions, %batch {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
    %a = llm.attention %qr, %c1, %positions, %batch {layer = 0 : i64, scale = 0.5 : f64} : (tensor<?x16xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x16xf32>
    %l.dense = llm.get_weight @l.dense : tensor<16x16xf32>
    %o = llm.linear %a, %l.dense : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
    %g = llm.activation gelu %u : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %l.down = llm.get_weight @l.down : tensor<16x64xf32>
    %d = llm.linear %g, %l.down : (tensor<?x64xf32>, tensor<16x64xf32>) -> tensor<?x16xf32>
    %s = llm.add %o, %d : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    %h = llm.add %s, %x : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    %last = llm.gather_rows %h, %rows : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32>
    %norm_f = llm.get_weight @norm_f : tensor<16xf32>
    %norm_f.bias = llm.get_weight @norm_f.bias : tensor<16xf32>
    %nf = llm.norm layer %last, %norm_f bias %norm_f.bias {epsilon = 1.0e-05 : f64} : (tensor<?x16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %lm_head = llm.get_weight @lm_head : tensor<24x16xf32>
    %logits = llm.linear %nf, %lm_head : (tensor<?x16xf32>, tensor<24x16xf32>) -> tensor<?x24xf32>
    return %logits, %c1 : tensor<?x24xf32>, !cache
  }
}
