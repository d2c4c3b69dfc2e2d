// RUN: llmopt-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{a cache's layers, heads, head_dim and page must be positive}}
func.func private @no_layers(!llm.cache<layers = 0, heads = 4, head_dim = 64, page = 16, type = bf16>)

// -----

// expected-error @+1 {{a cache's layers, heads, head_dim and page must be positive}}
func.func private @negative_page(!llm.cache<layers = 1, heads = 4, head_dim = 64, page = -16, type = bf16>)

// -----

// expected-error @+1 {{a cache of 'i8' is not known; use f32, f16 or bf16}}
func.func private @cache_of_bytes(!llm.cache<layers = 1, heads = 4, head_dim = 64, page = 16, type = i8>)

// -----

// expected-error @+1 {{panel and interleave must be positive}}
func.func private @no_panel(tensor<8x8xf32, #llm.packed<panel = 0, interleave = 1>>)

// -----

// expected-error @+1 {{panel and interleave must be positive}}
func.func private @no_interleave(tensor<8x8xf32, #llm.packed<panel = 16, interleave = 0>>)
