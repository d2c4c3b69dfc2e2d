// RUN: llmopt-opt %s | llmopt-opt | FileCheck %s
// RUN: llmopt-opt %s --mlir-print-op-generic | llmopt-opt | FileCheck %s

// CHECK-LABEL: @embed
func.func @embed(%tokens: tensor<?xi32>, %table: tensor<32x8xbf16>) -> tensor<?x8xbf16> {
  // CHECK: llm.embed %{{.*}}, %{{.*}} : (tensor<?xi32>, tensor<32x8xbf16>) -> tensor<?x8xbf16>
  %x = llm.embed %tokens, %table : (tensor<?xi32>, tensor<32x8xbf16>) -> tensor<?x8xbf16>
  return %x : tensor<?x8xbf16>
}

// CHECK-LABEL: @embed_from_the_layout_of_a_head
func.func @embed_from_the_layout_of_a_head(%tokens: tensor<?xi32>, %table: tensor<32x8xf32, #llm.packed<panel = 16, interleave = 1>>) -> tensor<?x8xf32> {
  // CHECK: tensor<32x8xf32, #llm.packed<panel = 16, interleave = 1>>) -> tensor<?x8xf32>
  %x = llm.embed %tokens, %table : (tensor<?xi32>, tensor<32x8xf32, #llm.packed<panel = 16, interleave = 1>>) -> tensor<?x8xf32>
  return %x : tensor<?x8xf32>
}

// CHECK-LABEL: @gather_rows
func.func @gather_rows(%x: tensor<?x8xf32>, %rows: tensor<?xi32>) -> tensor<?x8xf32> {
  // CHECK: llm.gather_rows %{{.*}}, %{{.*}} : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
  %last = llm.gather_rows %x, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
  return %last : tensor<?x8xf32>
}
