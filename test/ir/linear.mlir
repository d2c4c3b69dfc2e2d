// RUN: llmopt-opt %s | llmopt-opt | FileCheck %s
// RUN: llmopt-opt %s --mlir-print-op-generic | llmopt-opt | FileCheck %s

// CHECK-LABEL: @without_bias
func.func @without_bias(%x: tensor<?x8xbf16>, %w: tensor<4x8xbf16>) -> tensor<?x4xbf16> {
  // CHECK: llm.linear %{{.*}}, %{{.*}} : (tensor<?x8xbf16>, tensor<4x8xbf16>) -> tensor<?x4xbf16>
  %y = llm.linear %x, %w : (tensor<?x8xbf16>, tensor<4x8xbf16>) -> tensor<?x4xbf16>
  return %y : tensor<?x4xbf16>
}

// CHECK-LABEL: @with_bias
func.func @with_bias(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %b: tensor<4xf32>) -> tensor<?x4xf32> {
  // CHECK: llm.linear %{{.*}}, %{{.*}} bias %{{.*}} : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %y = llm.linear %x, %w bias %b : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: @keeps_its_accumulators
func.func @keeps_its_accumulators(%x: tensor<?x8xf16>, %w: tensor<4x8xf16>, %b: tensor<4xf32>) -> tensor<?x4xf32> {
  // CHECK: llm.linear {{.*}} -> tensor<?x4xf32>
  %y = llm.linear %x, %w bias %b : (tensor<?x8xf16>, tensor<4x8xf16>, tensor<4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: @reads_a_packed_weight
func.func @reads_a_packed_weight(%x: tensor<?x8xbf16>, %w: tensor<4x8xbf16, #llm.packed<panel = 16, interleave = 2>>) -> tensor<?x4xbf16> {
  // CHECK: tensor<4x8xbf16, #llm.packed<panel = 16, interleave = 2>>) -> tensor<?x4xbf16>
  %y = llm.linear %x, %w : (tensor<?x8xbf16>, tensor<4x8xbf16, #llm.packed<panel = 16, interleave = 2>>) -> tensor<?x4xbf16>
  return %y : tensor<?x4xbf16>
}
