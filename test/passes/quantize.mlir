// RUN: llmopt-opt %s --llm-quantize=scheme=int8 --verify-pass-semantics | FileCheck %s
// RUN: llmopt-opt %s "--llm-quantize=scheme=int4:group=64,asymmetric;*.down=nf4;head=int8" --verify-pass-semantics | FileCheck %s --check-prefix=RULES
// RUN: llmopt-opt %s "--llm-quantize=scheme=none;*.down=int8:scale=bf16" | FileCheck %s --check-prefix=ONE
// RUN: llmopt-opt %s --llm-quantize=scheme=int8 --llm-lower-precision=precision=bf16-true | FileCheck %s --check-prefix=BF16
// RUN: llmopt-opt %s --llm-quantize=scheme=int4 --llm-lower-precision=precision=bf16-mixed --llm-fuse-kernels --llm-schedule --verify-pass-semantics | FileCheck %s --check-prefix=MIXED
// RUN: llmopt-opt %s "--llm-quantize=scheme=int4;a.up=int8" --llm-fuse-projections | FileCheck %s --check-prefix=APART

// RUN: not llmopt-opt %s --llm-quantize=scheme=int7 2>&1 | FileCheck %s --check-prefix=SCHEME
// SCHEME: error: quantization: no scheme 'int7'; there are: int8, int4, nf4, fp4, none
// RUN: not llmopt-opt %s "--llm-quantize=scheme=int8;nobody=int4" 2>&1 | FileCheck %s --check-prefix=NOBODY
// NOBODY: error: quantization: no linear has a weight 'nobody'
// RUN: not llmopt-opt %s --llm-quantize=scheme=int4:group=96 2>&1 | FileCheck %s --check-prefix=GROUP
// GROUP: error: weight @a.up has rows of 64 elements, which groups of 96 do not divide
// RUN: not llmopt-opt %s --llm-quantize=scheme=int8 --llm-quantize=scheme=int8 2>&1 | FileCheck %s --check-prefix=TWICE
// TWICE: error: weight @a.up is quantized already
// RUN: not llmopt-opt %s "--llm-quantize=scheme=int8;tied=int8" 2>&1 | FileCheck %s --check-prefix=TIED
// TIED: error: weight @tied is the embedding's table too, which is not quantized
// RUN: not llmopt-opt %s --llm-quantize=scheme=int8 --llm-lower-precision --llm-fuse-kernels --llm-schedule=target=cuda 2>&1 | FileCheck %s --check-prefix=CUDA
// CUDA: error: {{.*}} multiplies by '!llm.quantized<i8, group = 0, scale = f32>', for which there is no kernel of target 'cuda' yet

// The head and the table that the embedding shares stay; the recipe ends in codes.
// CHECK: llm.quantization = "int8"
// CHECK: llm.weight @tied : tensor<24x64xf32>
// CHECK: llm.weight @a.up : tensor<64x64x!llm.quantized<i8, group = 0, scale = f32>> {
// CHECK-NEXT: %[[W:.*]] = llm.random
// CHECK-NEXT: %[[Q:.*]] = llm.quantize %[[W]] : (tensor<64x64xf32>) -> tensor<64x64x!llm.quantized<i8, group = 0, scale = f32>>
// CHECK-NEXT: llm.yield %[[Q]]
// CHECK: llm.weight @head : tensor<24x64xf32>
// CHECK: llm.linear %{{.*}}, %{{.*}} : (tensor<?x64xf32>, tensor<64x64x!llm.quantized<i8, group = 0, scale = f32>>) -> tensor<?x64xf32>

// RULES: llm.weight @a.up : tensor<64x64x!llm.quantized<u4, group = 64, scale = f16>>
// RULES: llm.weight @a.gate : tensor<64x64x!llm.quantized<u4, group = 64, scale = f16>>
// RULES: llm.weight @a.down : tensor<64x64x!llm.quantized<nf4, group = 64, scale = f16>>
// RULES: llm.weight @head : tensor<24x64x!llm.quantized<i8, group = 0, scale = f32>>

