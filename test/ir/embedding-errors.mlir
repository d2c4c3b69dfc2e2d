// RUN: llmopt-opt %s --split-input-file --verify-diagnostics

func.func @vector_as_table(%tokens: tensor<?xi32>, %table: tensor<32xf32>) -> tensor<?x1xf32> {
  // expected-error @+1 {{expects a table of rank 2, got 'tensor<32xf32>'}}
  %x = llm.embed %tokens, %table : (tensor<?xi32>, tensor<32xf32>) -> tensor<?x1xf32>
  return %x : tensor<?x1xf32>
}

// -----

func.func @embedding_of_other_width(%tokens: tensor<?xi32>, %table: tensor<32x8xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{'llm.embed' op result is 'tensor<?x4xf32>' but its operands give shape [?, 8]}}
  %x = llm.embed %tokens, %table : (tensor<?xi32>, tensor<32x8xf32>) -> tensor<?x4xf32>
  return %x : tensor<?x4xf32>
}

// -----

func.func @more_rows_than_indices(%tokens: tensor<2xi32>, %table: tensor<32x8xf32>) -> tensor<3x8xf32> {
  // expected-error @+1 {{'llm.embed' op result is 'tensor<3x8xf32>' but its operands give shape [2, 8]}}
  %x = llm.embed %tokens, %table : (tensor<2xi32>, tensor<32x8xf32>) -> tensor<3x8xf32>
  return %x : tensor<3x8xf32>
}

// -----

func.func @long_indices(%tokens: tensor<?xi64>, %table: tensor<32x8xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{operand #0 must be 1D tensor of 32-bit signless integer values}}
  %x = llm.embed %tokens, %table : (tensor<?xi64>, tensor<32x8xf32>) -> tensor<?x8xf32>
  return %x : tensor<?x8xf32>
}

// -----

func.func @gather_of_other_width(%x: tensor<?x8xf32>, %rows: tensor<?xi32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{'llm.gather_rows' op result is 'tensor<?x4xf32>' but its operands give shape [?, 8]}}
  %last = llm.gather_rows %x, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x4xf32>
  return %last : tensor<?x4xf32>
}
