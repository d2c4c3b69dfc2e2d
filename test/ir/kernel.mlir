// RUN: llmopt-opt %s | llmopt-opt | FileCheck %s
// RUN: llmopt-opt %s --mlir-print-op-generic | llmopt-opt | FileCheck %s

// CHECK-LABEL: @one_result
func.func @one_result(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) -> tensor<?x4xf32> {
  // CHECK: %{{.*}} = llm.kernel "linear"(%{{.*}}, %{{.*}}) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32> {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x8xf32>, %{{.*}}: tensor<4x8xf32>):
  // CHECK-NEXT: llm.linear
  // CHECK-NEXT: llm.yield %{{.*}} : tensor<?x4xf32>
  %y = llm.kernel "linear"(%x, %w) : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32> {
  ^bb0(%a: tensor<?x8xf32>, %b: tensor<4x8xf32>):
    %0 = llm.linear %a, %b : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
    llm.yield %0 : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: @attributes_and_several_results
func.func @attributes_and_several_results(%x: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: llm.kernel "activation"(%{{.*}}) attributes {schedule = {target = "cpu"}} : (tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>)
  %y:2 = llm.kernel "activation"(%x) attributes {schedule = {target = "cpu"}} : (tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  ^bb0(%a: tensor<?x8xf32>):
    %0 = llm.activation relu %a : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %1 = llm.activation silu %a : (tensor<?x8xf32>) -> tensor<?x8xf32>
    llm.yield %0, %1 : tensor<?x8xf32>, tensor<?x8xf32>
  }
  return %y#0, %y#1 : tensor<?x8xf32>, tensor<?x8xf32>
}
