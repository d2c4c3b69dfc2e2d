// RUN: llmopt-opt %s --split-input-file --llm-fuse-projections --verify-diagnostics

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

// A declaration is no step.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
// expected-error @+1 {{the module has no function @step of (tokens, positions, rows, batch, cache) -> (logits, cache)}}
module attributes {llm.phase = "graph"} {
  func.func private @step(tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, !llm.batch, !cache) -> (tensor<?x8xf32>, !cache)
}

// -----

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
// expected-error @+1 {{the module has no function @step of (tokens, positions, rows, batch, cache) -> (logits, cache)}}
module attributes {llm.phase = "graph"} {
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache, %x: tensor<?x8xf32>) -> (tensor<?x8xf32>, !cache) {
    return %x, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
// expected-error @+1 {{the module has no function @step of (tokens, positions, rows, batch, cache) -> (logits, cache)}}
module attributes {llm.phase = "graph"} {
  func.func @step(%tokens: tensor<?xi64>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (!cache, !cache) {
    return %cache, %cache : !cache, !cache
  }
}

// -----

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
// expected-error @+1 {{the module has no function @step of (tokens, positions, rows, batch, cache) -> (logits, cache)}}
module attributes {llm.phase = "graph"} {
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %x: tensor<?x8xf32>, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    return %x, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
// expected-error @+1 {{the module has no function @step of (tokens, positions, rows, batch, cache) -> (logits, cache)}}
module attributes {llm.phase = "graph"} {
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %x: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
    return %x, %x : tensor<?x8xf32>, tensor<?x8xf32>
  }
}

// -----

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
// expected-error @+1 {{the module has no function @step of (tokens, positions, rows, batch, cache) -> (logits, cache)}}
module attributes {llm.phase = "graph"} {
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (!cache, !cache) {
    return %cache, %cache : !cache, !cache
  }
}
