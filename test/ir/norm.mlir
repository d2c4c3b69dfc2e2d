// RUN: llmopt-opt %s | llmopt-opt | FileCheck %s
// RUN: llmopt-opt %s --mlir-print-op-generic | llmopt-opt | FileCheck %s

// CHECK-LABEL: @rms
func.func @rms(%x: tensor<?x8xbf16>, %w: tensor<8xbf16>) -> tensor<?x8xbf16> {
  // CHECK: = llm.norm rms %{{.*}}, %{{.*}} {epsilon = 1.000000e-05 : f64} : (tensor<?x8xbf16>, tensor<8xbf16>) -> tensor<?x8xbf16>
  %y = llm.norm rms %x, %w {epsilon = 1.0e-05 : f64} : (tensor<?x8xbf16>, tensor<8xbf16>) -> tensor<?x8xbf16>
  return %y : tensor<?x8xbf16>
}

// CHECK-LABEL: @layer_without_bias
func.func @layer_without_bias(%x: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: = llm.norm layer %{{.*}}, %{{.*}} {epsilon
  %y = llm.norm layer %x, %w {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: @layer_with_bias
func.func @layer_with_bias(%x: tensor<?x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: = llm.norm layer %{{.*}}, %{{.*}} bias %{{.*}} {epsilon
  %y = llm.norm layer %x, %w bias %b {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
