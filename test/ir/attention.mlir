// RUN: llmopt-opt %s | llmopt-opt | FileCheck %s
// RUN: llmopt-opt %s --mlir-print-op-generic | llmopt-opt | FileCheck %s

!cache = !llm.cache<layers = 2, heads = 2, head_dim = 8, page = 16, type = bf16>

// CHECK-LABEL: @rope_table
func.func @rope_table(%positions: tensor<?xi32>) -> tensor<?x4xf32> {
  // CHECK: llm.rope_table %{{.*}} {frequencies = array<f32: 1.000000e+00, 5.000000e-01>} : (tensor<?xi32>) -> tensor<?x4xf32>
  %t = llm.rope_table %positions {frequencies = array<f32: 1.0, 0.5>} : (tensor<?xi32>) -> tensor<?x4xf32>
  return %t : tensor<?x4xf32>
}

// CHECK-LABEL: @rope_table_with_a_factor
func.func @rope_table_with_a_factor(%positions: tensor<?xi32>) -> tensor<?x2xf32> {
  // CHECK: llm.rope_table %{{.*}} {factor = 1.250000e+00 : f64, frequencies = array<f32: 1.000000e+00>}
  %t = llm.rope_table %positions {frequencies = array<f32: 1.0>, factor = 1.25 : f64} : (tensor<?xi32>) -> tensor<?x2xf32>
  return %t : tensor<?x2xf32>
}

// CHECK-LABEL: @rope
func.func @rope(%q: tensor<?x32xbf16>, %t: tensor<?x8xf32>) -> tensor<?x32xbf16> {
  // CHECK: = llm.rope half %{{.*}}, %{{.*}} {head_dim = 8 : i64} : (tensor<?x32xbf16>, tensor<?x8xf32>) -> tensor<?x32xbf16>
  // CHECK: = llm.rope interleaved %
  %0 = llm.rope half %q, %t {head_dim = 8 : i64} : (tensor<?x32xbf16>, tensor<?x8xf32>) -> tensor<?x32xbf16>
  %1 = llm.rope interleaved %0, %t {head_dim = 8 : i64} : (tensor<?x32xbf16>, tensor<?x8xf32>) -> tensor<?x32xbf16>
  return %1 : tensor<?x32xbf16>
}

// CHECK-LABEL: @partial_rope
func.func @partial_rope(%q: tensor<?x32xf32>, %t: tensor<?x2xf32>) -> tensor<?x32xf32> {
  // CHECK: = llm.rope half {{.*}} (tensor<?x32xf32>, tensor<?x2xf32>) -> tensor<?x32xf32>
  %0 = llm.rope half %q, %t {head_dim = 8 : i64} : (tensor<?x32xf32>, tensor<?x2xf32>) -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}

// CHECK-LABEL: @cache_append
func.func @cache_append(%c: !cache, %k: tensor<?x16xf32>, %v: tensor<?x16xbf16>, %p: tensor<?xi32>, %b: !llm.batch) -> !cache {
  // CHECK: llm.cache_append {{.*}} {layer = 1 : i64} : (!llm.cache<layers = 2, heads = 2, head_dim = 8, page = 16, type = bf16>, tensor<?x16xf32>, tensor<?x16xbf16>, tensor<?xi32>, !llm.batch) -> !llm.cache<layers = 2, heads = 2, head_dim = 8, page = 16, type = bf16>
  %0 = llm.cache_append %c, %k, %v, %p, %b {layer = 1 : i64} : (!cache, tensor<?x16xf32>, tensor<?x16xbf16>, tensor<?xi32>, !llm.batch) -> !cache
  return %0 : !cache
}

// CHECK-LABEL: @grouped_queries
func.func @grouped_queries(%q: tensor<?x64xf32>, %c: !cache, %p: tensor<?xi32>, %b: !llm.batch) -> tensor<?x64xf32> {
  // CHECK: llm.attention {{.*}} {layer = 0 : i64, scale = 3.535000e-01 : f64} : (tensor<?x64xf32>, !llm.cache<{{.*}}>, tensor<?xi32>, !llm.batch) -> tensor<?x64xf32>
  %o = llm.attention %q, %c, %p, %b {layer = 0 : i64, scale = 0.3535 : f64} : (tensor<?x64xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// CHECK-LABEL: @alibi_window_softcap
func.func @alibi_window_softcap(%q: tensor<?x16xf32>, %c: !cache, %p: tensor<?xi32>, %b: !llm.batch) -> tensor<?x16xf32> {
  // CHECK: slopes = array<f32: 5.000000e-01, 2.500000e-01>, softcap = 5.000000e+01 : f64, window = 4096 : i64
  %o = llm.attention %q, %c, %p, %b {layer = 0 : i64, scale = 1.0 : f64, slopes = array<f32: 0.5, 0.25>, window = 4096 : i64, softcap = 50.0 : f64} : (tensor<?x16xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x16xf32>
  return %o : tensor<?x16xf32>
}
