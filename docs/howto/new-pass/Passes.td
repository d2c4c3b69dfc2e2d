include "mlir/Pass/PassBase.td"

def ApproximateGelu : Pass<"llm-approximate-gelu", "::mlir::ModuleOp"> {
  let summary = "Compute gelu by its tanh approximation";
  let description = [{
    Every `gelu` of the step becomes `gelu_tanh`, which is cheaper where erf is slow.

    ```mlir
    %a = llm.activation gelu %x   ==>   %a = llm.activation gelu_tanh %x
    ```

    Requires the phase `graph` and leaves it. The two functions differ by at most 5e-4.
  }];
}
