// RUN: llmopt-opt %s | llmopt-opt | FileCheck %s

// CHECK: @batch(!llm.batch)
func.func private @batch(!llm.batch)

// CHECK: @cache(!llm.cache<layers = 22, heads = 4, head_dim = 64, page = 16, type = bf16>)
func.func private @cache(!llm.cache<layers = 22, heads = 4, head_dim = 64, page = 16, type = bf16>)

// CHECK: @packed(tensor<5632x2048xbf16, #llm.packed<panel = 16, interleave = 2>>)
func.func private @packed(tensor<5632x2048xbf16, #llm.packed<panel = 16, interleave = 2>>)
