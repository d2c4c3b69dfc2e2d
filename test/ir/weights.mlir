// RUN: llmopt-opt %s | llmopt-opt | FileCheck %s
// RUN: llmopt-opt %s --mlir-print-op-generic | llmopt-opt | FileCheck %s
// RUN: llmopt-opt %s --canonicalize | FileCheck %s --check-prefix=FOLD

// CHECK-LABEL: llm.weight @loaded : tensor<8x4xbf16> {
// CHECK-NEXT: %[[L:.*]] = llm.load "lm_head.weight" : tensor<8x4xf32>
// CHECK-NEXT: %[[C:.*]] = llm.cast %[[L]] : (tensor<8x4xf32>) -> tensor<8x4xbf16>
// CHECK-NEXT: llm.yield %[[C]] : tensor<8x4xbf16>
llm.weight @loaded : tensor<8x4xbf16> {
  %0 = llm.load "lm_head.weight" : tensor<8x4xf32>
  %1 = llm.cast %0 : (tensor<8x4xf32>) -> tensor<8x4xbf16>
  llm.yield %1 : tensor<8x4xbf16>
}

// CHECK-LABEL: llm.weight @random
// CHECK: llm.random {deviation = 2.000000e-02 : f64, mean = 0.000000e+00 : f64, seed = 4294967295 : i64} : tensor<8x4xf32>
llm.weight @random : tensor<8x4xf32> {
  %0 = llm.random {seed = 4294967295 : i64, mean = 0.0 : f64, deviation = 0.02 : f64} : tensor<8x4xf32>
  llm.yield %0 : tensor<8x4xf32>
}

// CHECK-LABEL: llm.weight @zeros
// CHECK: llm.fill {value = 0.000000e+00 : f64} : tensor<8xf32>
llm.weight @zeros : tensor<8xf32> {
  %0 = llm.fill {value = 0.0 : f64} : tensor<8xf32>
  llm.yield %0 : tensor<8xf32>
}

// CHECK-LABEL: llm.weight @interleaved
// CHECK: llm.rows %{{.*}}[offset = 2, block = 2, stride = 6, count = 2] : (tensor<12x4xf32>) -> tensor<4x4xf32>
llm.weight @interleaved : tensor<4x4xf32> {
  %0 = llm.load "qkv" : tensor<12x4xf32>
  %1 = llm.rows %0 [offset = 2, block = 2, stride = 6, count = 2] : (tensor<12x4xf32>) -> tensor<4x4xf32>
  llm.yield %1 : tensor<4x4xf32>
}

// CHECK-LABEL: llm.weight @fused
// CHECK: llm.concat %{{.*}}, %{{.*}} : (tensor<4x8xf32>, tensor<2x8xf32>) -> tensor<6x8xf32>
llm.weight @fused : tensor<6x8xf32> {
  %0 = llm.load "q" : tensor<4x8xf32>
  %1 = llm.load "k" : tensor<2x8xf32>
  %2 = llm.concat %0, %1 : (tensor<4x8xf32>, tensor<2x8xf32>) -> tensor<6x8xf32>
  llm.yield %2 : tensor<6x8xf32>
}

// CHECK-LABEL: llm.weight @fused_biases
// CHECK: llm.concat %{{.*}}, %{{.*}} : (tensor<4xf32>, tensor<2xf32>) -> tensor<6xf32>
llm.weight @fused_biases : tensor<6xf32> {
  %0 = llm.load "q.bias" : tensor<4xf32>
  %1 = llm.fill {value = 0.0 : f64} : tensor<2xf32>
  %2 = llm.concat %0, %1 : (tensor<4xf32>, tensor<2xf32>) -> tensor<6xf32>
  llm.yield %2 : tensor<6xf32>
}

// CHECK-LABEL: llm.weight @transposed
// CHECK: llm.transpose %{{.*}} : (tensor<4x8xf32>) -> tensor<8x4xf32>
llm.weight @transposed : tensor<8x4xf32> {
  %0 = llm.load "conv1d" : tensor<4x8xf32>
  %1 = llm.transpose %0 : (tensor<4x8xf32>) -> tensor<8x4xf32>
  llm.yield %1 : tensor<8x4xf32>
}

// CHECK-LABEL: llm.weight @packed : tensor<8x4xbf16, #llm.packed<panel = 16, interleave = 2>>
// CHECK: llm.pack %{{.*}} : (tensor<8x4xbf16>) -> tensor<8x4xbf16, #llm.packed<panel = 16, interleave = 2>>
llm.weight @packed : tensor<8x4xbf16, #llm.packed<panel = 16, interleave = 2>> {
  %0 = llm.load "up" : tensor<8x4xbf16>
  %1 = llm.pack %0 : (tensor<8x4xbf16>) -> tensor<8x4xbf16, #llm.packed<panel = 16, interleave = 2>>
  llm.yield %1 : tensor<8x4xbf16, #llm.packed<panel = 16, interleave = 2>>
}

// CHECK-LABEL: @use
func.func @use() -> tensor<8x4xbf16> {
  // CHECK: llm.get_weight @loaded : tensor<8x4xbf16>
  %0 = llm.get_weight @loaded : tensor<8x4xbf16>
  return %0 : tensor<8x4xbf16>
}

// FOLD-LABEL: llm.weight @stored_as_it_was_loaded
// FOLD-NEXT: %[[L:.*]] = llm.load "norm" : tensor<8xbf16>
// FOLD-NEXT: llm.yield %[[L]]
llm.weight @stored_as_it_was_loaded : tensor<8xbf16> {
  %0 = llm.load "norm" : tensor<8xbf16>
  %1 = llm.cast %0 : (tensor<8xbf16>) -> tensor<8xf32>
  %2 = llm.cast %1 : (tensor<8xf32>) -> tensor<8xbf16>
  llm.yield %2 : tensor<8xbf16>
}

// FOLD-LABEL: llm.weight @all_rows
// FOLD-NEXT: %[[L:.*]] = llm.load "qkv" : tensor<12x4xf32>
// FOLD-NEXT: llm.yield %[[L]]
llm.weight @all_rows : tensor<12x4xf32> {
  %0 = llm.load "qkv" : tensor<12x4xf32>
  %1 = llm.rows %0 [offset = 0, block = 4, stride = 4, count = 3] : (tensor<12x4xf32>) -> tensor<12x4xf32>
  llm.yield %1 : tensor<12x4xf32>
}

// FOLD-LABEL: llm.weight @concat_of_one
// FOLD-NEXT: %[[L:.*]] = llm.load "q" : tensor<4x8xf32>
// FOLD-NEXT: llm.yield %[[L]]
llm.weight @concat_of_one : tensor<4x8xf32> {
  %0 = llm.load "q" : tensor<4x8xf32>
  %1 = llm.concat %0 : (tensor<4x8xf32>) -> tensor<4x8xf32>
  llm.yield %1 : tensor<4x8xf32>
}

// FOLD-LABEL: llm.weight @transposed_twice
// FOLD-NEXT: %[[L:.*]] = llm.load "q" : tensor<4x8xf32>
// FOLD-NEXT: llm.yield %[[L]]
llm.weight @transposed_twice : tensor<4x8xf32> {
  %0 = llm.load "q" : tensor<4x8xf32>
  %1 = llm.transpose %0 : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %2 = llm.transpose %1 : (tensor<8x4xf32>) -> tensor<4x8xf32>
  llm.yield %2 : tensor<4x8xf32>
}
