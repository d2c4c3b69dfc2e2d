// RUN: llmopt-opt-howto %s --llm-approximate-gelu | FileCheck %s
// RUN: llmopt-opt-howto %s --llm-approximate-gelu --verify-pass-semantics -o %t

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 4, page = 16, type = f32>

module attributes {llm.phase = "graph", llm.config = {context_length = 64 : i64, vocabulary = 40 : i64}} {
  llm.weight @embed : tensor<40x4xf32> {
    %0 = llm.random {seed = 1 : i64, mean = 0.0 : f64, deviation = 1.0 : f64} : tensor<40x4xf32>
    llm.yield %0 : tensor<40x4xf32>
  }
  // CHECK-LABEL: func.func @step
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                  %batch: !llm.batch, %cache: !cache) -> (tensor<?x40xf32>, !cache) {
    %w = llm.get_weight @embed : tensor<40x4xf32>
    %x = llm.embed %tokens, %w : (tensor<?xi32>, tensor<40x4xf32>) -> tensor<?x4xf32>
    // CHECK: llm.activation {{ *}}gelu_tanh
    %a = llm.activation gelu %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
    // Others stay.
    // CHECK: llm.activation {{ *}}silu
    %b = llm.activation silu %a : (tensor<?x4xf32>) -> tensor<?x4xf32>
    %l = llm.gather_rows %b, %rows : (tensor<?x4xf32>, tensor<?xi32>) -> tensor<?x4xf32>
    %y = llm.linear %l, %w : (tensor<?x4xf32>, tensor<40x4xf32>) -> tensor<?x40xf32>
    return %y, %cache : tensor<?x40xf32>, !cache
  }
}
