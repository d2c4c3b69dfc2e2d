// RUN: llmopt-opt %s --llm-lower-precision --verify-pass-semantics | FileCheck %s --check-prefix=SAME
// RUN: llmopt-opt %s --llm-lower-precision=precision=16-true --verify-pass-semantics | FileCheck %s --check-prefixes=TRUE -DTYPE=f16
// RUN: llmopt-opt %s --llm-lower-precision=precision=bf16-true --verify-pass-semantics | FileCheck %s --check-prefixes=TRUE -DTYPE=bf16
// RUN: llmopt-opt %s --llm-lower-precision=precision=16-mixed --verify-pass-semantics | FileCheck %s --check-prefixes=MIXED -DTYPE=f16
// RUN: llmopt-opt %s --llm-lower-precision=precision=bf16-mixed --verify-pass-semantics | FileCheck %s --check-prefixes=MIXED -DTYPE=bf16

// SAME: llm.phase = "graph"
// SAME-NOT: f16
// SAME-NOT: llm.cast

// Everything is of the type but rotary tables and the logits.
// TRUE: llm.phase = "graph"
// TRUE: llm.weight @e : tensor<24x8x[[TYPE]]>
// TRUE-NEXT: %[[L:.*]] = llm.load "e" : tensor<24x8xf32>
// TRUE-NEXT: %[[C:.*]] = llm.cast %[[L]] : (tensor<24x8xf32>) -> tensor<24x8x[[TYPE]]>
// TRUE-NEXT: llm.yield %[[C]]
// TRUE: llm.weight @g : tensor<8x[[TYPE]]>
// TRUE-LABEL: @step
// TRUE-SAME: -> (tensor<?x24xf32>, !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = [[TYPE]]>)
// TRUE: llm.rope_table {{.*}} -> tensor<?x8xf32>
// TRUE: llm.embed {{.*}} -> tensor<?x8x[[TYPE]]>
// TRUE: llm.norm {{.*}} -> tensor<?x8x[[TYPE]]>
// TRUE: llm.linear {{.*}} : (tensor<?x8x[[TYPE]]>, tensor<8x8x[[TYPE]]>, tensor<8x[[TYPE]]>) -> tensor<?x8x[[TYPE]]>
// TRUE: llm.rope {{.*}} : (tensor<?x8x[[TYPE]]>, tensor<?x8xf32>) -> tensor<?x8x[[TYPE]]>
// TRUE: llm.attention {{.*}} -> tensor<?x8x[[TYPE]]>
// TRUE: llm.linear {{.*}} : (tensor<?x8x[[TYPE]]>, tensor<24x8x[[TYPE]]>) -> tensor<?x24xf32>

// Only the products are of the type, and their sums are not rounded.
// MIXED-LABEL: llm.weight @e : tensor<24x8xf32>
// MIXED-NEXT: llm.load
// MIXED-NEXT: llm.yield
// MIXED-LABEL: @step
// MIXED-SAME: type = f32>
// MIXED: %[[N:.*]] = llm.norm {{.*}} -> tensor<?x8xf32>
// MIXED-NEXT: %[[A:.*]] = llm.cast %[[N]] : (tensor<?x8xf32>) -> tensor<?x8x[[TYPE]]>
// MIXED-NEXT: %[[B:.*]] = llm.cast %{{.*}} : (tensor<8x8xf32>) -> tensor<8x8x[[TYPE]]>
// MIXED-NEXT: llm.linear %[[A]], %[[B]] bias %{{.*}} : (tensor<?x8x[[TYPE]]>, tensor<8x8x[[TYPE]]>, tensor<8xf32>) -> tensor<?x8xf32>
// MIXED: llm.attention {{.*}} -> tensor<?x8xf32>
// MIXED: llm.linear {{.*}} -> tensor<?x24xf32>

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
  llm.weight @b : tensor<8xf32> {
    %0 = llm.load "b" : tensor<8xf32>
    llm.yield %0 : tensor<8xf32>
  }
  llm.weight @g : tensor<8xf32> {
    %0 = llm.load "g" : tensor<8xf32>
    llm.yield %0 : tensor<8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x24xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %b = llm.get_weight @b : tensor<8xf32>
    %g = llm.get_weight @g : tensor<8xf32>
    %t = llm.rope_table %positions {frequencies = array<f32: 1.0, 0.5, 0.25, 0.125>} : (tensor<?xi32>) -> tensor<?x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %n = llm.norm rms %x, %g {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %k = llm.linear %n, %w bias %b : (tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %kr = llm.rope half %k, %t {head_dim = 8 : i64} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %c1 = llm.cache_append %cache, %kr, %k, %positions, %batch {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
    %a = llm.attention %kr, %c1, %positions, %batch {layer = 0 : i64, scale = 0.5 : f64} : (tensor<?x8xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x8xf32>
    %h = llm.add %a, %x : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %h, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    %y = llm.linear %l, %e : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x24xf32>
    return %y, %c1 : tensor<?x24xf32>, !cache
  }
}
