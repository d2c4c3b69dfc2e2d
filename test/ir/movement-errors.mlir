// RUN: llmopt-opt %s --split-input-file --verify-diagnostics

func.func @past_the_end(%x: tensor<?x24xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{columns [17, 8] of 24}}
  %k = llm.slice %x [17, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
  return %k : tensor<?x8xf32>
}

// -----

func.func @before_the_beginning(%x: tensor<?x24xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{columns [-1, 8] of 24}}
  %k = llm.slice %x [-1, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
  return %k : tensor<?x8xf32>
}

// -----

func.func @of_nothing(%x: tensor<?x24xf32>) -> tensor<?x0xf32> {
  // expected-error @+1 {{columns [0, 0] of 24}}
  %k = llm.slice %x [0, 0] : (tensor<?x24xf32>) -> tensor<?x0xf32>
  return %k : tensor<?x0xf32>
}

// -----

func.func @so_far_that_sums_overflow(%x: tensor<?x24xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{columns [9223372036854775807, 8] of 24}}
  %k = llm.slice %x [9223372036854775807, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
  return %k : tensor<?x8xf32>
}

// -----

func.func @result_of_other_width(%x: tensor<?x24xf32>) -> tensor<?x16xf32> {
  // expected-error @+1 {{'llm.slice' op result is 'tensor<?x16xf32>' but its operands give shape [?, 8]}}
  %k = llm.slice %x [0, 8] : (tensor<?x24xf32>) -> tensor<?x16xf32>
  return %k : tensor<?x16xf32>
}
