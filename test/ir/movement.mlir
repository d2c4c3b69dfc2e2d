// RUN: llmopt-opt %s | llmopt-opt | FileCheck %s
// RUN: llmopt-opt %s --mlir-print-op-generic | llmopt-opt | FileCheck %s
// RUN: llmopt-opt %s --canonicalize | FileCheck %s --check-prefix=FOLD

// CHECK-LABEL: @slice
func.func @slice(%x: tensor<?x24xf32>) -> tensor<?x8xf32> {
  // CHECK: llm.slice %{{.*}}[16, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
  %k = llm.slice %x [16, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
  return %k : tensor<?x8xf32>
}

// FOLD-LABEL: @slice_of_all
func.func @slice_of_all(%x: tensor<?x24xf32>) -> tensor<?x24xf32> {
  // FOLD-NEXT: return %arg0
  %k = llm.slice %x [0, 24] : (tensor<?x24xf32>) -> tensor<?x24xf32>
  return %k : tensor<?x24xf32>
}

// FOLD-LABEL: @slice_of_slice
func.func @slice_of_slice(%x: tensor<?x24xf32>) -> tensor<?x4xf32> {
  // FOLD-NEXT: %[[S:.*]] = llm.slice %arg0[20, 4] : (tensor<?x24xf32>) -> tensor<?x4xf32>
  // FOLD-NEXT: return %[[S]]
  %0 = llm.slice %x [16, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
  %1 = llm.slice %0 [4, 4] : (tensor<?x8xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// The inner slice rounds, which the outer one alone would not.
// FOLD-LABEL: @slice_of_rounding_slice
func.func @slice_of_rounding_slice(%x: tensor<?x24xf32>) -> tensor<?x4xf32> {
  // FOLD: llm.slice %arg0[16, 8] : (tensor<?x24xf32>) -> tensor<?x8xbf16>
  // FOLD: llm.slice %{{.*}}[4, 4] : (tensor<?x8xbf16>) -> tensor<?x4xf32>
  %0 = llm.slice %x [16, 8] : (tensor<?x24xf32>) -> tensor<?x8xbf16>
  %1 = llm.slice %0 [4, 4] : (tensor<?x8xbf16>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}
