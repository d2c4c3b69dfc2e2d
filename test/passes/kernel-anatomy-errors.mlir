// RUN: llmopt-opt %s --split-input-file --llm-verify-phase --verify-diagnostics

// Two linears.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{'llm.kernel' op has two anchors}}
    %y = llm.kernel "two"(%x, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<8x8xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
      %1 = llm.linear %0, %a1 : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
      llm.yield %1 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// Something before an attention.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{'llm.kernel' op has more than an attention}}
    %y = llm.kernel "attention"(%x, %cache, %positions, %batch) : (tensor<?x8xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: !cache, %a2: tensor<?xi32>, %a3: !llm.batch):
      %q = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      %0 = llm.attention %q, %a1, %a2, %a3 {layer = 0 : i64, scale = 0.5 : f64} : (tensor<?x8xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// Something after an attention.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y = llm.kernel "attention"(%x, %cache, %positions, %batch) : (tensor<?x8xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: !cache, %a2: tensor<?xi32>, %a3: !llm.batch):
      %0 = llm.attention %a0, %a1, %a2, %a3 {layer = 0 : i64, scale = 0.5 : f64} : (tensor<?x8xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x8xf32>
    // expected-error @+1 {{'llm.activation' op follows an attention in its kernel}}
      %1 = llm.activation relu %0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %1 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A weight made in a kernel.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y = llm.kernel "two"(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
    // expected-error @+1 {{'llm.get_weight' op has no place in a kernel}}
      %0 = llm.get_weight @w : tensor<8x8xf32>
      %1 = llm.linear %a0, %0 : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
      llm.yield %1 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A linear whole and in slices.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{'llm.kernel' op uses its linear both whole and in slices}}
    %y = llm.kernel "linear"(%x, %v) : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<16x8xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
      %1 = llm.activation relu %0 : (tensor<?x16xf32>) -> tensor<?x16xf32>
      %2 = llm.slice %0 [0, 8] : (tensor<?x16xf32>) -> tensor<?x8xf32>
      llm.yield %2 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A norm after a linear.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @g : tensor<8xf32> {
    %0 = llm.load "g" : tensor<8xf32>
    llm.yield %0 : tensor<8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %g = llm.get_weight @g : tensor<8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y = llm.kernel "linear_norm"(%x, %w, %g) : (tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<8x8xf32>, %a2: tensor<8xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    // expected-error @+1 {{'llm.norm' op cannot run in the epilogue of a linear}}
      %1 = llm.norm rms %0, %a2 {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
      llm.yield %1 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// An op beside the linear.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y = llm.kernel "linear"(%x, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<8x8xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    // expected-error @+1 {{'llm.activation' op does not use the kernel's linear}}
      %1 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A slice of something else than the linear.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y = llm.kernel "linear"(%x, %v) : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<16x8xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
      %1 = llm.slice %0 [0, 8] : (tensor<?x16xf32>) -> tensor<?x8xf32>
    // expected-error @+1 {{'llm.slice' op in an epilogue must slice the linear itself}}
      %2 = llm.slice %1 [0, 4] : (tensor<?x8xf32>) -> tensor<?x4xf32>
      llm.yield %1 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// Three slices together.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{'llm.kernel' op combines 3 slices of one linear; two is the most}}
    %y = llm.kernel "linear"(%x, %u) : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<24x8xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x24xf32>
      %1 = llm.slice %0 [0, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
      %2 = llm.slice %0 [8, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
      %3 = llm.slice %0 [16, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
      %4 = llm.add %1, %2 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
      %5 = llm.add %4, %3 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %5 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A row of the prologue in the epilogue.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y = llm.kernel "linear"(%x, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<8x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      %1 = llm.linear %0, %a1 : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    // expected-error @+1 {{'llm.add' op reads a row of the prologue}}
      %2 = llm.add %0, %1 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %2 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A result that the epilogue does not make.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{'llm.kernel' op yields a value that is not of its epilogue}}
    %y = llm.kernel "linear"(%x, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<8x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      %1 = llm.linear %0, %a1 : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// Rows gathered from rows that the kernel makes.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y = llm.kernel "activation"(%x, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
    // expected-error @+1 {{'llm.gather_rows' op gathers rows that its kernel makes}}
      %1 = llm.gather_rows %0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %1 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// Keys that the linear does not make.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y, %c1 = llm.kernel "linear"(%x, %w, %cache, %positions, %batch) : (tensor<?x8xf32>, tensor<8x8xf32>, !cache, tensor<?xi32>, !llm.batch) -> (tensor<?x8xf32>, !cache) {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<8x8xf32>, %a2: !cache, %a3: tensor<?xi32>, %a4: !llm.batch):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    // expected-error @+1 {{'llm.cache_append' op in an epilogue must store what the linear makes}}
      %1 = llm.cache_append %a2, %a0, %0, %a3, %a4 {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
      llm.yield %0, %1 : tensor<?x8xf32>, !cache
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %c1 : tensor<?x8xf32>, !cache
  }
}

// -----

// Slices of different widths, one as the table of the other.

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
  llm.weight @v : tensor<16x8xf32> {
    %0 = llm.load "v" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @u : tensor<24x8xf32> {
    %0 = llm.load "u" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x16xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<16x8xf32>
    %u = llm.get_weight @u : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{'llm.kernel' op combines slices of different widths}}
    %y = llm.kernel "linear"(%x, %u) : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x16xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<24x8xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x24xf32>
      %1 = llm.slice %0 [0, 16] : (tensor<?x24xf32>) -> tensor<?x16xf32>
      %2 = llm.slice %0 [16, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
      %3 = llm.rope half %1, %2 {head_dim = 8 : i64} : (tensor<?x16xf32>, tensor<?x8xf32>) -> tensor<?x16xf32>
      llm.yield %3 : tensor<?x16xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32> {
    ^bb0(%a0: tensor<?x16xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32>
      llm.yield %0 : tensor<?x16xf32>
    }
    return %l, %cache : tensor<?x16xf32>, !cache
  }
}
