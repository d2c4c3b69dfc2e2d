// RUN: llmopt-opt %s --split-input-file --verify-diagnostics

func.func @table_without_frequencies(%p: tensor<?xi32>) -> tensor<?x0xf32> {
  // expected-error @+1 {{expects at least one frequency}}
  %t = llm.rope_table %p {frequencies = array<f32>} : (tensor<?xi32>) -> tensor<?x0xf32>
  return %t : tensor<?x0xf32>
}

// -----

func.func @table_of_bf16(%p: tensor<?xi32>) -> tensor<?x2xbf16> {
  // expected-error @+1 {{'llm.rope_table' op makes a table of f32, got 'tensor<?x2xbf16>'}}
  %t = llm.rope_table %p {frequencies = array<f32: 1.0>} : (tensor<?xi32>) -> tensor<?x2xbf16>
  return %t : tensor<?x2xbf16>
}

// -----

func.func @table_of_other_width(%p: tensor<?xi32>) -> tensor<?x4xf32> {
  // expected-error @+1 {{'llm.rope_table' op result is 'tensor<?x4xf32>' but its operands give shape [?, 2]}}
  %t = llm.rope_table %p {frequencies = array<f32: 1.0>} : (tensor<?xi32>) -> tensor<?x4xf32>
  return %t : tensor<?x4xf32>
}

// -----

func.func @broken_heads(%q: tensor<?x20xf32>, %t: tensor<?x8xf32>) -> tensor<?x20xf32> {
  // expected-error @+1 {{20 columns are not heads of 8}}
  %r = llm.rope half %q, %t {head_dim = 8 : i64} : (tensor<?x20xf32>, tensor<?x8xf32>) -> tensor<?x20xf32>
  return %r : tensor<?x20xf32>
}

// -----

func.func @heads_of_nothing(%q: tensor<?x20xf32>, %t: tensor<?x8xf32>) -> tensor<?x20xf32> {
  // expected-error @+1 {{20 columns are not heads of 0}}
  %r = llm.rope half %q, %t {head_dim = 0 : i64} : (tensor<?x20xf32>, tensor<?x8xf32>) -> tensor<?x20xf32>
  return %r : tensor<?x20xf32>
}

// -----

func.func @table_wider_than_a_head(%q: tensor<?x16xf32>, %t: tensor<?x16xf32>) -> tensor<?x16xf32> {
  // expected-error @+1 {{a table of 16 columns does not fit heads of 8}}
  %r = llm.rope half %q, %t {head_dim = 8 : i64} : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  return %r : tensor<?x16xf32>
}

// -----

func.func @odd_table(%q: tensor<?x16xf32>, %t: tensor<?x3xf32>) -> tensor<?x16xf32> {
  // expected-error @+1 {{a table of 3 columns does not fit heads of 8}}
  %r = llm.rope half %q, %t {head_dim = 8 : i64} : (tensor<?x16xf32>, tensor<?x3xf32>) -> tensor<?x16xf32>
  return %r : tensor<?x16xf32>
}

// -----

