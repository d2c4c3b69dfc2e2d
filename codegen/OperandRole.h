//===- OperandRole.h - What a kernel's operand is for -----------------------------------------===//

#ifndef LLMOPT_CODEGEN_OPERANDROLE_H
#define LLMOPT_CODEGEN_OPERANDROLE_H

#include <string>

namespace mlir {
class Value;
} // namespace mlir

namespace llmopt {

/// "weight", "ropeTable", "addend", ...: the name of an operand (a block argument of a kernel) in
/// emitted code, from the op that uses it first; a cast operand is for what its cast is for.
std::string roleOf(mlir::Value operand);

} // namespace llmopt

#endif // LLMOPT_CODEGEN_OPERANDROLE_H
