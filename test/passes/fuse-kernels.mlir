// RUN: llmopt-opt %s --split-input-file --llm-fuse-kernels --llm-verify-phase --verify-pass-semantics | FileCheck %s

// A layer in five kernels.

// CHECK-LABEL: llm.phase = "kernels"
// CHECK: %[[T:.*]] = llm.kernel "rope_table"(
// CHECK: %[[X:.*]] = llm.kernel "embed"(
// CHECK: %[[Q:.*]]:2 = llm.kernel "norm_linear_rope_append"(%[[X]],
// CHECK: %[[A:.*]] = llm.kernel "attention"(%[[Q]]#0, %[[Q]]#1,
// CHECK: %[[H:.*]] = llm.kernel "linear_add"(%[[A]], %{{.*}}, %[[X]])
// CHECK: %[[M:.*]] = llm.kernel "norm_linear_activation_mul"(%[[H]],
// CHECK: %[[H2:.*]] = llm.kernel "linear_add"(
// CHECK: llm.kernel "gather_rows_norm_linear"(%[[H2]],
// CHECK-NOT: llm.kernel
// CHECK: return
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @g : tensor<8xf32> {
    %0 = llm.load "g" : tensor<8xf32>
    llm.yield %0 : tensor<8xf32>
  }
  llm.weight @qkv : tensor<24x8xf32> {
    %0 = llm.load "qkv" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @o : tensor<8x8xf32> {
    %0 = llm.load "o" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @gu : tensor<32x8xf32> {
    %0 = llm.load "gu" : tensor<32x8xf32>
    llm.yield %0 : tensor<32x8xf32>
  }
  llm.weight @down : tensor<8x16xf32> {
    %0 = llm.load "down" : tensor<8x16xf32>
    llm.yield %0 : tensor<8x16xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x24xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %g = llm.get_weight @g : tensor<8xf32>
    %qkv = llm.get_weight @qkv : tensor<24x8xf32>
    %o = llm.get_weight @o : tensor<8x8xf32>
    %gu = llm.get_weight @gu : tensor<32x8xf32>
    %down = llm.get_weight @down : tensor<8x16xf32>
    %t = llm.rope_table %positions {frequencies = array<f32: 1.0, 0.5, 0.25, 0.125>} : (tensor<?xi32>) -> tensor<?x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %n = llm.norm rms %x, %g {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %y = llm.linear %n, %qkv : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x24xf32>
    %q = llm.slice %y [0, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
    %k = llm.slice %y [8, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
    %v = llm.slice %y [16, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
    %qr = llm.rope half %q, %t {head_dim = 8 : i64} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %kr = llm.rope half %k, %t {head_dim = 8 : i64} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %c1 = llm.cache_append %cache, %kr, %v, %positions, %batch {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
    %a = llm.attention %qr, %c1, %positions, %batch {layer = 0 : i64, scale = 0.5 : f64} : (tensor<?x8xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x8xf32>
    %p = llm.linear %a, %o : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %h = llm.add %p, %x : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %n2 = llm.norm rms %h, %g {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %z = llm.linear %n2, %gu : (tensor<?x8xf32>, tensor<32x8xf32>) -> tensor<?x32xf32>
    %ga = llm.slice %z [0, 16] : (tensor<?x32xf32>) -> tensor<?x16xf32>
    %u = llm.slice %z [16, 16] : (tensor<?x32xf32>) -> tensor<?x16xf32>
    %s = llm.activation silu %ga : (tensor<?x16xf32>) -> tensor<?x16xf32>
    %m = llm.mul %s, %u : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    %d = llm.linear %m, %down : (tensor<?x16xf32>, tensor<8x16xf32>) -> tensor<?x8xf32>
    %h2 = llm.add %h, %d : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %h2, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    %nf = llm.norm rms %l, %g {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %lo = llm.linear %nf, %e : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x24xf32>
    return %lo, %c1 : tensor<?x24xf32>, !cache
  }
}

// -----

// A norm that two linears read makes its rows once, in the kernel of what it normalizes.

// CHECK-LABEL: module
// CHECK: llm.kernel "embed_norm"(
// CHECK: llm.kernel "linear"(
// CHECK: llm.kernel "linear_add"(
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @g : tensor<8xf32> {
    %0 = llm.load "g" : tensor<8xf32>
    llm.yield %0 : tensor<8xf32>
  }
  llm.weight @a : tensor<8x8xf32> {
    %0 = llm.load "a" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @b : tensor<8x8xf32> {
    %0 = llm.load "b" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %g = llm.get_weight @g : tensor<8xf32>
    %a = llm.get_weight @a : tensor<8x8xf32>
    %b = llm.get_weight @b : tensor<8x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %n = llm.norm rms %x, %g {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %y = llm.linear %n, %a : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %z = llm.linear %n, %b : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %s = llm.add %y, %z : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %s, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// The sum of embeddings is in the kernel of the last.

// CHECK-LABEL: module
// CHECK: %[[X:.*]] = llm.kernel "embed"(
// CHECK: llm.kernel "embed_add"(%{{.*}}, %{{.*}}, %[[X]])
// CHECK-NOT: "add
// CHECK: return
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @p : tensor<24x8xf32> {
    %0 = llm.load "p" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %p = llm.get_weight @p : tensor<24x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %y = llm.embed %positions, %p : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %s = llm.add %x, %y : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %s, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// An op of the epilogue waits for what is made after the linear.

// CHECK-LABEL: module
// CHECK: %[[Y:.*]] = llm.kernel "linear"(
// CHECK: llm.kernel "activation_linear_add"(%{{.*}}, %{{.*}}, %[[Y]])
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @a : tensor<8x8xf32> {
    %0 = llm.load "a" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @b : tensor<8x8xf32> {
    %0 = llm.load "b" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %a = llm.get_weight @a : tensor<8x8xf32>
    %b = llm.get_weight @b : tensor<8x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %y = llm.linear %x, %a : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %z = llm.activation relu %x : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %w = llm.linear %z, %b : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %s = llm.add %y, %w : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %s, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// A residual that only its own branch reads is a row of a kernel before it: an epilogue sees columns.

// CHECK-LABEL: module
// CHECK: %[[X:.*]] = llm.kernel "embed_activation"(
// CHECK: llm.kernel "norm_linear_add"(%[[X]],
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @g : tensor<8xf32> {
    %0 = llm.load "g" : tensor<8xf32>
    llm.yield %0 : tensor<8xf32>
  }
  llm.weight @a : tensor<8x8xf32> {
    %0 = llm.load "a" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %g = llm.get_weight @g : tensor<8xf32>
    %a = llm.get_weight @a : tensor<8x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %r = llm.activation relu %x : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %n = llm.norm rms %r, %g {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %y = llm.linear %n, %a : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %s = llm.add %r, %y : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %s, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// Rows are gathered from a buffer: what makes them is in a kernel before.

// CHECK-LABEL: module
// CHECK: llm.kernel "embed_activation"(
// CHECK: llm.kernel "gather_rows_norm_linear"(
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @g : tensor<8xf32> {
    %0 = llm.load "g" : tensor<8xf32>
    llm.yield %0 : tensor<8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x24xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %g = llm.get_weight @g : tensor<8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %r = llm.activation relu %x : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %r, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    %n = llm.norm rms %l, %g {epsilon = 1.0e-05 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %y = llm.linear %n, %e : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x24xf32>
    return %y, %cache : tensor<?x24xf32>, !cache
  }
}

// -----

// A linear that is needed whole is not cut into slices within its kernel.

// CHECK-LABEL: module
// CHECK: %[[Y:.*]]:2 = llm.kernel "linear_activation"(
// CHECK-NOT: llm.slice
// CHECK: llm.kernel "slice"(%[[Y]]#{{[01]}})
// CHECK: llm.kernel "add_append"(%[[Y]]#{{[01]}},
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @a : tensor<16x8xf32> {
    %0 = llm.load "a" : tensor<16x8xf32>
    llm.yield %0 : tensor<16x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x16xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %a = llm.get_weight @a : tensor<16x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %y = llm.linear %x, %a : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
    %p = llm.slice %y [0, 8] : (tensor<?x16xf32>) -> tensor<?x8xf32>
    %q = llm.slice %y [8, 8] : (tensor<?x16xf32>) -> tensor<?x8xf32>
    %z = llm.activation relu %y : (tensor<?x16xf32>) -> tensor<?x16xf32>
    %s = llm.add %p, %q : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %c1 = llm.cache_append %cache, %s, %s, %positions, %batch {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
    %l = llm.gather_rows %z, %rows : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32>
    return %l, %c1 : tensor<?x16xf32>, !cache
  }
}

// -----

// An epilogue combines two slices; the op that would bring a third, also by way of another, stays
// outside.

// CHECK-LABEL: module
// CHECK: %[[Y:.*]]:2 = llm.kernel "linear_mul"(
// CHECK: llm.kernel "add"(%[[Y]]#{{[01]}}, %[[Y]]#{{[01]}})
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @a : tensor<24x8xf32> {
    %0 = llm.load "a" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %a = llm.get_weight @a : tensor<24x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %y = llm.linear %x, %a : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x24xf32>
    %p = llm.slice %y [0, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
    %q = llm.slice %y [8, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
    %r = llm.slice %y [16, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
    %z = llm.mul %p, %q : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %s = llm.add %z, %r : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %s, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// CHECK-LABEL: module
// CHECK: %[[Y:.*]]:3 = llm.kernel "linear_mul"(
// CHECK: llm.kernel "add"(%[[Y]]#{{[012]}}, %[[Y]]#{{[012]}}, %[[Y]]#{{[012]}})
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @a : tensor<24x8xf32> {
    %0 = llm.load "a" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %a = llm.get_weight @a : tensor<24x8xf32>
    // The sum shares a slice with the product, which has another.
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %y = llm.linear %x, %a : (tensor<?x8xf32>, tensor<24x8xf32>) -> tensor<?x24xf32>
    %p = llm.slice %y [0, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
    %q = llm.slice %y [8, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
    %r = llm.slice %y [16, 8] : (tensor<?x24xf32>) -> tensor<?x8xf32>
    %z = llm.mul %p, %q : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %s = llm.add %q, %r : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %u = llm.add %s, %z : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %u, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}

// -----

// Keys and values of two linears are appended by a kernel of their own.

// CHECK-LABEL: module
// CHECK: llm.kernel "append"(
// CHECK: llm.kernel "attention"(
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  llm.weight @a : tensor<8x8xf32> {
    %0 = llm.load "a" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @b : tensor<8x8xf32> {
    %0 = llm.load "b" : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %a = llm.get_weight @a : tensor<8x8xf32>
    %b = llm.get_weight @b : tensor<8x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %k = llm.linear %x, %a : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %v = llm.linear %x, %b : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %c1 = llm.cache_append %cache, %k, %v, %positions, %batch {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
    %o = llm.attention %x, %c1, %positions, %batch {layer = 0 : i64, scale = 0.5 : f64} : (tensor<?x8xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x8xf32>
    %l = llm.gather_rows %o, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %c1 : tensor<?x8xf32>, !cache
  }
}

// -----

// Attention is alone, also when something pointwise follows.

// CHECK-LABEL: module
// CHECK: llm.kernel "attention"(
// CHECK-NEXT: ^bb0
// CHECK-NEXT: llm.attention
// CHECK-NEXT: llm.yield
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xf32> {
    %0 = llm.load "e" : tensor<24x8xf32>
    llm.yield %0 : tensor<24x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xf32>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xf32>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xf32>) -> tensor<?x8xf32>
    %c1 = llm.cache_append %cache, %x, %x, %positions, %batch {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, !llm.batch) -> !cache
    %o = llm.attention %x, %c1, %positions, %batch {layer = 0 : i64, scale = 0.5 : f64} : (tensor<?x8xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x8xf32>
    %z = llm.activation relu %o : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %l = llm.gather_rows %z, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %c1 : tensor<?x8xf32>, !cache
  }
}

// -----

// Inside a kernel values are float32: rounded for the product and where they leave it.

// CHECK-LABEL: module
// CHECK: llm.kernel "norm_linear_activation"(
// CHECK-NEXT: ^bb0
// CHECK-NEXT: %[[N:.*]] = llm.norm {{.*}} : (tensor<?x8xbf16>, tensor<8xbf16>) -> tensor<?x8xf32>
// CHECK-NEXT: %[[C:.*]] = llm.cast %[[N]] : (tensor<?x8xf32>) -> tensor<?x8xbf16>
// CHECK-NEXT: %[[Y:.*]] = llm.linear %[[C]], %{{.*}} : (tensor<?x8xbf16>, tensor<8x8xbf16>) -> tensor<?x8xf32>
// CHECK-NEXT: %[[A:.*]] = llm.activation relu %[[Y]] : (tensor<?x8xf32>) -> tensor<?x8xf32>
// CHECK-NEXT: %[[R:.*]] = llm.cast %[[A]] : (tensor<?x8xf32>) -> tensor<?x8xbf16>
// CHECK-NEXT: llm.yield %[[R]]
!cache = !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
module attributes {llm.phase = "graph"} {
  llm.weight @e : tensor<24x8xbf16> {
    %0 = llm.load "e" : tensor<24x8xbf16>
    llm.yield %0 : tensor<24x8xbf16>
  }
  llm.weight @g : tensor<8xbf16> {
    %0 = llm.load "g" : tensor<8xbf16>
    llm.yield %0 : tensor<8xbf16>
  }
  llm.weight @a : tensor<8x8xbf16> {
    %0 = llm.load "a" : tensor<8x8xbf16>
    llm.yield %0 : tensor<8x8xbf16>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %batch: !llm.batch, %cache: !cache) -> (tensor<?x8xbf16>, !cache) {
    %e = llm.get_weight @e : tensor<24x8xbf16>
    %g = llm.get_weight @g : tensor<8xbf16>
    %a = llm.get_weight @a : tensor<8x8xbf16>
    %x = llm.embed %tokens, %e : (tensor<?xi32>, tensor<24x8xbf16>) -> tensor<?x8xbf16>
    %n = llm.norm rms %x, %g {epsilon = 1.0e-05 : f64} : (tensor<?x8xbf16>, tensor<8xbf16>) -> tensor<?x8xbf16>
    %y = llm.linear %n, %a : (tensor<?x8xbf16>, tensor<8x8xbf16>) -> tensor<?x8xbf16>
    %z = llm.activation relu %y : (tensor<?x8xbf16>) -> tensor<?x8xbf16>
    %l = llm.gather_rows %z, %rows : (tensor<?x8xbf16>, tensor<?xi32>) -> tensor<?x8xbf16>
    return %l, %cache : tensor<?x8xbf16>, !cache
  }
}

// -----

// Two linears that share a weight each cast it while they read it.

// CHECK-LABEL: module
// CHECK: %[[W:.*]] = llm.get_weight @w
// CHECK: llm.kernel "linear_activation"({{.*}}%[[W]]
// CHECK: llm.cast {{.*}} : (tensor<8x8xf32>) -> tensor<8x8xbf16>
// CHECK: llm.kernel "linear"({{.*}}%[[W]]
// CHECK: llm.cast {{.*}} : (tensor<8x8xf32>) -> tensor<8x8xbf16>
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
    %b = llm.cast %w : (tensor<8x8xf32>) -> tensor<8x8xbf16>
    %a = llm.cast %x : (tensor<?x8xf32>) -> tensor<?x8xbf16>
    %y = llm.linear %a, %b : (tensor<?x8xbf16>, tensor<8x8xbf16>) -> tensor<?x8xf32>
    %z = llm.activation relu %y : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %a2 = llm.cast %z : (tensor<?x8xf32>) -> tensor<?x8xbf16>
    %y2 = llm.linear %a2, %b : (tensor<?x8xbf16>, tensor<8x8xbf16>) -> tensor<?x8xf32>
    %l = llm.gather_rows %y2, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    return %l, %cache : tensor<?x8xf32>, !cache
  }
}
