//===- Dialect.h - The llm dialect ------------------------------------------------------------===//
//
// Types, attributes and ops of one inference step; their meaning stands in the .td files, one per
// op family, from which docs/reference is generated.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_IR_DIALECT_H
#define LLMOPT_IR_DIALECT_H

#include "support/Quantization.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "ir/DialectEnums.h.inc"

namespace llmopt {
inline llvm::raw_ostream &operator<<(llvm::raw_ostream &out, QuantCode code) {
  return out << toString(code);
}
} // namespace llmopt

/// A code stands as a keyword.
template <> struct mlir::FieldParser<llmopt::QuantCode, llmopt::QuantCode> {
  static mlir::FailureOr<llmopt::QuantCode> parse(mlir::AsmParser &parser);
};

#include "ir/Dialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "ir/DialectTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/DialectAttributes.h.inc"

#define GET_OP_CLASSES
#include "ir/Ops.h.inc"

#endif // LLMOPT_IR_DIALECT_H