func.func @rope_gives_another_shape(%q: tensor<?x16xf32>, %t: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{'llm.rope' op result is 'tensor<?x8xf32>' but its operands give shape [?, 16]}}
  %r = llm.rope half %q, %t {head_dim = 8 : i64} : (tensor<?x16xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// -----

!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
func.func @keys_of_other_width(%c: !cache, %k: tensor<?x8xf32>, %v: tensor<?x16xf32>, %p: tensor<?xi32>, %b: !llm.batch) -> !cache {
  // expected-error @+1 {{'llm.cache_append' op appends 'tensor<?x8xf32>' to a cache of 2 heads of 8}}
  %0 = llm.cache_append %c, %k, %v, %p, %b {layer = 0 : i64} : (!cache, tensor<?x8xf32>, tensor<?x16xf32>, tensor<?xi32>, !llm.batch) -> !cache
  return %0 : !cache
}

// -----

!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
func.func @values_of_other_width(%c: !cache, %k: tensor<?x16xf32>, %v: tensor<?x32xf32>, %p: tensor<?xi32>, %b: !llm.batch) -> !cache {
  // expected-error @+1 {{'llm.cache_append' op appends 'tensor<?x32xf32>' to a cache of 2 heads of 8}}
  %0 = llm.cache_append %c, %k, %v, %p, %b {layer = 0 : i64} : (!cache, tensor<?x16xf32>, tensor<?x32xf32>, tensor<?xi32>, !llm.batch) -> !cache
  return %0 : !cache
}

// -----

!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
func.func @append_past_the_last_layer(%c: !cache, %k: tensor<?x16xf32>, %p: tensor<?xi32>, %b: !llm.batch) -> !cache {
  // expected-error @+1 {{'llm.cache_append' op layer 1 of a cache of 1 layers}}
  %0 = llm.cache_append %c, %k, %k, %p, %b {layer = 1 : i64} : (!cache, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, !llm.batch) -> !cache
  return %0 : !cache
}

// -----

!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
func.func @append_before_the_first_layer(%c: !cache, %k: tensor<?x16xf32>, %p: tensor<?xi32>, %b: !llm.batch) -> !cache {
  // expected-error @+1 {{'llm.cache_append' op layer -1 of a cache of 1 layers}}
  %0 = llm.cache_append %c, %k, %k, %p, %b {layer = -1 : i64} : (!cache, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, !llm.batch) -> !cache
  return %0 : !cache
}

// -----

!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
!other = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = bf16>
func.func @append_makes_another_cache(%c: !cache, %k: tensor<?x16xf32>, %p: tensor<?xi32>, %b: !llm.batch) -> !other {
  // expected-error @+1 {{failed to verify that all of {cache, result} have same type}}
  %0 = llm.cache_append %c, %k, %k, %p, %b {layer = 0 : i64} : (!cache, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, !llm.batch) -> !other
  return %0 : !other
}

// -----

!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
func.func @queries_that_do_not_group(%q: tensor<?x24xf32>, %c: !cache, %p: tensor<?xi32>, %b: !llm.batch) -> tensor<?x24xf32> {
  // expected-error @+1 {{'llm.attention' op query of 24 columns does not group over 2 heads of 8}}
  %o = llm.attention %q, %c, %p, %b {layer = 0 : i64, scale = 1.0 : f64} : (tensor<?x24xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x24xf32>
  return %o : tensor<?x24xf32>
}

// -----

!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
func.func @a_vector_of_queries(%q: tensor<16xf32>, %c: !cache, %p: tensor<?xi32>, %b: !llm.batch) -> tensor<16xf32> {
  // expected-error @+1 {{'llm.attention' op operand #0 must be matrix with known columns of}}
  %o = llm.attention %q, %c, %p, %b {layer = 0 : i64, scale = 1.0 : f64} : (tensor<16xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<16xf32>
  return %o : tensor<16xf32>
}

// -----

!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
func.func @a_slope_too_few(%q: tensor<?x32xf32>, %c: !cache, %p: tensor<?xi32>, %b: !llm.batch) -> tensor<?x32xf32> {
  // expected-error @+1 {{'llm.attention' op has 3 slopes for 4 heads}}
  %o = llm.attention %q, %c, %p, %b {layer = 0 : i64, scale = 1.0 : f64, slopes = array<f32: 1.0, 0.5, 0.25>} : (tensor<?x32xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x32xf32>
  return %o : tensor<?x32xf32>
}

// -----

!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
func.func @empty_window(%q: tensor<?x16xf32>, %c: !cache, %p: tensor<?xi32>, %b: !llm.batch) -> tensor<?x16xf32> {
  // expected-error @+1 {{'llm.attention' op window must be positive}}
  %o = llm.attention %q, %c, %p, %b {layer = 0 : i64, scale = 1.0 : f64, window = 0 : i64} : (tensor<?x16xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x16xf32>
  return %o : tensor<?x16xf32>
}

// -----

!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
func.func @cap_of_zero(%q: tensor<?x16xf32>, %c: !cache, %p: tensor<?xi32>, %b: !llm.batch) -> tensor<?x16xf32> {
  // expected-error @+1 {{'llm.attention' op softcap must be positive}}
  %o = llm.attention %q, %c, %p, %b {layer = 0 : i64, scale = 1.0 : f64, softcap = 0.0 : f64} : (tensor<?x16xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x16xf32>
  return %o : tensor<?x16xf32>
}

// -----

!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
func.func @attention_past_the_last_layer(%q: tensor<?x16xf32>, %c: !cache, %p: tensor<?xi32>, %b: !llm.batch) -> tensor<?x16xf32> {
  // expected-error @+1 {{'llm.attention' op layer 1 of a cache of 1 layers}}
  %o = llm.attention %q, %c, %p, %b {layer = 1 : i64, scale = 1.0 : f64} : (tensor<?x16xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x16xf32>
  return %o : tensor<?x16xf32>
}

// -----

!cache = !llm.cache<layers = 1, heads = 2, head_dim = 8, page = 16, type = f32>
func.func @attention_gives_another_shape(%q: tensor<?x16xf32>, %c: !cache, %p: tensor<?xi32>, %b: !llm.batch) -> tensor<?x32xf32> {
  // expected-error @+1 {{'llm.attention' op result is 'tensor<?x32xf32>' but its operands give shape [?, 16]}}
  %o = llm.attention %q, %c, %p, %b {layer = 0 : i64, scale = 1.0 : f64} : (tensor<?x16xf32>, !cache, tensor<?xi32>, !llm.batch) -> tensor<?x32xf32>
  return %o : tensor<?x32xf32>
}
