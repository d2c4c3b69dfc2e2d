// RUN: llmopt-opt %s --split-input-file --llm-schedule=target=cuda --verify-pass-semantics | FileCheck %s

// Rows that are no multiple of 16 bytes are padded; the others lie as they are.

// CHECK-LABEL: llm.phase = "scheduled"
// CHECK: llm.weight @w : tensor<40x8xf32> {
// CHECK: llm.weight @v : tensor<24x10xf32, #llm.packed<panel = 1, interleave = 4>> {
// CHECK: llm.kernel "embed"({{.*}}) attributes {schedule = {target = "cuda"}}
// CHECK: llm.kernel "linear"({{.*}}) attributes {schedule = {target = "cuda", variants = [{{.*}}kind = "matvec"{{.*}}kind = "library"
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "kernels", llm.config = {vocabulary = 24 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @w : tensor<40x8xf32> {
    %0 = llm.load "w" : tensor<40x8xf32>
    llm.yield %0 : tensor<40x8xf32>
  }
  llm.weight @f : tensor<24x10xf32> {
    %0 = llm.load "f" : tensor<24x10xf32>
    llm.yield %0 : tensor<24x10xf32>
  }
  llm.weight @v : tensor<24x10xf32> {
    %0 = llm.load "v" : tensor<24x10xf32>
    llm.yield %0 : tensor<24x10xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x40xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<40x8xf32>
    %f = llm.get_weight @f : tensor<24x10xf32>
    %v = llm.get_weight @v : tensor<24x10xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %z = llm.kernel "embed"(%tokens, %f) : (tensor<?xi32>, tensor<24x10xf32>) -> tensor<?x10xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x10xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x10xf32>) -> tensor<?x10xf32>
      llm.yield %0 : tensor<?x10xf32>
    }
    %y = llm.kernel "linear"(%x, %w) : (tensor<?x8xf32>, tensor<40x8xf32>) -> tensor<?x40xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<40x8xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x8xf32>, tensor<40x8xf32>) -> tensor<?x40xf32>
      llm.yield %0 : tensor<?x40xf32>
    }
    %u = llm.kernel "linear"(%z, %v) : (tensor<?x10xf32>, tensor<24x10xf32>) -> tensor<?x24xf32> {
    ^bb0(%a0: tensor<?x10xf32>, %a1: tensor<24x10xf32>):
      %0 = llm.linear %a0, %a1 : (tensor<?x10xf32>, tensor<24x10xf32>) -> tensor<?x24xf32>
      llm.yield %0 : tensor<?x24xf32>
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

// Where the tensor cores read 16-bit weights as they are stored, those lie in panels.

// RUN: llmopt-opt %s --split-input-file --llm-schedule='target=cuda arch=sm_80' | FileCheck %s --check-prefix=SM80

// CHECK-LABEL: llm.phase = "scheduled"
// CHECK: llm.weight @h : tensor<40x24xbf16, #llm.packed<panel = 8, interleave = 8>> {
// CHECK: llm.kernel "linear"({{.*}}) attributes {schedule = {target = "cuda", variants = [{blocks = 1 : i64, columns = 16 : i64, depth = 512 : i64, kind = "matvec_panels", max_rows = 1 : i64, {{.*}}kind = "gemm_wgmma"{{[^}]*}}}]}}
// SM80: llm.weight @h : tensor<40x24xbf16> {
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = bf16>
module attributes {llm.phase = "kernels", llm.config = {vocabulary = 24 : i64}} {
  llm.weight @e : tensor<24x24xbf16> {
    %0 = llm.load "e" : tensor<24x24xbf16>
    llm.yield %0 : tensor<24x24xbf16>
  }
  llm.weight @h : tensor<40x24xbf16> {
    %0 = llm.load "h" : tensor<40x24xbf16>
    llm.yield %0 : tensor<40x24xbf16>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x40xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x24xbf16>
    %h = llm.get_weight @h : tensor<40x24xbf16>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x24xbf16>) -> tensor<?x24xbf16> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x24xbf16>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x24xbf16>) -> tensor<?x24xbf16>
      llm.yield %0 : tensor<?x24xbf16>
    }
    %y = llm.kernel "linear"(%x, %h) : (tensor<?x24xbf16>, tensor<40x24xbf16>) -> tensor<?x40xf32> {
    ^bb0(%a0: tensor<?x24xbf16>, %a1: tensor<40x24xbf16>):
      %0 = llm.linear %a0, %a1 : (tensor<?x24xbf16>, tensor<40x24xbf16>) -> tensor<?x40xf32>
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

// Attention knows how many blocks of one row occupy the device.

// CHECK-LABEL: llm.phase = "scheduled"
// CHECK: llm.kernel "attention"({{.*}}) attributes {schedule = {batch_heads = 16 : i64, batch_splits = 256 : i64, decode_rows = 16 : i64, splits = 256 : i64, target = "cuda"}}
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "kernels", llm.config = {vocabulary = 24 : i64}} {
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
    %c1 = llm.kernel "append"(%cache, %x, %positions, %batch) : (!cache, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache {
    ^bb0(%a0: !cache, %a1: tensor<?x8xf32>, %a2: tensor<?xi32>, %a3: !llm.batch):
      %0 = llm.cache_append %a0, %a1, %a1, %a2, %a3 {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
      llm.yield %0 : !cache
    }
    %o = llm.kernel "attention"(%x, %c1, %positions, %batch) : (tensor<?x8xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: !cache, %a2: tensor<?xi32>, %a3: !llm.batch):
      %0 = llm.attention %a0, %a1, %a2, %a3 {layer = 0 : i64, scale = 0.5 : f64} : (tensor<?x8xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%o, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %c1 : tensor<?x8xf32>, !cache
  }
}
