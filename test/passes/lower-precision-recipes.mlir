// RUN: llmopt-opt %s --split-input-file --llm-lower-precision=precision=bf16-true | FileCheck %s

// A tensor that the checkpoint has in the type is taken as it is.

// CHECK-LABEL: llm.weight @w : tensor<8x8xbf16>
// CHECK-NEXT: %[[L:.*]] = llm.load "w" : tensor<8x8xbf16>
// CHECK-NEXT: llm.yield %[[L]]
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @w : tensor<8x8xf32> {
    %0 = llm.load "w" : tensor<8x8xbf16>
    %1 = llm.cast %0 : (tensor<8x8xbf16>) -> tensor<8x8xf32>
    llm.yield %1 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %w = llm.get_weight @w : tensor<8x8xf32>
    %x = llm.embed %tokens, %w : (tensor<?xi32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %y = llm.gather_rows %x, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %y, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// One in another type is rounded.

// CHECK-LABEL: llm.weight @w : tensor<8x8xbf16>
// CHECK-NEXT: %[[L:.*]] = llm.load "w" : tensor<8x8xf16>
// CHECK-NEXT: %[[F:.*]] = llm.cast %[[L]] : (tensor<8x8xf16>) -> tensor<8x8xf32>
// CHECK-NEXT: %[[B:.*]] = llm.cast %[[F]] : (tensor<8x8xf32>) -> tensor<8x8xbf16>
// CHECK-NEXT: llm.yield %[[B]]
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @w : tensor<8x8xf32> {
    %0 = llm.load "w" : tensor<8x8xf16>
    %1 = llm.cast %0 : (tensor<8x8xf16>) -> tensor<8x8xf32>
    llm.yield %1 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %w = llm.get_weight @w : tensor<8x8xf32>
    %x = llm.embed %tokens, %w : (tensor<?xi32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %y = llm.gather_rows %x, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %y, %cache : tensor<?x8xf32>, !cache
  }
}
