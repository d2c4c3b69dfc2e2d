// RUN: llmopt-opt %s --split-input-file --verify-diagnostics

func.func @other_depth(%x: tensor<?x8xf32>, %w: tensor<4x16xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{input has 8 columns, the weight takes 16}}
  %y = llm.linear %x, %w : (tensor<?x8xf32>, tensor<4x16xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @mixed_types(%x: tensor<?x8xf32>, %w: tensor<4x8xbf16>) -> tensor<?x4xf32> {
  // expected-error @+1 {{multiplies 'f32' by 'bf16'; cast one of them first}}
  %y = llm.linear %x, %w : (tensor<?x8xf32>, tensor<4x8xbf16>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @vector_as_weight(%x: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x1xf32> {
  // expected-error @+1 {{expects a weight of rank 2, got 'tensor<8xf32>'}}
  %y = llm.linear %x, %w : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @bias_of_other_size(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %b: tensor<8xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{bias is 'tensor<8xf32>' for 4 outputs}}
  %y = llm.linear %x, %w bias %b : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @matrix_as_bias_of_unknown_outputs(%x: tensor<?x8xf32>, %w: tensor<?x8xf32>, %b: tensor<4x1xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{bias is 'tensor<4x1xf32>' for ? outputs}}
  %y = llm.linear %x, %w bias %b : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<4x1xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @matrix_as_bias(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %b: tensor<4x1xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{bias is 'tensor<4x1xf32>' for 4 outputs}}
  %y = llm.linear %x, %w bias %b : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @result_of_other_width(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{result is 'tensor<?x8xf32>' but its operands give shape [?, 4]}}
  %y = llm.linear %x, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

func.func @vector_as_input(%x: tensor<8xf32>, %w: tensor<4x8xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{operand #0 must be matrix with known columns of 32-bit float or 16-bit float or bfloat16 type}}
  %y = llm.linear %x, %w : (tensor<8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @unknown_columns(%x: tensor<?x?xf32>, %w: tensor<4x8xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{operand #0 must be matrix with known columns of 32-bit float or 16-bit float or bfloat16 type}}
  %y = llm.linear %x, %w : (tensor<?x?xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @double_precision(%x: tensor<?x8xf64>, %w: tensor<4x8xf64>) -> tensor<?x4xf64> {
  // expected-error @+1 {{operand #0 must be matrix with known columns of 32-bit float or 16-bit float or bfloat16 type}}
  %y = llm.linear %x, %w : (tensor<?x8xf64>, tensor<4x8xf64>) -> tensor<?x4xf64>
  return %y : tensor<?x4xf64>
}
