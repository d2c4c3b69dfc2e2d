//===- Kernel.td - Groups of ops that become one kernel ---------------------------------------===//

include "ir/OpBase.td"

def LLM_KernelOp : LLM_Op<"kernel", [IsolatedFromAbove, SingleBlock, Pure]> {
  let summary = "Ops that run as one kernel";
  let description = [{
    An anchor (a linear, an attention, a norm, an embedding) with the ops that run in its prologue and
    epilogue, or pointwise ops alone. The region's arguments are the operands; it ends in `llm.yield`.
    Inside, values stay in registers, so `--llm-fuse-kernels` widens them to float32 and rounds where
    they leave.

    `name` says what is in it. Later passes add attributes: `schedule` (`--llm-schedule`), `placement`
    (`--llm-plan-memory`), `sync` (`--llm-synchronize`).

    ```mlir
    %h = llm.kernel "linear_add"(%x, %w, %r) : (tensor<?x64xf32>, tensor<64x64xf32>, tensor<?x64xf32>)
        -> tensor<?x64xf32> {
    ^bb0(%a: tensor<?x64xf32>, %b: tensor<64x64xf32>, %c: tensor<?x64xf32>):
      %0 = llm.linear %a, %b : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
      %1 = llm.add %0, %c : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
      llm.yield %1 : tensor<?x64xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$name, Variadic<AnyType>:$operands_);
  let results = (outs Variadic<AnyType>:$results_);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $name `(` $operands_ `)` attr-dict-with-keyword `:` functional-type($operands_, $results_) $body
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The single block of the region.
    ::mlir::Block *getBlock() { return &getBody().front(); }
    /// The terminator's operands.
    ::mlir::OperandRange getYielded();
  }];
}

def LLM_YieldOp : LLM_Op<"yield", [Pure, Terminator, ParentOneOf<["KernelOp", "WeightOp"]>]> {
  let summary = "The results of a kernel or of a recipe";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}