// ONE: llm.weight @a.up : tensor<64x64xf32>
// ONE: llm.weight @a.down : tensor<64x64x!llm.quantized<i8, group = 0, scale = bf16>>

// Codes stay codes; the input says what products are of.
// BF16: llm.weight @a.up : tensor<64x64x!llm.quantized<i8, group = 0, scale = f32>>
// BF16: llm.weight @head : tensor<24x64xbf16>
// BF16: llm.linear %{{.*}} : (tensor<?x64xbf16>, tensor<64x64x!llm.quantized<i8, group = 0, scale = f32>>) -> tensor<?x64xbf16>
// MIXED: llm.linear %{{.*}} : (tensor<?x64xbf16>, tensor<64x64x!llm.quantized<i4, group = 32, scale = f16>, #llm.packed<panel = 16, interleave = 8>>) -> tensor<?x64xf32>

// Weights of two kinds are not one.
// APART: llm.weight @a.up : tensor<64x64x!llm.quantized<i8, group = 0, scale = f32>>
// APART: llm.weight @a.gate : tensor<64x64x!llm.quantized<i4, group = 32, scale = f16>>

module attributes {llm.phase = "graph"} {
  llm.weight @tied : tensor<24x64xf32> {
    %0 = llm.random {seed = 1 : i64, mean = 0.0 : f64, deviation = 1.0 : f64} : tensor<24x64xf32>
    llm.yield %0 : tensor<24x64xf32>
  }
  llm.weight @a.up : tensor<64x64xf32> {
    %0 = llm.random {seed = 2 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<64x64xf32>
    llm.yield %0 : tensor<64x64xf32>
  }
  llm.weight @a.gate : tensor<64x64xf32> {
    %0 = llm.random {seed = 3 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<64x64xf32>
    llm.yield %0 : tensor<64x64xf32>
  }
  llm.weight @a.down : tensor<64x64xf32> {
    %0 = llm.random {seed = 4 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<64x64xf32>
    llm.yield %0 : tensor<64x64xf32>
  }
  llm.weight @head : tensor<24x64xf32> {
    %0 = llm.random {seed = 5 : i64, mean = 0.0 : f64, deviation = 0.2 : f64} : tensor<24x64xf32>
    llm.yield %0 : tensor<24x64xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                  %batch: !llm.batch,
                  %cache: !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>)
      -> (tensor<?x24xf32>, !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>) {
    %t = llm.get_weight @tied : tensor<24x64xf32>
    %u = llm.get_weight @a.up : tensor<64x64xf32>
    %g = llm.get_weight @a.gate : tensor<64x64xf32>
    %d = llm.get_weight @a.down : tensor<64x64xf32>
    %h = llm.get_weight @head : tensor<24x64xf32>
    %x = llm.embed %tokens, %t : (tensor<?xi32>, tensor<24x64xf32>) -> tensor<?x64xf32>
    %a = llm.linear %x, %u : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    %b = llm.linear %x, %g : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    %m = llm.mul %a, %b : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    %n = llm.linear %m, %d : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    // The same weight once more.
    %o = llm.linear %n, %d : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    %l = llm.gather_rows %o, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
    %s = llm.linear %l, %t : (tensor<?x64xf32>, tensor<24x64xf32>) -> tensor<?x24xf32>
    %y = llm.linear %l, %h : (tensor<?x64xf32>, tensor<24x64xf32>) -> tensor<?x24xf32>
    %z = llm.add %s, %y : (tensor<?x24xf32>, tensor<?x24xf32>) -> tensor<?x24xf32>
    return %z, %cache : tensor<?x24xf32>, !llm.cache<layers = 1, heads = 1, head_dim = 8, page = 16, type = f32>
  }
}
