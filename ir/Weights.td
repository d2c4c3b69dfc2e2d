//===- Weights.td - Weights and the recipes that make them ------------------------------------===//

include "ir/OpBase.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"

def LLM_WeightOp : LLM_Op<"weight", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "A weight and the recipe that makes it";
  let description = [{
    A tensor of rank 1 or 2 by name. Its region yields the tensor from the checkpoint: a pass changes a
    weight by rewriting the recipe and the type, never by touching bytes. The materializer evaluates the
    recipe when the artifact is written.

    ```mlir
    llm.weight @lm_head : tensor<32000x2048xbf16> {
      %0 = llm.load "lm_head.weight" : tensor<32000x2048xf32>
      %1 = llm.cast %0 : (tensor<32000x2048xf32>) -> tensor<32000x2048xbf16>
      llm.yield %1 : tensor<32000x2048xbf16>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<LLM_Weight>:$type);
  let regions = (region SizedRegion<1>:$recipe);
  let assemblyFormat = "$sym_name attr-dict `:` $type $recipe";
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The value that the recipe yields.
    ::mlir::Value getResult();
  }];
}

def LLM_GetWeightOp : LLM_Op<"get_weight", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A weight as a value of the step";
  let description = [{
    ```mlir
    %w = llm.get_weight @lm_head : tensor<32000x2048xbf16>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$name);
  let results = (outs LLM_Weight:$result);
  let assemblyFormat = "$name attr-dict `:` type($result)";
}

def LLM_LoadOp : LLM_Op<"load", [Pure, HasParent<"WeightOp">]> {
  let summary = "Recipe: a tensor of the checkpoint";
  let description = [{
    The tensor of that name, of the type it is stored in.

    ```mlir
    %0 = llm.load "model.norm.weight" : tensor<2048xbf16>
    ```
  }];
  let arguments = (ins StrAttr:$tensor);
  let results = (outs LLM_FloatWeight:$result);
  let assemblyFormat = "$tensor attr-dict `:` type($result)";
}

def LLM_RandomOp : LLM_Op<"random", [Pure, HasParent<"WeightOp">]> {
  let summary = "Recipe: random values that need no checkpoint";
  let description = [{
    Element (row, column) is `mean + sqrt(3) * deviation * u`, u uniform in [-1, 1) from a hash of `seed`
    and `row * columns + column`, in float32 and then rounded to the element type
    (`support/RandomWeights.h`). The runtime can make it without data.

    ```mlir
    %0 = llm.random {seed = 7 : i64, mean = 0.0 : f64, deviation = 0.02 : f64} : tensor<32000x2048xbf16>
    ```
  }];
  let arguments = (ins ConfinedAttr<I64Attr, [IntNonNegative, IntMaxValue<4294967295>]>:$seed,
                       F64Attr:$mean, F64Attr:$deviation);
  let results = (outs LLM_FloatWeight:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def LLM_RowsOp : LLM_Op<"rows", [Pure, HasParent<"WeightOp">]> {
  let summary = "Recipe: blocks of rows at a fixed distance";
  let description = [{
    `count` blocks of `block` rows, the first at `offset`, each `stride` rows after the last: the queries
    of a fused, interleaved QKV weight, or with a count of one a plain slice. Works on vectors too.

    ```mlir
    %q = llm.rows %qkv [offset = 0, block = 64, stride = 192, count = 32]
        : (tensor<6144x2048xf32>) -> tensor<2048x2048xf32>
    ```
  }];
  let arguments = (ins LLM_Weight:$input, I64Attr:$offset, I64Attr:$block, I64Attr:$stride,
                       I64Attr:$count);
  let results = (outs LLM_Weight:$result);
  let assemblyFormat = [{
    $input `[` `offset` `=` $offset `,` `block` `=` $block `,` `stride` `=` $stride `,`
    `count` `=` $count `]` attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def LLM_ConcatOp : LLM_Op<"concat", [Pure, HasParent<"WeightOp">]> {
  let summary = "Recipe: tensors below each other";
  let description = [{
    The rows of all inputs in order (for vectors, their elements): fused QKV, gate and up.

    ```mlir
    %qkv = llm.concat %q, %k, %v
        : (tensor<2048x2048xf32>, tensor<256x2048xf32>, tensor<256x2048xf32>) -> tensor<2560x2048xf32>
    ```
  }];
  let arguments = (ins Variadic<LLM_Weight>:$inputs);
  let results = (outs LLM_Weight:$result);
  let assemblyFormat = "$inputs attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def LLM_TransposeOp : LLM_Op<"transpose", [Pure, HasParent<"WeightOp">]> {
  let summary = "Recipe: a matrix with rows and columns exchanged";
  let description = [{
    ```mlir
    %t = llm.transpose %w : (tensor<768x3072xf32>) -> tensor<3072x768xf32>
    ```
  }];
  let arguments = (ins LLM_FloatWeight:$input);
  let results = (outs LLM_FloatWeight:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def LLM_FillOp : LLM_Op<"fill", [Pure, HasParent<"WeightOp">]> {
  let summary = "Recipe: one value everywhere";
  let description = [{
    ```mlir
    %z = llm.fill {value = 0.0 : f64} : tensor<2048xf32>
    ```
  }];
  let arguments = (ins F64Attr:$value);
  let results = (outs LLM_FloatWeight:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def LLM_QuantizeOp : LLM_Op<"quantize", [Pure, HasParent<"WeightOp">]> {
  let summary = "Recipe: a matrix as codes and scales, rounded to nearest";
  let description = [{
    The scale of each group of a row follows from the group's own values (`support/Quantization.h`), is
    rounded to its type, and the values to the nearest code. What reads the result reads the values that
    the codes stand for.

    ```mlir
    %q = llm.quantize %w
        : (tensor<64x128xf32>) -> tensor<64x128x!llm.quantized<i4, group = 32, scale = f16>>
    ```
  }];
  let arguments = (ins LLM_FloatWeight:$input);
  let results = (outs LLM_Weight:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def LLM_PackOp : LLM_Op<"pack", [Pure, HasParent<"WeightOp">]> {
  let summary = "Recipe: the same matrix in a kernel's layout";
  let description = [{
    Changes the encoding only: the values stay, the bytes move (see `#llm.packed`).

    ```mlir
    %p = llm.pack %w : (tensor<32x64xbf16>) -> tensor<32x64xbf16, #llm.packed<panel = 16, interleave = 2>>
    ```
  }];
  let arguments = (ins LLM_Weight:$input);
  let results = (outs LLM_Weight:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
