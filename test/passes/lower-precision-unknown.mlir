// RUN: not llmopt-opt %s --llm-lower-precision=precision=8-true 2>&1 | FileCheck %s -DPRECISION=8-true
// RUN: not llmopt-opt %s --llm-lower-precision=precision=32-mixed 2>&1 | FileCheck %s -DPRECISION=32-mixed
// RUN: not llmopt-opt %s --llm-lower-precision=precision=bf16 2>&1 | FileCheck %s -DPRECISION=bf16
// RUN: not llmopt-opt %s --llm-lower-precision=precision=true 2>&1 | FileCheck %s -DPRECISION=true
// RUN: not llmopt-opt %s --llm-lower-precision=precision=BF16-true 2>&1 | FileCheck %s -DPRECISION=BF16-true

// CHECK: error: unknown precision '[[PRECISION]]'; known: 32-true, 16-true, bf16-true, 16-mixed, bf16-mixed
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @w : tensor<8x8xf32> {
    %0 = llm.load "w" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %y0 = llm.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %y = llm.gather_rows %y0, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %y, %cache : tensor<?x8xf32>, !cache
  }
}
