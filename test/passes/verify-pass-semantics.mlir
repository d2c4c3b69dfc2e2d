// Any part of a file that fails the verification fails the tool, here one that cannot be interpreted.
// RUN: not llmopt-opt %s --split-input-file --llm-verify-phase --verify-pass-semantics 2>&1 | FileCheck %s
// RUN: llmopt-opt %s --split-input-file --llm-verify-phase

// CHECK: error: llm-verify-phase: the module before the pass cannot be interpreted: {{.*}}llm.embed: index {{[0-9]+}} of 2 rows

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph", llm.config = {vocabulary = 24 : i64}} {
  llm.weight @e : tensor<2x8xf32> {
    %0 = llm.load "e" : tensor<2x8xf32>
    llm.yield %0 : tensor<2x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<2x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<2x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %x, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph", llm.config = {vocabulary = 24 : i64}} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %x, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}
