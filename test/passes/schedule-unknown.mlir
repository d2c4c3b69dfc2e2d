// RUN: not llmopt-opt %s --llm-schedule=target=tpu 2>&1 | FileCheck %s

// RUN: not llmopt-opt %s --llm-schedule='target=cuda arch=sm_70' 2>&1 | FileCheck %s --check-prefix=ARCH

// CHECK: error: unknown target 'tpu'; known: cpu, cuda
// ARCH: error: unknown architecture 'sm_70'; known: sm_80, sm_86, sm_89, sm_90, sm_90a
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "kernels"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.kernel "embed"(%tokens, %e) : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?xi32>, %a1: tensor<24x8xf32>):
      %0 = llm.embed %a0, %a1 : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    %l = llm.kernel "gather_rows"(%x, %rows) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%a0: tensor<?x8xf32>, %a1: tensor<?xi32>):
      %0 = llm.gather_rows %a0, %a1 : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
      llm.yield %0 : tensor<?x8xf32>
    }
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}
