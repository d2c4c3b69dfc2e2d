// RUN: llmopt-opt %s --split-input-file --llm-fuse-kernels=enabled=false --llm-verify-phase --verify-pass-semantics | FileCheck %s

// A kernel for each op.

// CHECK-LABEL: llm.phase = "kernels"
// CHECK: llm.kernel "embed"(
// CHECK: llm.kernel "norm"(
// CHECK: llm.kernel "linear"(
// CHECK: llm.kernel "activation"(
// CHECK: llm.kernel "gather_rows"(
// CHECK-NOT: llm.kernel
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @g : tensor<8xf32> {
    %0 = llm.load "g" : tensor<8xf32>
    llm.yield %0 : tensor<8xf32>
  }
  llm.weight @a : tensor<8x8xf32> {
    %0 = llm.load "a" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %g = llm.get_weight @g : tensor<8xf32>
    %a = llm.get_weight @a : tensor<8x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %n = llm.norm rms %x, %g {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %y = llm.linear %n, %a : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %z = llm.activation relu %y : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %z, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// But a weight is cast while it is read: it is no row.

// CHECK-LABEL: module
// CHECK: llm.kernel "embed"(
// CHECK: llm.kernel "cast"(
// CHECK: llm.kernel "linear"(
// CHECK-NEXT: ^bb0
// CHECK-NEXT: llm.cast {{.*}} -> tensor<8x8xbf16>
// CHECK-NEXT: llm.linear
// CHECK: llm.kernel "gather_rows"(
// CHECK-NOT: llm.kernel
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
    %b = llm.cast %w : (tensor<8x8xf32>) -> tensor<8x8xbf16>
    %a = llm.cast %x : (tensor<?x8xf32>) -> tensor<?x8xbf16>
    %y = llm.linear %a, %b : (tensor<?x8xbf16>, tensor<8x8xbf16>) -> tensor<?x8xf32>
    %l = llm.gather_rows %y, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}
