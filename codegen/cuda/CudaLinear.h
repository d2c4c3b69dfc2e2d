//===- CudaLinear.h - What the parts of a linear kernel share ---------------------------------===//
//
// A linear kernel is emitted as a shape and an input (CudaLinearShape.cpp), an epilogue
// (CudaLinearEpilogue.cpp) and a function for each variant of its schedule (CudaLinear.cpp).
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CODEGEN_CUDA_CUDALINEAR_H
#define LLMOPT_CODEGEN_CUDA_CUDALINEAR_H

#include "codegen/cuda/CudaWriter.h"
#include "ir/LinearUnits.h"

namespace llmopt {

/// A linear kernel: its weight checked, its segments cut into units.
struct CudaLinear {
  explicit CudaLinear(const PlannedKernel &planned);

  const PlannedKernel &planned;
  CudaPointers pointers;
  std::vector<UnitSegment> segments; ///< as kernels/linear.cuh sees them
  mlir::Value input, bias;           ///< of the linear; the bias is null if there is none
  mlir::Value weight;                ///< as stored: what the linear multiplies may be a cast of it
  std::string computeType, weightType; ///< "float", "f16" or "bf16"
  int64_t computeBytes, weightBytes;   ///< of an element
  int64_t depth;                       ///< columns of the input
  bool isDirect;                       ///< the input lies in memory: the kernel has no prologue
  bool panels = false;                 ///< the weight lies in panels (kernels/panels.cuh)

  CudaLinearShape shape() const;
};

/// Takes a kernel apart; fails on what kernels/linear.cuh cannot express.
Result<CudaLinear> readLinear(const PlannedKernel &planned);

/// Emit the structs Shape and Input: what is multiplied.
void emitLinearShape(SourceWriter &out, const CudaLinear &linear);
Status emitLinearInput(SourceWriter &out, const CudaLinear &linear);

/// Emits the struct Epilogue: what becomes of the sums.
void emitLinearEpilogue(SourceWriter &out, const CudaLinear &linear);

} // namespace llmopt

#endif // LLMOPT_CODEGEN_CUDA_CUDALINEAR_H
