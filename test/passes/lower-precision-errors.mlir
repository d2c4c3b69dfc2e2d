// RUN: llmopt-opt %s --split-input-file --llm-lower-precision=precision=bf16-true --verify-diagnostics

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
// expected-error @+1 {{the module must be in phase 'graph', it is in 'kernels'}}
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
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %y0 = llm.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %y = llm.gather_rows %y0, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %y, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
// expected-error @+1 {{the module must be in phase 'graph', it is in 'none'}}
module {
}

// -----

// expected-error @+1 {{the module has no function @step of (tokens, positions, rows, batch, cache) -> (logits, cache)}}
module attributes {llm.phase = "graph"} {
}

// -----

// Stored in 16 bits already.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  // expected-error @+1 {{weight @e is 'tensor<24x8xbf16>'; precision is lowered once, from f32}}
  llm.weight @e : tensor<24x8xbf16> {
    %0 = llm.load "e" : tensor<24x8xbf16>
    llm.yield %0 : tensor<24x8xbf16>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xbf16>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xbf16>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xbf16>) -> tensor<?x8xbf16>
    %l = llm.gather_rows %x, %rows : (tensor<?x8xbf16>, tensor<?xi32>) -> tensor<?x8xbf16>
    return %l, %cache : tensor<?x8xbf16>, !cache
  }
}

// -----

// Computed in 16 bits already.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
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
    // expected-error @+1 {{makes 'tensor<?x8xbf16>'; precision is lowered once, from f32}}
    %a = llm.cast %x : (tensor<?x8xf32>) -> tensor<?x8xbf16>
    %b = llm.cast %w : (tensor<8x8xf32>) -> tensor<8x8xbf16>
    %y0 = llm.linear %a, %b : (tensor<?x8xbf16>, tensor<8x8xbf16>) -> tensor<?x8xf32>
    %y = llm.gather_rows %y0, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %y, %cache : tensor<?x8xf32>, !cache
  }
}
