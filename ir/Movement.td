//===- Movement.td - Ops that only move elements ----------------------------------------------===//

include "ir/OpBase.td"

def LLM_SliceOp : LLM_ShapedOp<"slice"> {
  let summary = "Consecutive columns of every row";
  let description = [{
    `result[n, :] = input[n, offset : offset + size]`: the parts of a fused projection.

    Shapes: input `[N, D]`, result `[N, size]`, `offset + size <= D`.

    ```mlir
    %k = llm.slice %qkv [2048, 256] : (tensor<?x2560xf32>) -> tensor<?x256xf32>
    ```
  }];
  let arguments = (ins LLM_Activation:$input, I64Attr:$offset, I64Attr:$size);
  let results = (outs LLM_Activation:$result);
  let assemblyFormat = [{
    $input `[` $offset `,` $size `]` attr-dict `:` functional-type(operands, results)
  }];
  let hasFolder = 1;
}
