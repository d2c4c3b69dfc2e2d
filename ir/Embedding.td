//===- Embedding.td - Rows by index -----------------------------------------------------------===//

include "ir/OpBase.td"

def LLM_EmbedOp : LLM_ShapedOp<"embed"> {
  let summary = "Rows of a table by index";
  let description = [{
    `result[n, :] = table[indices[n], :]`. Token embeddings, and learned position embeddings with the
    positions as indices. The table may be the packed weight of a linear (a tied head).

    Shapes: indices `[N]`, table `[V, D]`, result `[N, D]`.

    ```mlir
    %x = llm.embed %tokens, %table : (tensor<?xi32>, tensor<32000x2048xbf16>) -> tensor<?x2048xbf16>
    ```
  }];
  let arguments = (ins LLM_Indices:$indices, LLM_FloatWeight:$table);
  let results = (outs LLM_Activation:$result);
  let assemblyFormat = [{
    $indices `,` $table attr-dict `:` functional-type(operands, results)
  }];
}

def LLM_GatherRowsOp : LLM_ShapedOp<"gather_rows"> {
  let summary = "The rows of the batch whose logits are wanted";
  let description = [{
    `result[m, :] = input[rows[m], :]`: of N rows, the M that the head is applied to.

    Shapes: input `[N, D]`, rows `[M]`, result `[M, D]`.

    ```mlir
    %last = llm.gather_rows %x, %rows : (tensor<?x2048xf32>, tensor<?xi32>) -> tensor<?x2048xf32>
    ```
  }];
  let arguments = (ins LLM_Activation:$input, LLM_Indices:$rows);
  let results = (outs LLM_Activation:$result);
  let assemblyFormat = [{
    $input `,` $rows attr-dict `:` functional-type(operands, results)
  }];
}
