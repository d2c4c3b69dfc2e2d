// RUN: llmopt-opt %s --split-input-file --llm-verify-phase --verify-diagnostics

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
// expected-error @+1 {{unknown phase 'done'}}
module attributes {llm.phase = "done"} {
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

// expected-error @+1 {{unknown phase ''}}
module {
}

// -----

// expected-error @+1 {{the module has no function @step of (tokens, positions, rows, batch, cache) -> (logits, cache)}}
module attributes {llm.phase = "graph"} {
}

// -----

// A kernel in a graph.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    // expected-error @+1 {{a graph has no kernels}}
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%x, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// An op of another dialect.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  func.func private @elsewhere(tensor<?x8xf32>) -> tensor<?x8xf32>
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    // expected-error @+1 {{the step holds ops of the llm dialect only}}
    %y = func.call @elsewhere(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %y, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// An op outside a kernel.

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
    // expected-error @+1 {{stands outside a kernel}}
    %l = llm.gather_rows %x, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A kernel without a schedule.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "scheduled"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{has no schedule}}
    %l = llm.kernel "gather_rows"(%x, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A kernel without a placement.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 128 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{has no placement of its results}}
    %l = llm.kernel "gather_rows"(%x, %rows) attributes {schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A placement for another number of results.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 128 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    // expected-error @+1 {{has no placement of its results}}
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%x, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A placement that says too little.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 128 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    // expected-error @+1 {{placement must give space, offset and row_bytes in an arena}}
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%x, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A placed module without an arena.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    // expected-error @+1 {{placement must give space, offset and row_bytes in an arena}}
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%x, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// Past the end of the arena.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 128 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{is placed outside the arena}}
    %y = llm.kernel "activation"(%x) attributes {placement = [{offset = 97 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// So far that sums overflow.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 128 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{is placed outside the arena}}
    %y = llm.kernel "activation"(%x) attributes {placement = [{offset = 9223372036854775807 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// Before the arena.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 128 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{is placed outside the arena}}
    %y = llm.kernel "activation"(%x) attributes {placement = [{offset = -64 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// In a space that the arena does not have.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 128 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y = llm.kernel "activation"(%x) attributes {placement = [{offset = 64 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{is placed outside the arena}}
    %l = llm.kernel "gather_rows"(%y, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "page"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A result where an operand is still read.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 128 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{its buffer at 16 overlaps one that is still needed}}
    %y = llm.kernel "activation"(%x) attributes {placement = [{offset = 16 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A workspace where the kernel writes its result.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 128 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{its buffer at 80 overlaps one that is still needed}}
    %y = llm.kernel "activation"(%x) attributes {placement = [{offset = 64 : i64, row_bytes = 32 : i64, space = "token"}], workspace = {offset = 80 : i64, row_bytes = 32 : i64, space = "token"}, schedule = {target = "cpu"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A schedule that asks for a workspace, and none.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 192 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{has no place for the workspace that its schedule asks for}}
    %y = llm.kernel "activation"(%x) attributes {placement = [{offset = 64 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu", workspace_row_bytes = 32 : i64}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A workspace smaller than its schedule asks for.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 192 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{its workspace has 16 bytes a row, its schedule asks for 32}}
    %y = llm.kernel "activation"(%x) attributes {placement = [{offset = 64 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu", workspace_row_bytes = 32 : i64}, workspace = {offset = 128 : i64, row_bytes = 16 : i64, space = "token"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A workspace with other rows than its kernel.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 192 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{its workspace is in the space 'logit', its rows are those of 'token'}}
    %y = llm.kernel "activation"(%x) attributes {placement = [{offset = 64 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu", workspace_row_bytes = 32 : i64}, workspace = {offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A workspace where the kernel's operand is read.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 192 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{its buffer at 0 overlaps one that is still needed}}
    %y = llm.kernel "activation"(%x) attributes {placement = [{offset = 64 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu", workspace_row_bytes = 32 : i64}, workspace = {offset = 0 : i64, row_bytes = 32 : i64, space = "token"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A workspace past the end of the arena.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 128 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{is placed outside the arena}}
    %y = llm.kernel "activation"(%x) attributes {placement = [{offset = 64 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu", workspace_row_bytes = 32 : i64}, workspace = {offset = 128 : i64, row_bytes = 32 : i64, space = "token"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A workspace without an offset.

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "placed", llm.arena = {token_row_bytes = 128 : i64, logit_row_bytes = 64 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    // expected-error @+1 {{placement must give space, offset and row_bytes in an arena}}
    %y = llm.kernel "activation"(%x) attributes {placement = [{offset = 64 : i64, row_bytes = 32 : i64, space = "token"}], schedule = {target = "cpu", workspace_row_bytes = 32 : i64}, workspace = {row_bytes = 32 : i64, space = "token"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) attributes {placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}], schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}
