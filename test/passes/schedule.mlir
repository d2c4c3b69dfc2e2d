// RUN: llmopt-opt %s --split-input-file --llm-schedule --verify-pass-semantics | FileCheck %s

// Weights that kernels multiply by come in panels; norms and the others stay.

// CHECK-LABEL: llm.phase = "scheduled"
// CHECK: llm.weight @w : tensor<40x8xf32, #llm.packed<panel = 16, interleave = 1>> {
// CHECK-NEXT: %[[L:.*]] = llm.load "w" : tensor<40x8xf32>
// CHECK-NEXT: %[[P:.*]] = llm.pack %[[L]]
// CHECK-NEXT: llm.yield %[[P]]
// CHECK: llm.weight @e : tensor<24x8xf32> {
// CHECK: llm.kernel "embed"({{.*}}) attributes {schedule = {target = "cpu"}}
// CHECK: llm.kernel "linear"({{.*}}) attributes {schedule = {target = "cpu", tile = array<i64: 40>, workspace_row_bytes = 1024 : i64}}
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "kernels", llm.config = {vocabulary = 24 : i64}} {
  llm.weight @w : tensor<40x8xf32> {
    %0 = llm.load "w" : tensor<40x8xf32>
    llm.yield %0 : tensor<40x8xf32>
  }
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x40xf32>, !cache) {
    %w = llm.get_weight @w : tensor<40x8xf32>
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y = llm.kernel "linear"(%x, %w) : (tensor<?x8xf32>, tensor<40x8xf32>) -> tensor<?x40xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<40x8xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<40x8xf32>) -> tensor<?x40xf32>
      llm.yield %0 : tensor<?x40xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x40xf32>, tensor<?xi32>) -> tensor<?x40xf32> {
    ^bb0(%a0: tensor<?x40xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x40xf32>, tensor<?xi32>) -> tensor<?x40xf32>
      llm.yield %0 : tensor<?x40xf32>
    }
    return %l, %cache : tensor<?x40xf32>, !cache
  }
}

// -----

// Pairs of columns lie together for bfloat16 products, and the workspace holds bfloat16.

// CHECK-LABEL: llm.phase = "scheduled"
// CHECK: llm.weight @w : tensor<200x8xbf16, #llm.packed<panel = 16, interleave = 2>>
// CHECK: llm.kernel "linear"({{.*}}tile = array<i64: 64>, workspace_row_bytes = 512 : i64
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "kernels", llm.config = {vocabulary = 24 : i64}} {
  llm.weight @e : tensor<24x8xbf16> {
    %0 = llm.load "e" : tensor<24x8xbf16>
    llm.yield %0 : tensor<24x8xbf16>
  }
  llm.weight @w : tensor<200x8xbf16> {
    %0 = llm.load "w" : tensor<200x8xbf16>
    llm.yield %0 : tensor<200x8xbf16>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x200xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xbf16>
    %w = llm.get_weight @w : tensor<200x8xbf16>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xbf16>) -> tensor<?x8xbf16> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xbf16>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xbf16>) -> tensor<?x8xbf16>
      llm.yield %0 : tensor<?x8xbf16>
    }
    %y = llm.kernel "linear"(%x, %w) : (tensor<?x8xbf16>, tensor<200x8xbf16>) -> tensor<?x200xf32> {
    ^bb0(%a0: tensor<?x8xbf16>, %a1: tensor<200x8xbf16>):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xbf16>, tensor<200x8xbf16>) -> tensor<?x200xf32>
      llm.yield %0 : tensor<?x200xf32>
    }
    %l = llm.kernel "gather_rows"(%y, %rows) : (tensor<?x200xf32>, tensor<?xi32>) -> tensor<?x200xf32> {
    ^bb0(%a0: tensor<?x200xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x200xf32>, tensor<?xi32>) -> tensor<?x200xf32>
      llm.yield %0 : tensor<?x200xf32>
    }
    return %l, %cache : tensor<?x200xf32>, !cache
  }
}

// -----

// An embedding reads the layout of the head that it shares its table with, and the cast of a weight
// keeps it.

