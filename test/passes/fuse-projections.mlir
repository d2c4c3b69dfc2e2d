// RUN: llmopt-opt %s --split-input-file --llm-fuse-projections --verify-pass-semantics | FileCheck %s

// Three linears of one input become one, whose recipe has their weights below each other.

// CHECK-LABEL: module attributes {llm.phase = "graph"}
// CHECK-NOT: llm.weight @l.q.weight
// CHECK: llm.weight @"l.q+k+v.weight" : tensor<32x8xf32> {
// CHECK-NEXT: %[[Q:.*]] = llm.load "l.q.weight" : tensor<16x8xf32>
// CHECK-NEXT: %[[K:.*]] = llm.load "l.k.weight" : tensor<8x8xf32>
// CHECK-NEXT: %[[V:.*]] = llm.load "l.v.weight" : tensor<8x8xf32>
// CHECK-NEXT: llm.concat %[[Q]], %[[K]], %[[V]]
// CHECK-NOT: llm.weight
// CHECK: @step
// CHECK: %[[W:.*]] = llm.get_weight @"l.q+k+v.weight" : tensor<32x8xf32>
// CHECK-NEXT: %[[Y:.*]] = llm.linear %{{.*}}, %[[W]] : (tensor<?x8xf32>, tensor<32x8xf32>) -> tensor<?x32xf32>
// CHECK-NEXT: llm.slice %[[Y]][0, 16] : (tensor<?x32xf32>) -> tensor<?x16xf32>
// CHECK-NEXT: llm.slice %[[Y]][16, 8] : (tensor<?x32xf32>) -> tensor<?x8xf32>
// CHECK-NEXT: llm.slice %[[Y]][24, 8] : (tensor<?x32xf32>) -> tensor<?x8xf32>
// CHECK-NOT: llm.linear
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @l.q.weight : tensor<16x8xf32> {
    %0 = llm.load "l.q.weight" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  llm.weight @l.k.weight : tensor<8x8xf32> {
    %0 = llm.load "l.k.weight" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @l.v.weight : tensor<8x8xf32> {
    %0 = llm.load "l.v.weight" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x16xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %l.q.weight = llm.get_weight @l.q.weight : tensor<16x8xf32>
    %l.k.weight = llm.get_weight @l.k.weight : tensor<8x8xf32>
    %l.v.weight = llm.get_weight @l.v.weight : tensor<8x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %q = llm.linear %x, %l.q.weight : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
    %k = llm.linear %x, %l.k.weight : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %v = llm.linear %x, %l.v.weight : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %c1 = llm.cache_append %cache, %k, %v, %positions, %batch {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
    %a = llm.attention %q, %c1, %positions, %batch {layer = 0 : i64, scale = 0.5 : f64} : (tensor<?x16xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x16xf32>
    %y = llm.gather_rows %a, %rows : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32>
    return %y, %c1 : tensor<?x16xf32>, !cache
  }
}

// -----

// In a parallel block other ops stand between the linears of one input.

// CHECK-LABEL: module
// CHECK: llm.weight @"q+up" : tensor<32x8xf32>
// CHECK: %[[Y:.*]] = llm.linear
// CHECK-NEXT: llm.slice %[[Y]][0, 8]
// CHECK-NEXT: llm.slice %[[Y]][8, 24]
// CHECK-NEXT: llm.activation relu
// CHECK-NEXT: llm.activation gelu
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @q : tensor<8x8xf32> {
    %0 = llm.load "q" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @up : tensor<24x8xf32> {
    %0 = llm.load "up" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @down : tensor<8x24xf32> {
    %0 = llm.load "down" : tensor<8x24xf32>
    llm.yield %0 : tensor<8x24xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %q = llm.get_weight @q : tensor<8x8xf32>
    %up = llm.get_weight @up : tensor<24x8xf32>
    %down = llm.get_weight @down : tensor<8x24xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %q1 = llm.linear %x, %q : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %a = llm.activation relu %q1 : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %u = llm.linear %x, %up : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x24xf32>
    %b = llm.activation gelu %u : (tensor<?x24xf32>) -> tensor<?x24xf32>
    %d = llm.linear %b, %down : (tensor<?x24xf32>, tensor<8x24xf32>) -> tensor<?x8xf32>
    %s = llm.add %a, %d : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %y = llm.gather_rows %s, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %y, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// Linears of different inputs have nothing in common.

// CHECK-LABEL: module
// CHECK-NOT: llm.concat
// CHECK: llm.linear
// CHECK: llm.linear
// CHECK-NOT: llm.slice
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @up : tensor<8x8xf32> {
    %0 = llm.load "up" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @down : tensor<8x8xf32> {
    %0 = llm.load "down" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %up = llm.get_weight @up : tensor<8x8xf32>
    %down = llm.get_weight @down : tensor<8x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %u = llm.linear %x, %up : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %d = llm.linear %u, %down : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %y = llm.gather_rows %d, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %y, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// Where only some linears have a bias, the others get zeros.

// CHECK-LABEL: module
// CHECK: llm.weight @"q_bias+v_bias" : tensor<24xf32> {
// CHECK-NEXT: %[[Q:.*]] = llm.load "q_bias" : tensor<8xf32>
// CHECK-NEXT: %[[K:.*]] = llm.fill {value = 0.000000e+00 : f64} : tensor<8xf32>
// CHECK-NEXT: %[[V:.*]] = llm.load "v_bias" : tensor<8xf32>
// CHECK-NEXT: llm.concat %[[Q]], %[[K]], %[[V]]
// CHECK: llm.linear %{{.*}}, %{{.*}} bias %{{.*}} -> tensor<?x24xf32>
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @q : tensor<8x8xf32> {
    %0 = llm.load "q" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @q_bias : tensor<8xf32> {
    %0 = llm.load "q_bias" : tensor<8xf32>
    llm.yield %0 : tensor<8xf32>
  }
  llm.weight @k : tensor<8x8xf32> {
    %0 = llm.load "k" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @v : tensor<8x8xf32> {
    %0 = llm.load "v" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @v_bias : tensor<8xf32> {
    %0 = llm.load "v_bias" : tensor<8xf32>
    llm.yield %0 : tensor<8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %q = llm.get_weight @q : tensor<8x8xf32>
    %q_bias = llm.get_weight @q_bias : tensor<8xf32>
    %k = llm.get_weight @k : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<8x8xf32>
    %v_bias = llm.get_weight @v_bias : tensor<8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %q1 = llm.linear %x, %q bias %q_bias : (tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %k1 = llm.linear %x, %k : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %v1 = llm.linear %x, %v bias %v_bias : (tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %s = llm.add %q1, %k1 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %m = llm.mul %s, %v1 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %y = llm.gather_rows %m, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %y, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A tied head stays as it is, and with it the table; the two others become one.

// CHECK-LABEL: module
// CHECK: llm.weight @e : tensor<24x8xf32>
// CHECK: llm.weight @"k+v" : tensor<16x8xf32>
// CHECK: %[[E:.*]] = llm.get_weight @e
// CHECK: llm.embed %{{.*}}, %[[E]]
// CHECK-DAG: llm.linear %{{.*}}, %[[E]] {{.*}} -> tensor<?x24xf32>
// CHECK-DAG: llm.linear {{.*}} -> tensor<?x16xf32>
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @k : tensor<8x8xf32> {
    %0 = llm.load "k" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @v : tensor<8x8xf32> {
    %0 = llm.load "v" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x24xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %k = llm.get_weight @k : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<8x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %k1 = llm.linear %x, %k : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %v1 = llm.linear %x, %v : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %c1 = llm.cache_append %cache, %k1, %v1, %positions, %batch {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
    %all = llm.linear %x, %e : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x24xf32>
    %y = llm.gather_rows %all, %rows : (tensor<?x24xf32>, tensor<?xi32>) -> tensor<?x24xf32>
    return %y, %c1 : tensor<?x24xf32>, !cache
  }
}

// -----

// A weight that two linears multiply by stays as it is.

// CHECK-LABEL: module
// CHECK-NOT: llm.concat
// CHECK: llm.weight @w : tensor<8x8xf32>
// CHECK-NOT: llm.slice
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
  llm.weight @v : tensor<8x8xf32> {
    %0 = llm.load "v" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %w = llm.get_weight @w : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<8x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %a = llm.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %b = llm.linear %x, %v : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %c = llm.linear %b, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %s = llm.add %a, %c : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %y = llm.gather_rows %s, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %y, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// The name of the fused weight may be taken.

// CHECK-LABEL: module
// CHECK: llm.weight @"k+v_0"
// CHECK: llm.weight @"k+v" : tensor<8x8xf32>
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @k : tensor<8x8xf32> {
    %0 = llm.load "k" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @v : tensor<8x8xf32> {
    %0 = llm.load "v" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @"k+v" : tensor<8x8xf32> {
    %0 = llm.load "taken" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %k = llm.get_weight @k : tensor<8x8xf32>
    %v = llm.get_weight @v : tensor<8x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %taken = llm.get_weight @"k+v" : tensor<8x8xf32>
    %a = llm.linear %x, %k : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %b = llm.linear %x, %v : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %s = llm.add %a, %b : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %o = llm.linear %s, %taken : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %y = llm.gather_rows %o, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %y, %cache : tensor<?x8xf32>, !cache
  }
}
