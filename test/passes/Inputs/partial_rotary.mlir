// Two thirds of each head rotated, pairs side by side; biases on some projections; widths that fit
// no panel.
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 6, page = 16, type = f32>
module attributes {llm.phase = "graph", llm.config = {context_length = 32 : i64, vocabulary = 23 : i64, stop_tokens = array<i64: 2>, model = "partial_rotary"}} {
  llm.weight @embed : tensor<23x18xf32> {
    %0 = llm.random {seed = 1 : i64, mean = 0.0 : f64, deviation = 0.5 : f64} : tensor<23x18xf32>
    llm.yield %0 : tensor<23x18xf32>
  }
  llm.weight @norm : tensor<18xf32> {
    %0 = llm.random {seed = 2 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<18xf32>
    llm.yield %0 : tensor<18xf32>
  }
  llm.weight @l.q : tensor<18x18xf32> {
    %0 = llm.random {seed = 3 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<18x18xf32>
    llm.yield %0 : tensor<18x18xf32>
  }
  llm.weight @l.q.bias : tensor<18xf32> {
    %0 = llm.random {seed = 4 : i64, mean = 0.0 : f64, deviation = 0.3 : f64} : tensor<18xf32>
    llm.yield %0 : tensor<18xf32>
  }
  llm.weight @l.k : tensor<6x18xf32> {
    %0 = llm.random {seed = 5 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<6x18xf32>
    llm.yield %0 : tensor<6x18xf32>
  }
  llm.weight @l.v : tensor<6x18xf32> {
    %0 = llm.random {seed = 6 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<6x18xf32>
    llm.yield %0 : tensor<6x18xf32>
  }
  llm.weight @l.v.bias : tensor<6xf32> {
    %0 = llm.random {seed = 7 : i64, mean = 0.0 : f64, deviation = 0.3 : f64} : tensor<6xf32>
    llm.yield %0 : tensor<6xf32>
  }
  llm.weight @l.o : tensor<18x18xf32> {
    %0 = llm.random {seed = 8 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<18x18xf32>
    llm.yield %0 : tensor<18x18xf32>
  }
  llm.weight @norm2 : tensor<18xf32> {
    %0 = llm.random {seed = 9 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<18xf32>
    llm.yield %0 : tensor<18xf32>
  }
  llm.weight @l.up : tensor<27x18xf32> {
    %0 = llm.random {seed = 10 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<27x18xf32>
    llm.yield %0 : tensor<27x18xf32>
  }
  llm.weight @l.down : tensor<18x27xf32> {
    %0 = llm.random {seed = 11 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<18x27xf32>
    llm.yield %0 : tensor<18x27xf32>
  }
  llm.weight @norm_f : tensor<18xf32> {
    %0 = llm.random {seed = 12 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<18xf32>
    llm.yield %0 : tensor<18xf32>
  }
  llm.weight @lm_head : tensor<23x18xf32> {
    %0 = llm.random {seed = 13 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<23x18xf32>
    llm.yield %0 : tensor<23x18xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x23xf32>, !cache) {
    %t = llm.rope_table %positions {frequencies = array<f32: 1.0, 0.2>} : (tensor<?xi32>) -> tensor<?x4xf32>
    %embed = llm.get_weight @embed : tensor<23x18xf32>
    %x = llm.embed %tokens, %embed : (tensor<?xi32>, tensor<23x18xf32>) -> tensor<?x18xf32>
    %norm = llm.get_weight @norm : tensor<18xf32>
    %n = llm.norm rms %x, %norm {epsilon = 1.0e-05 : f64} : (tensor<?x18xf32>, tensor<18xf32>) -> tensor<?x18xf32>
    %l.q = llm.get_weight @l.q : tensor<18x18xf32>
    %l.q.bias = llm.get_weight @l.q.bias : tensor<18xf32>
    %q = llm.linear %n, %l.q bias %l.q.bias : (tensor<?x18xf32>, tensor<18x18xf32>, tensor<18xf32>) -> tensor<?x18xf32>
    %l.k = llm.get_weight @l.k : tensor<6x18xf32>
    %k = llm.linear %n, %l.k : (tensor<?x18xf32>, tensor<6x18xf32>) -> tensor<?x6xf32>
    %l.v = llm.get_weight @l.v : tensor<6x18xf32>
    %l.v.bias = llm.get_weight @l.v.bias : tensor<6xf32>
    %v = llm.linear %n, %l.v bias %l.v.bias : (tensor<?x18xf32>, tensor<6x18xf32>, tensor<6xf32>) -> tensor<?x6xf32>
    %qr = llm.rope interleaved %q, %t {head_dim = 6 : i64} : (tensor<?x18xf32>, tensor<?x4xf32>) -> tensor<?x18xf32>
    %kr = llm.rope interleaved %k, %t {head_dim = 6 : i64} : (tensor<?x6xf32>, tensor<?x4xf32>) -> tensor<?x6xf32>
    %c1 = llm.cache_append %cache, %kr, %v, %positions, %batch {layer = 0 : i64} : (!cache, tensor<?x6xf32>, tensor<?x6xf32>, tensor<?xi32>, !llm.batch) -> !cache
    %a = llm.attention %qr, %c1, %positions, %batch {layer = 0 : i64, scale = 0.5 : f64} : (tensor<?x18xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x18xf32>
    %l.o = llm.get_weight @l.o : tensor<18x18xf32>
    %o = llm.linear %a, %l.o : (tensor<?x18xf32>, tensor<18x18xf32>) -> tensor<?x18xf32>
    %h = llm.add %x, %o : (tensor<?x18xf32>, tensor<?x18xf32>) -> tensor<?x18xf32>
    %norm2 = llm.get_weight @norm2 : tensor<18xf32>
    %n2 = llm.norm rms %h, %norm2 {epsilon = 1.0e-05 : f64} : (tensor<?x18xf32>, tensor<18xf32>) -> tensor<?x18xf32>
    %l.up = llm.get_weight @l.up : tensor<27x18xf32>
    %u = llm.linear %n2, %l.up : (tensor<?x18xf32>, tensor<27x18xf32>) -> tensor<?x27xf32>
    %g = llm.activation relu %u : (tensor<?x27xf32>) -> tensor<?x27xf32>
    %l.down = llm.get_weight @l.down : tensor<18x27xf32>
    %d = llm.linear %g, %l.down : (tensor<?x27xf32>, tensor<18x27xf32>) -> tensor<?x18xf32>
    %h2 = llm.add %h, %d : (tensor<?x18xf32>, tensor<?x18xf32>) -> tensor<?x18xf32>
    %last = llm.gather_rows %h2, %rows : (tensor<?x18xf32>, tensor<?xi32>) -> tensor<?x18xf32>
    %norm_f = llm.get_weight @norm_f : tensor<18xf32>
    %nf = llm.norm rms %last, %norm_f {epsilon = 1.0e-05 : f64} : (tensor<?x18xf32>, tensor<18xf32>) -> tensor<?x18xf32>
    %lm_head = llm.get_weight @lm_head : tensor<23x18xf32>
    %logits = llm.linear %nf, %lm_head : (tensor<?x18xf32>, tensor<23x18xf32>) -> tensor<?x23xf32>
    return %logits, %c1 : tensor<?x23xf32>, !cache
  }
}
