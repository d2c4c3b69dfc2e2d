// RUN: llmopt-opt %s | llmopt-opt | FileCheck %s
// RUN: llmopt-opt %s --mlir-print-op-generic | llmopt-opt | FileCheck %s
// RUN: llmopt-opt %s --canonicalize | FileCheck %s --check-prefix=FOLD

// CHECK-LABEL: @add
func.func @add(%x: tensor<?x8xf32>, %y: tensor<?x8xbf16>) -> tensor<?x8xf32> {
  // CHECK: llm.add %{{.*}}, %{{.*}} : (tensor<?x8xf32>, tensor<?x8xbf16>) -> tensor<?x8xf32>
  %r = llm.add %x, %y : (tensor<?x8xf32>, tensor<?x8xbf16>) -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// CHECK-LABEL: @mul
func.func @mul(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: llm.mul %{{.*}}, %{{.*}} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %r = llm.mul %x, %y : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// CHECK-LABEL: @activations
func.func @activations(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: = llm.activation gelu %{{.*}} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: = llm.activation gelu_tanh %
  // CHECK: = llm.activation silu %
  // CHECK: = llm.activation relu %
  %0 = llm.activation gelu %x : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = llm.activation gelu_tanh %0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %2 = llm.activation silu %1 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %3 = llm.activation relu %2 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %3 : tensor<?x8xf32>
}

// CHECK-LABEL: @cast
func.func @cast(%x: tensor<?x8xf32>) -> tensor<?x8xbf16> {
  // CHECK: llm.cast %{{.*}} : (tensor<?x8xf32>) -> tensor<?x8xbf16>
  %b = llm.cast %x : (tensor<?x8xf32>) -> tensor<?x8xbf16>
  return %b : tensor<?x8xbf16>
}

// FOLD-LABEL: @cast_to_the_same_type
func.func @cast_to_the_same_type(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // FOLD-NEXT: return %arg0
  %b = llm.cast %x : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %b : tensor<?x8xf32>
}

// FOLD-LABEL: @widening_and_back
func.func @widening_and_back(%x: tensor<?x8xbf16>) -> tensor<?x8xbf16> {
  // FOLD-NEXT: return %arg0
  %w = llm.cast %x : (tensor<?x8xbf16>) -> tensor<?x8xf32>
  %b = llm.cast %w : (tensor<?x8xf32>) -> tensor<?x8xbf16>
  return %b : tensor<?x8xbf16>
}

// FOLD-LABEL: @widening_before_another_type
func.func @widening_before_another_type(%x: tensor<?x8xf16>) -> tensor<?x8xbf16> {
  // FOLD-NEXT: %[[B:.*]] = llm.cast %arg0 : (tensor<?x8xf16>) -> tensor<?x8xbf16>
  // FOLD-NEXT: return %[[B]]
  %w = llm.cast %x : (tensor<?x8xf16>) -> tensor<?x8xf32>
  %b = llm.cast %w : (tensor<?x8xf32>) -> tensor<?x8xbf16>
  return %b : tensor<?x8xbf16>
}

// Rounding is not undone by widening.
// FOLD-LABEL: @narrowing_and_back
func.func @narrowing_and_back(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // FOLD: llm.cast %arg0 : (tensor<?x8xf32>) -> tensor<?x8xbf16>
  // FOLD: llm.cast {{.*}} : (tensor<?x8xbf16>) -> tensor<?x8xf32>
  %b = llm.cast %x : (tensor<?x8xf32>) -> tensor<?x8xbf16>
  %w = llm.cast %b : (tensor<?x8xbf16>) -> tensor<?x8xf32>
  return %w : tensor<?x8xf32>
}

// f16 and bf16 each hold values that the other does not.
// FOLD-LABEL: @through_another_16_bits
func.func @through_another_16_bits(%x: tensor<?x8xf16>) -> tensor<?x8xf32> {
  // FOLD: llm.cast %arg0 : (tensor<?x8xf16>) -> tensor<?x8xbf16>
  // FOLD: llm.cast {{.*}} : (tensor<?x8xbf16>) -> tensor<?x8xf32>
  %b = llm.cast %x : (tensor<?x8xf16>) -> tensor<?x8xbf16>
  %w = llm.cast %b : (tensor<?x8xbf16>) -> tensor<?x8xf32>
  return %w : tensor<?x8xf32>
}

// FOLD-LABEL: @unused
func.func @unused(%x: tensor<?x8xf32>) {
  // FOLD-NEXT: return
  %0 = llm.activation relu %x : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = llm.add %0, %x : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}
