//===- Linear.td - Matrix products with weights -----------------------------------------------===//

include "ir/OpBase.td"

def LLM_LinearOp : LLM_ShapedOp<"linear"> {
  let summary = "A linear layer";
  let description = [{
    `result[n, o] = sum_k input[n, k] * weight[o, k] + bias[o]`.

    Products are of the operands' element type, which input and weight share, or of the input's if the
    weight is quantized, whose values are rounded to it; the sum is accumulated in float32, the bias added in float32, and the result rounded once to its own element type (float32
    keeps the accumulators).

    Shapes: input `[N, K]`, weight `[O, K]`, bias `[O]`, result `[N, O]`.

    ```mlir
    %y = llm.linear %x, %w : (tensor<?x2048xbf16>, tensor<5632x2048xbf16>) -> tensor<?x5632xbf16>
    %z = llm.linear %u, %v bias %b
        : (tensor<?x2048xf32>, tensor<5632x2048xf32>, tensor<5632xf32>) -> tensor<?x5632xf32>
    ```
  }];
  let arguments = (ins LLM_Activation:$input, LLM_Weight:$weight, Optional<LLM_FloatWeight>:$bias);
  let results = (outs LLM_Activation:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
}
