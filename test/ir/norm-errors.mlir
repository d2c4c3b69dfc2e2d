// RUN: llmopt-opt %s --split-input-file --verify-diagnostics

func.func @rms_with_bias(%x: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{'llm.norm' op of kind rms takes no bias}}
  %y = llm.norm rms %x, %w bias %w {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

func.func @no_epsilon(%x: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{epsilon must be positive, got 0}}
  %y = llm.norm rms %x, %w {epsilon = 0.0 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

func.func @epsilon_is_no_number(%x: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{epsilon must be positive}}
  %y = llm.norm rms %x, %w {epsilon = 0x7FF8000000000000 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

func.func @weight_of_other_size(%x: tensor<?x8xf32>, %w: tensor<4xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{normalizes 8 columns with 'tensor<4xf32>'}}
  %y = llm.norm rms %x, %w {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

func.func @bias_of_other_size(%x: tensor<?x8xf32>, %w: tensor<8xf32>, %b: tensor<4xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{normalizes 8 columns with 'tensor<4xf32>'}}
  %y = llm.norm layer %x, %w bias %b {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

func.func @result_of_other_width(%x: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{result is 'tensor<?x4xf32>' but its operands give shape [?, 8]}}
  %y = llm.norm rms %x, %w {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @unknown_kind(%x: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  // expected-error @+2 {{expected ::llmopt::NormKind to be one of: rms, layer}}
  // expected-error @+1 {{failed to parse LLM_NormKindAttr}}
  %y = llm.norm batch %x, %w {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
