//===- PointwiseEmitter.h - Pointwise ops as C++ expressions ----------------------------------===//
//
// One for all targets: CUDA C++ and C++ spell arithmetic alike, and the kernel headers of each
// target provide functions of the same names: toFloat(x), fromFloat<T>(x), gelu, geluTanh, silu,
// relu, and the storage types float, f16 and bf16.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CODEGEN_POINTWISEEMITTER_H
#define LLMOPT_CODEGEN_POINTWISEEMITTER_H

#include "llvm/ADT/ArrayRef.h"

#include <string>

namespace mlir {
class Operation;
class Type;
} // namespace mlir

namespace llmopt {

/// "float", "f16" or "bf16" of an element type.
std::string cppType(mlir::Type elementType);

/// A float as a C++ literal that reads back to the same bits.
std::string floatLiteral(float value);

/// Whether the op treats every element alike: add, mul, activation, cast.
bool isPointwise(mlir::Operation *op);

/// The op's result, a float expression, from float expressions of its operands. A cast to 16 bits
/// rounds: the expression is that of the rounded value.
std::string pointwiseExpression(mlir::Operation *op, llvm::ArrayRef<std::string> operands);

/// "silu" of an activation op: the function's name in the kernel headers.
std::string activationFunction(mlir::Operation *op);

} // namespace llmopt

#endif // LLMOPT_CODEGEN_POINTWISEEMITTER_H
