// RUN: llmopt-opt %s --split-input-file --verify-diagnostics

func.func @add_of_other_widths(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{operands of different shapes: 'tensor<?x8xf32>' and 'tensor<?x4xf32>'}}
  %r = llm.add %x, %y : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// -----

func.func @mul_of_other_widths(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{operands of different shapes: 'tensor<?x8xf32>' and 'tensor<?x4xf32>'}}
  %r = llm.mul %x, %y : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// -----

func.func @add_gives_another_shape(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{'llm.add' op result is 'tensor<?x4xf32>' but its operands give shape [?, 8]}}
  %r = llm.add %x, %x : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func @activation_gives_another_shape(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{'llm.activation' op result is 'tensor<?x4xf32>' but its operands give shape [?, 8]}}
  %r = llm.activation relu %x : (tensor<?x8xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func @unknown_activation(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @+2 {{expected ::llmopt::ActivationKind to be one of: gelu, gelu_tanh, silu, relu}}
  // expected-error @+1 {{failed to parse LLM_ActivationKindAttr}}
  %r = llm.activation mish %x : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// -----

func.func @cast_gives_another_shape(%x: tensor<?x8xf32>) -> tensor<?x4xbf16> {
  // expected-error @+1 {{'llm.cast' op result is 'tensor<?x4xbf16>' but its operands give shape [?, 8]}}
  %r = llm.cast %x : (tensor<?x8xf32>) -> tensor<?x4xbf16>
  return %r : tensor<?x4xbf16>
}

// -----

func.func @cast_gives_another_layout(%x: tensor<8x8xf32>) -> tensor<8x8xbf16, #llm.packed<panel = 16, interleave = 2>> {
  // expected-error @+1 {{changes the element type only, not the layout: 'tensor<8x8xf32>' to 'tensor<8x8xbf16, #llm.packed<panel = 16, interleave = 2>>'}}
  %r = llm.cast %x : (tensor<8x8xf32>) -> tensor<8x8xbf16, #llm.packed<panel = 16, interleave = 2>>
  return %r : tensor<8x8xbf16, #llm.packed<panel = 16, interleave = 2>>
}

// -----

func.func @cast_of_a_cube(%x: tensor<2x2x2xf32>) -> tensor<2x2x2xbf16> {
  // expected-error @+1 {{operand #0 must be 1D/2D tensor of 32-bit float or 16-bit float or bfloat16 type values}}
  %r = llm.cast %x : (tensor<2x2x2xf32>) -> tensor<2x2x2xbf16>
  return %r : tensor<2x2x2xbf16>
}
