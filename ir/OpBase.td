//===- OpBase.td - What all ops of the dialect share ------------------------------------------===//

#ifndef LLMOPT_IR_OPBASE
#define LLMOPT_IR_OPBASE

include "ir/Dialect.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class LLM_Op<string mnemonic, list<Trait> traits = []> : Op<LLM_Dialect, mnemonic, traits>;

/// A pure op with one tensor result, whose shape (not element type) follows from its operands. Its
/// builder takes the operands, the attributes and the element type of the result.
class LLM_ShapedOp<string mnemonic, list<Trait> traits = []>
    : LLM_Op<mnemonic, !listconcat([Pure, InferShapedTypeOpAdaptor], traits)> {
  let hasVerifier = 1;
}

def LLM_Float : AnyTypeOf<[F32, F16, BF16]>;
/// One row per token, whose number is dynamic, of a known number of columns.
def LLM_Activation : RankedTensorOf<
    [LLM_Float],
    [HasAnyRankOfPred<[2]>, CPred<"!::llvm::cast<::mlir::ShapedType>($_self).isDynamicDim(1)">],
    "matrix with known columns">;
/// One index per token.
def LLM_Indices : 1DTensorOf<[I32]>;
/// Weights, biases and what recipes work on: rank 1 or 2.
def LLM_FloatWeight : TensorRankOf<[LLM_Float], [1, 2]>;
/// Quantized ones too.
def LLM_Quantized : Type<CPred<"::llvm::isa<::llmopt::QuantizedType>($_self)">, "quantized number">;
def LLM_Weight : TensorRankOf<[LLM_Float, LLM_Quantized], [1, 2]>;

#endif // LLMOPT_IR_OPBASE
