// RUN: llmopt-opt %s --split-input-file --llm-schedule --verify-diagnostics

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
// expected-error @+1 {{the module must be in phase 'kernels', it is in 'graph'}}
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @w : tensor<8x8xf32> {
    %0 = llm.load "w" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %y0 = llm.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %y = llm.gather_rows %y0, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %y, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
// expected-error @+1 {{the module must be in phase 'kernels', it is in 'none'}}
module {
}

// -----

// expected-error @+1 {{the module has no function @step of (tokens, positions, rows, batch, cache) -> (logits, cache)}}
module attributes {llm.phase = "kernels"} {
}

// -----

// A weight for a float32 and for a bfloat16 product.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "kernels"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @w : tensor<8x8xf32> {
    %0 = llm.load "w" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y = llm.kernel "linear"(%x, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<8x8xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{'llm.kernel' op wants weight @w in another layout than an earlier kernel}}
    %z = llm.kernel "linear"(%y, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<8x8xf32>):
      %0 = llm.cast %a0 : (tensor<?x8xf32>) -> tensor<?x8xbf16>
      %1 = llm.cast %a1 : (tensor<8x8xf32>) -> tensor<8x8xbf16>
      %2 = llm.linear %0, %1 : (tensor<?x8xbf16>, tensor<8x8xbf16>) -> tensor<?x8xf32>
      llm.yield %2 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%z, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A product of two activations.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "kernels"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{'llm.kernel' op multiplies by something that is not a weight}}
    %z = llm.kernel "linear"(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<8x8xf32>
      %1 = llm.linear %a0, %0 : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
      llm.yield %1 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%z, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// Heads that are wider than a tile.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "kernels"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @w : tensor<4096x8xf32> {
    %0 = llm.load "w" : tensor<4096x8xf32>
    llm.yield %0 : tensor<4096x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x4096xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<4096x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %t = llm.kernel "rope_table"(%positions) : (tensor<?xi32>) -> tensor<?x2xf32> {
    ^bb0(%a0: tensor<?xi32>):
      %0 = llm.rope_table %a0 {frequencies = array<f32: 1.0>} : (tensor<?xi32>) -> tensor<?x2xf32>
      llm.yield %0 : tensor<?x2xf32>
    }
    // expected-error @+1 {{'llm.kernel' op needs tiles of 2048 columns; 1024 is the most}}
    %q = llm.kernel "linear_rope"(%x, %w, %t) : (tensor<?x8xf32>, tensor<4096x8xf32>, tensor<?x2xf32>) -> tensor<?x4096xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<4096x8xf32>, %a2: tensor<?x2xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<4096x8xf32>) -> tensor<?x4096xf32>
      %1 = llm.rope half %0, %a2 {head_dim = 2048 : i64} : (tensor<?x4096xf32>, tensor<?x2xf32>) -> tensor<?x4096xf32>
      llm.yield %1 : tensor<?x4096xf32>
    }
    %l = llm.kernel "gather_rows"(%q, %rows) : (tensor<?x4096xf32>, tensor<?xi32>) -> tensor<?x4096xf32> {
    ^bb0(%a0: tensor<?x4096xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x4096xf32>, tensor<?xi32>) -> tensor<?x4096xf32>
      llm.yield %0 : tensor<?x4096xf32>
    }
    return %l, %cache : tensor<?x4096xf32>, !cache
  }
}
