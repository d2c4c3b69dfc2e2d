// RUN: llmopt-opt %s --split-input-file --verify-diagnostics

func.func @argument_of_another_type(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{'llm.kernel' op region arguments differ from the operands in type}}
  %y = llm.kernel "cast"(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xbf16>):
    %0 = llm.cast %a : (tensor<?x8xbf16>) -> tensor<?x8xf32>
    llm.yield %0 : tensor<?x8xf32>
  }
  return %y : tensor<?x8xf32>
}

// -----

func.func @argument_missing(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{'llm.kernel' op region arguments differ from the operands in type}}
  %y = llm.kernel "add"(%x, %x) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    llm.yield %a : tensor<?x8xf32>
  }
  return %y : tensor<?x8xf32>
}

// -----

func.func @yields_another_type(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{'llm.kernel' op region does not yield the results' types}}
  %y = llm.kernel "cast"(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %0 = llm.cast %a : (tensor<?x8xf32>) -> tensor<?x8xbf16>
    llm.yield %0 : tensor<?x8xbf16>
  }
  return %y : tensor<?x8xf32>
}

// -----

func.func @reads_what_is_outside(%x: tensor<?x8xf32>, %z: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-note @+1 {{required by region isolation constraints}}
  %y = llm.kernel "add"(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    // expected-error @+1 {{'llm.add' op using value defined outside the region}}
    %0 = llm.add %a, %z : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    llm.yield %0 : tensor<?x8xf32>
  }
  return %y : tensor<?x8xf32>
}

// -----

func.func @yield_alone(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'llm.yield' op expects parent op to be one of 'llm.kernel, llm.weight'}}
  llm.yield %x : tensor<?x8xf32>
}
