//===- Norm.td - Normalization of rows --------------------------------------------------------===//

include "ir/OpBase.td"

def LLM_NormOp : LLM_ShapedOp<"norm"> {
  let summary = "RMS or layer normalization of each row";
  let description = [{
    - `rms`: `x / sqrt(mean(x^2) + epsilon) * weight` (Zhang and Sennrich, 2019)
    - `layer`: `(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * weight + bias` (Ba et al., 2016)

    Statistics and the product are computed in float32 whatever the element types; the result is rounded
    once. `rms` takes no bias.

    Shapes: input `[N, D]`, weight and bias `[D]`, result `[N, D]`.

    ```mlir
    %y = llm.norm rms %x, %w {epsilon = 1.0e-05 : f64}
        : (tensor<?x2048xbf16>, tensor<2048xbf16>) -> tensor<?x2048xbf16>
    ```
  }];
  let arguments = (ins LLM_NormKindAttr:$kind, LLM_Activation:$input, LLM_FloatWeight:$weight,
                       Optional<LLM_FloatWeight>:$bias, F64Attr:$epsilon);
  let results = (outs LLM_Activation:$result);
  let assemblyFormat = [{
    `` $kind $input `,` $weight (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
}