// CHECK-LABEL: llm.phase = "scheduled"
// CHECK: llm.weight @e : tensor<24x8xf32, #llm.packed<panel = 16, interleave = 2>>
// CHECK: llm.embed {{.*}} tensor<24x8xf32, #llm.packed<panel = 16, interleave = 2>>) -> tensor<?x8xf32>
// CHECK: llm.cast {{.*}} -> tensor<24x8xbf16, #llm.packed<panel = 16, interleave = 2>>
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "kernels", llm.config = {vocabulary = 24 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x24xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %y = llm.kernel "gather_rows_linear"(%x, %rows, %e) : (tensor<?x8xf32>, tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x24xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>, %a2: tensor<24x8xf32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      %1 = llm.cast %0 : (tensor<?x8xf32>) -> tensor<?x8xbf16>
      %2 = llm.cast %a2 : (tensor<24x8xf32>) -> tensor<24x8xbf16>
      %3 = llm.linear %1, %2 : (tensor<?x8xbf16>, tensor<24x8xbf16>) -> tensor<?x24xf32>
      llm.yield %3 : tensor<?x24xf32>
    }
    return %y, %cache : tensor<?x24xf32>, !cache
  }
}

// -----

// Tiles are whole heads where columns are rotated or stored; two slices that go together share the
// width.

// CHECK-LABEL: llm.phase = "scheduled"
// CHECK: llm.kernel "linear_rope_append"({{.*}}tile = array<i64: 48, 48, 48>
// CHECK: llm.kernel "linear_mul"({{.*}}tile = array<i64: 32>
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 48, page = 16, type = f32>
module attributes {llm.phase = "kernels", llm.config = {vocabulary = 24 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @w : tensor<192x8xf32> {
    %0 = llm.load "w" : tensor<192x8xf32>
    llm.yield %0 : tensor<192x8xf32>
  }
  llm.weight @gu : tensor<192x96xf32> {
    %0 = llm.load "gu" : tensor<192x96xf32>
    llm.yield %0 : tensor<192x96xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x96xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<192x8xf32>
    %gu = llm.get_weight @gu : tensor<192x96xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %t = llm.kernel "rope_table"(%positions) : (tensor<?xi32>) -> tensor<?x48xf32> {
    ^bb0(%a0: tensor<?xi32>):
      %0 = llm.rope_table %a0 {frequencies = array<f32: 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0>} : (tensor<?xi32>) -> tensor<?x48xf32>
      llm.yield %0 : tensor<?x48xf32>
    }
    %q, %c1 = llm.kernel "linear_rope_append"(%x, %w, %t, %cache, %positions, %batch) : (tensor<?x8xf32>, tensor<192x8xf32>, tensor<?x48xf32>, !cache, tensor<?xi32>, !llm.batch) -> (tensor<?x96xf32>, !cache) {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<192x8xf32>, %a2: tensor<?x48xf32>, %a3: !cache, %a4: tensor<?xi32>, %a5: !llm.batch):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<192x8xf32>) -> tensor<?x192xf32>
      %1 = llm.slice %0 [0, 96] : (tensor<?x192xf32>) -> tensor<?x96xf32>
      %2 = llm.slice %0 [96, 48] : (tensor<?x192xf32>) -> tensor<?x48xf32>
      %3 = llm.slice %0 [144, 48] : (tensor<?x192xf32>) -> tensor<?x48xf32>
      %4 = llm.rope half %1, %a2 {head_dim = 48 : i64} : (tensor<?x96xf32>, tensor<?x48xf32>) -> tensor<?x96xf32>
      %5 = llm.rope half %2, %a2 {head_dim = 48 : i64} : (tensor<?x48xf32>, tensor<?x48xf32>) -> tensor<?x48xf32>
      %6 = llm.cache_append %a3, %5, %3, %a4, %a5 {layer = 0 : i64} : (!cache, tensor<?x48xf32>, tensor<?x48xf32>, tensor<?xi32>, !llm.batch) -> !cache
      llm.yield %4, %6 : tensor<?x96xf32>, !cache
    }
    %m = llm.kernel "linear_mul"(%q, %gu) : (tensor<?x96xf32>, tensor<192x96xf32>) -> tensor<?x96xf32> {
    ^bb0(%a0: tensor<?x96xf32>, %a1: tensor<192x96xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x96xf32>, tensor<192x96xf32>) -> tensor<?x192xf32>
      %1 = llm.slice %0 [0, 96] : (tensor<?x192xf32>) -> tensor<?x96xf32>
      %2 = llm.slice %0 [96, 96] : (tensor<?x192xf32>) -> tensor<?x96xf32>
      %3 = llm.mul %1, %2 : (tensor<?x96xf32>, tensor<?x96xf32>) -> tensor<?x96xf32>
      llm.yield %3 : tensor<?x96xf32>
    }
    %l = llm.kernel "gather_rows"(%m, %rows) : (tensor<?x96xf32>, tensor<?xi32>) -> tensor<?x96xf32> {
    ^bb0(%a0: tensor<?x96xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x96xf32>, tensor<?xi32>) -> tensor<?x96xf32>
      llm.yield %0 : tensor<?x96xf32>
    }
    return %l, %c1 : tensor<?x96xf32>, !cache
  }
}
