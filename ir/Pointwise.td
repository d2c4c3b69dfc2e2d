//===- Pointwise.td - Ops that treat every element alike --------------------------------------===//

include "ir/OpBase.td"

class LLM_BinaryOp<string mnemonic, list<Trait> traits = []> : LLM_ShapedOp<mnemonic, traits> {
  let arguments = (ins LLM_Activation:$lhs, LLM_Activation:$rhs);
  let results = (outs LLM_Activation:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs attr-dict `:` functional-type(operands, results)
  }];
}

def LLM_AddOp : LLM_BinaryOp<"add", [Commutative]> {
  let summary = "Sum of two tensors";
  let description = [{
    `result = lhs + rhs`, in float32, rounded once. Residual connections and position embeddings.

    Shapes: lhs, rhs and result alike.

    ```mlir
    %r = llm.add %x, %y : (tensor<?x2048xf32>, tensor<?x2048xf32>) -> tensor<?x2048xf32>
    ```
  }];
}

def LLM_MulOp : LLM_BinaryOp<"mul", [Commutative]> {
  let summary = "Product of two tensors, element by element";
  let description = [{
    `result = lhs * rhs`, in float32, rounded once. The gate of a gated feed-forward network.

    Shapes: lhs, rhs and result alike.

    ```mlir
    %r = llm.mul %x, %y : (tensor<?x5632xf32>, tensor<?x5632xf32>) -> tensor<?x5632xf32>
    ```
  }];
}

def LLM_ActivationOp : LLM_ShapedOp<"activation"> {
  let summary = "An activation function";
  let description = [{
    - `gelu`: `x/2 (1 + erf(x / sqrt 2))` (Hendrycks and Gimpel, 2016)
    - `gelu_tanh`: `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, GPT-2's approximation
    - `silu`: `x / (1 + exp(-x))`
    - `relu`: `max(x, 0)`

    Computed in float32, rounded once.

    ```mlir
    %a = llm.activation silu %x : (tensor<?x5632xf32>) -> tensor<?x5632xf32>
    ```
  }];
  let arguments = (ins LLM_ActivationKindAttr:$kind, LLM_Activation:$input);
  let results = (outs LLM_Activation:$result);
  let assemblyFormat = [{
    `` $kind $input attr-dict `:` functional-type(operands, results)
  }];
}

def LLM_CastOp : LLM_ShapedOp<"cast"> {
  let summary = "The same values in another element type";
  let description = [{
    Rounds to nearest, ties to even. On activations, on weights in a step (mixed precision), and in
    recipes. A cast to the same type folds away, and so does widening before a cast.

    ```mlir
    %b = llm.cast %x : (tensor<?x2048xf32>) -> tensor<?x2048xbf16>
    ```
  }];
  let arguments = (ins LLM_FloatWeight:$input);
  let results = (outs LLM_FloatWeight:$result);
  let assemblyFormat = [{
    $input attr-dict `:` functional-type(operands, results)
  }];
  let hasFolder = 1;
}
