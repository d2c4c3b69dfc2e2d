// RUN: llmopt-opt %s --split-input-file --llm-plan-memory --llm-verify-phase --verify-pass-semantics | FileCheck %s

// Buffers are 64 bytes apart for each row. The first dies with its reader, and the third takes its place.

// CHECK-LABEL: module
// CHECK-SAME: llm.arena = {logit_row_bytes = 64 : i64, token_row_bytes = 128 : i64}
// CHECK-SAME: llm.phase = "placed"
// CHECK: llm.kernel "embed"({{.*}}placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}]
// CHECK: llm.kernel "activation"({{.*}}placement = [{offset = 64 : i64, row_bytes = 32 : i64, space = "token"}]
// CHECK: llm.kernel "activation"({{.*}}placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "token"}]
// CHECK: llm.kernel "gather_rows"({{.*}}placement = [{offset = 0 : i64, row_bytes = 32 : i64, space = "logit"}]
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
    %y = llm.kernel "activation"(%x) attributes {schedule = {target = "cpu"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %z = llm.kernel "activation"(%y) attributes {schedule = {target = "cpu"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%z, %rows) attributes {schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A residual lives until its last reader, so that nothing takes its place.

// CHECK-LABEL: module
// CHECK-SAME: token_row_bytes = 192 : i64
// CHECK: llm.kernel "embed"({{.*}}offset = 0 : i64
// CHECK: llm.kernel "activation"({{.*}}offset = 64 : i64
// CHECK: llm.kernel "activation"({{.*}}offset = 128 : i64
// CHECK: llm.kernel "add"({{.*}}offset = 64 : i64
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
    %y = llm.kernel "activation"(%x) attributes {schedule = {target = "cpu"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %z = llm.kernel "activation"(%y) attributes {schedule = {target = "cpu"}} : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>):
      %0 = llm.activation relu %a0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %s = llm.kernel "add"(%x, %z) attributes {schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?x8xf32>):
      %0 = llm.add %a0, %a1 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%s, %rows) attributes {schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// The cache is no buffer of the arena, and a workspace lives in its kernel only.

// CHECK-LABEL: module
// CHECK-SAME: llm.arena = {logit_row_bytes = 64 : i64, token_row_bytes = 1088 : i64}
// CHECK: llm.kernel "append"({{.*}}placement = [unit], schedule = {target = "cpu", workspace_row_bytes = 1024 : i64}, workspace = {offset = 0 : i64, row_bytes = 1024 : i64, space = "token"}
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
    %c1 = llm.kernel "append"(%cache, %x, %positions, %batch) attributes {schedule = {target = "cpu", workspace_row_bytes = 1024 : i64}} : (!cache, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache {
    ^bb0(%a0: !cache, %a1: tensor<?x8xf32>, %a2: tensor<?xi32>, %a3: !llm.batch):
      %0 = llm.cache_append %a0, %a1, %a1, %a2, %a3 {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
      llm.yield %0 : !cache
    }
    %l = llm.kernel "gather_rows"(%x, %rows) attributes {schedule = {target = "cpu"}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %c1 : tensor<?x8xf32>, !cache
  }
}

// -----

// The workspace of the head has a row for each wanted row.

// CHECK-LABEL: module
// CHECK-SAME: llm.arena = {logit_row_bytes = 1152 : i64, token_row_bytes = 64 : i64}
// CHECK: llm.kernel "gather_rows_linear"({{.*}}workspace = {offset = 0 : i64, row_bytes = 1024 : i64, space = "logit"}
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "scheduled"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x24xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) attributes {schedule = {target = "cpu"}} : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y = llm.kernel "gather_rows_linear"(%x, %rows, %e) attributes {schedule = {target = "cpu", workspace_row_bytes = 1024 : i64}} : (tensor<?x8xf32>, tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x24xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>, %a2: tensor<24x8xf32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      %1 = llm.linear %0, %a2 : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x24xf32>
      llm.yield %1 : tensor<?x24xf32>
    }
    return %y, %cache : tensor<?x24xf32>, !cache
  }
}
