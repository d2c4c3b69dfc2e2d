// As gated.mlir, with the embedding as the head.
!cache = !llm.cache<layers = 2, heads = 2, head_dim = 4, page = 16, type = f32>
module attributes {llm.phase = "graph", llm.config = {context_length = 32 : i64, vocabulary = 24 : i64, stop_tokens = array<i64: 2>, model = "tied"}} {
  llm.weight @embed : tensor<24x16xf32> {
    %0 = llm.random {seed = 1 : i64, mean = 0.0 : f64, deviation = 0.5 : f64} : tensor<24x16xf32>
    llm.yield %0 : tensor<24x16xf32>
  }
  llm.weight @l0.norm : tensor<16xf32> {
    %0 = llm.random {seed = 2 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @l0.q_proj : tensor<16x16xf32> {
    %0 = llm.random {seed = 3 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<16x16xf32>
    llm.yield %0 : tensor<16x16xf32>
  }
  llm.weight @l0.k_proj : tensor<8x16xf32> {
    %0 = llm.random {seed = 4 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<8x16xf32>
    llm.yield %0 : tensor<8x16xf32>
  }
  llm.weight @l0.v_proj : tensor<8x16xf32> {
    %0 = llm.random {seed = 5 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<8x16xf32>
    llm.yield %0 : tensor<8x16xf32>
  }
  llm.weight @l0.o_proj : tensor<16x16xf32> {
    %0 = llm.random {seed = 6 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<16x16xf32>
    llm.yield %0 : tensor<16x16xf32>
  }
  llm.weight @l0.mlp_norm : tensor<16xf32> {
    %0 = llm.random {seed = 7 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @l0.gate_proj : tensor<40x16xf32> {
    %0 = llm.random {seed = 8 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<40x16xf32>
    llm.yield %0 : tensor<40x16xf32>
  }
  llm.weight @l0.up_proj : tensor<40x16xf32> {
    %0 = llm.random {seed = 9 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<40x16xf32>
    llm.yield %0 : tensor<40x16xf32>
  }
  llm.weight @l0.down_proj : tensor<16x40xf32> {
    %0 = llm.random {seed = 10 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<16x40xf32>
    llm.yield %0 : tensor<16x40xf32>
  }
  llm.weight @l1.norm : tensor<16xf32> {
    %0 = llm.random {seed = 11 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @l1.q_proj : tensor<16x16xf32> {
    %0 = llm.random {seed = 12 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<16x16xf32>
    llm.yield %0 : tensor<16x16xf32>
  }
  llm.weight @l1.k_proj : tensor<8x16xf32> {
    %0 = llm.random {seed = 13 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<8x16xf32>
    llm.yield %0 : tensor<8x16xf32>
  }
  llm.weight @l1.v_proj : tensor<8x16xf32> {
    %0 = llm.random {seed = 14 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<8x16xf32>
    llm.yield %0 : tensor<8x16xf32>
  }
  llm.weight @l1.o_proj : tensor<16x16xf32> {
    %0 = llm.random {seed = 15 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<16x16xf32>
    llm.yield %0 : tensor<16x16xf32>
  }
  llm.weight @l1.mlp_norm : tensor<16xf32> {
    %0 = llm.random {seed = 16 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  llm.weight @l1.gate_proj : tensor<40x16xf32> {
    %0 = llm.random {seed = 17 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<40x16xf32>
    llm.yield %0 : tensor<40x16xf32>
  }
  llm.weight @l1.up_proj : tensor<40x16xf32> {
    %0 = llm.random {seed = 18 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<40x16xf32>
    llm.yield %0 : tensor<40x16xf32>
  }
  llm.weight @l1.down_proj : tensor<16x40xf32> {
    %0 = llm.random {seed = 19 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<16x40xf32>
    llm.yield %0 : tensor<16x40xf32>
  }
  llm.weight @norm : tensor<16xf32> {
    %0 = llm.random {seed = 20 : i64, mean = 1.0 : f64, deviation = 0.1 : f64} : tensor<16xf32>
    llm.yield %0 : tensor<16xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x24xf32>, !cache) {
    %t = llm.rope_table %positions {frequencies = array<f32: 1.0, 0.1>} : (tensor<?xi32>) -> tensor<?x4xf32>
    %embed = llm.get_weight @embed : tensor<24x16xf32>
    %x0 = llm.embed %tokens, %embed : (tensor<?xi32>, tensor<24x16xf32>) -> tensor<?x16xf32>
    %l0.norm = llm.get_weight @l0.norm : tensor<16xf32>
    %l0_n = llm.norm rms %x0, %l0.norm {epsilon = 1.0e-05 : f64} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %l0.q_proj = llm.get_weight @l0.q_proj : tensor<16x16xf32>
    %l0_q = llm.linear %l0_n, %l0.q_proj : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
    %l0.k_proj = llm.get_weight @l0.k_proj : tensor<8x16xf32>
    %l0_k = llm.linear %l0_n, %l0.k_proj : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x8xf32>
    %l0.v_proj = llm.get_weight @l0.v_proj : tensor<8x16xf32>
    %l0_v = llm.linear %l0_n, %l0.v_proj : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x8xf32>
    %l0_qr = llm.rope half %l0_q, %t {head_dim = 4 : i64} : (tensor<?x16xf32>, tensor<?x4xf32>) -> tensor<?x16xf32>
    %l0_kr = llm.rope half %l0_k, %t {head_dim = 4 : i64} : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
    %c1 = llm.cache_append %cache, %l0_kr, %l0_v, %positions, %batch {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
    %l0_a = llm.attention %l0_qr, %c1, %positions, %batch {layer = 0 : i64, scale = 0.5 : f64} : (tensor<?x16xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x16xf32>
    %l0.o_proj = llm.get_weight @l0.o_proj : tensor<16x16xf32>
    %l0_o = llm.linear %l0_a, %l0.o_proj : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
    %l0_h = llm.add %x0, %l0_o : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    %l0.mlp_norm = llm.get_weight @l0.mlp_norm : tensor<16xf32>
    %l0_n2 = llm.norm rms %l0_h, %l0.mlp_norm {epsilon = 1.0e-05 : f64} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %l0.gate_proj = llm.get_weight @l0.gate_proj : tensor<40x16xf32>
    %l0_g = llm.linear %l0_n2, %l0.gate_proj : (tensor<?x16xf32>, tensor<40x16xf32>) -> tensor<?x40xf32>
    %l0.up_proj = llm.get_weight @l0.up_proj : tensor<40x16xf32>
    %l0_u = llm.linear %l0_n2, %l0.up_proj : (tensor<?x16xf32>, tensor<40x16xf32>) -> tensor<?x40xf32>
    %l0_s = llm.activation silu %l0_g : (tensor<?x40xf32>) -> tensor<?x40xf32>
    %l0_m = llm.mul %l0_s, %l0_u : (tensor<?x40xf32>, tensor<?x40xf32>) -> tensor<?x40xf32>
    %l0.down_proj = llm.get_weight @l0.down_proj : tensor<16x40xf32>
    %l0_d = llm.linear %l0_m, %l0.down_proj : (tensor<?x40xf32>, tensor<16x40xf32>) -> tensor<?x16xf32>
    %x1 = llm.add %l0_h, %l0_d : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    %l1.norm = llm.get_weight @l1.norm : tensor<16xf32>
    %l1_n = llm.norm rms %x1, %l1.norm {epsilon = 1.0e-05 : f64} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %l1.q_proj = llm.get_weight @l1.q_proj : tensor<16x16xf32>
    %l1_q = llm.linear %l1_n, %l1.q_proj : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
    %l1.k_proj = llm.get_weight @l1.k_proj : tensor<8x16xf32>
    %l1_k = llm.linear %l1_n, %l1.k_proj : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x8xf32>
    %l1.v_proj = llm.get_weight @l1.v_proj : tensor<8x16xf32>
    %l1_v = llm.linear %l1_n, %l1.v_proj : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x8xf32>
    %l1_qr = llm.rope half %l1_q, %t {head_dim = 4 : i64} : (tensor<?x16xf32>, tensor<?x4xf32>) -> tensor<?x16xf32>
    %l1_kr = llm.rope half %l1_k, %t {head_dim = 4 : i64} : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
    %c2 = llm.cache_append %c1, %l1_kr, %l1_v, %positions, %batch {layer = 1 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
    %l1_a = llm.attention %l1_qr, %c2, %positions, %batch {layer = 1 : i64, scale = 0.5 : f64} : (tensor<?x16xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x16xf32>
    %l1.o_proj = llm.get_weight @l1.o_proj : tensor<16x16xf32>
    %l1_o = llm.linear %l1_a, %l1.o_proj : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
    %l1_h = llm.add %x1, %l1_o : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    %l1.mlp_norm = llm.get_weight @l1.mlp_norm : tensor<16xf32>
    %l1_n2 = llm.norm rms %l1_h, %l1.mlp_norm {epsilon = 1.0e-05 : f64} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %l1.gate_proj = llm.get_weight @l1.gate_proj : tensor<40x16xf32>
    %l1_g = llm.linear %l1_n2, %l1.gate_proj : (tensor<?x16xf32>, tensor<40x16xf32>) -> tensor<?x40xf32>
    %l1.up_proj = llm.get_weight @l1.up_proj : tensor<40x16xf32>
    %l1_u = llm.linear %l1_n2, %l1.up_proj : (tensor<?x16xf32>, tensor<40x16xf32>) -> tensor<?x40xf32>
    %l1_s = llm.activation silu %l1_g : (tensor<?x40xf32>) -> tensor<?x40xf32>
    %l1_m = llm.mul %l1_s, %l1_u : (tensor<?x40xf32>, tensor<?x40xf32>) -> tensor<?x40xf32>
    %l1.down_proj = llm.get_weight @l1.down_proj : tensor<16x40xf32>
    %l1_d = llm.linear %l1_m, %l1.down_proj : (tensor<?x40xf32>, tensor<16x40xf32>) -> tensor<?x16xf32>
    %x2 = llm.add %l1_h, %l1_d : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    %last = llm.gather_rows %x2, %rows : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32>
    %norm = llm.get_weight @norm : tensor<16xf32>
    %n = llm.norm rms %last, %norm {epsilon = 1.0e-05 : f64} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
    %logits = llm.linear %n, %embed : (tensor<?x16xf32>, tensor<24x16xf32>) -> tensor<?x24xf32>
    return %logits, %c2 : tensor<?x24xf32>, !cache
  }
}
