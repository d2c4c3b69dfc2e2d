//===- Phase.h - How far a module has been lowered --------------------------------------------===//

#ifndef LLMOPT_PASSES_PHASE_H
#define LLMOPT_PASSES_PHASE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace llmopt {

constexpr llvm::StringLiteral graphPhase = "graph";
constexpr llvm::StringLiteral kernelsPhase = "kernels";
constexpr llvm::StringLiteral scheduledPhase = "scheduled";
constexpr llvm::StringLiteral placedPhase = "placed";

/// Names of the attributes that passes leave on kernels and modules.
constexpr llvm::StringLiteral scheduleAttrName = "schedule";
constexpr llvm::StringLiteral placementAttrName = "placement";
constexpr llvm::StringLiteral workspaceAttrName = "workspace";
constexpr llvm::StringLiteral arenaAttrName = "llm.arena";

/// The step function of a module in `phase`; an error on the module if it is in another phase or
/// has no step.
mlir::FailureOr<mlir::func::FuncOp> requirePhase(mlir::ModuleOp module, llvm::StringRef phase);

void setPhase(mlir::ModuleOp module, llvm::StringRef phase);

/// A number of the module's `llm.config`; `otherwise` if that does not have it.
int64_t configInteger(mlir::ModuleOp module, llvm::StringRef key, int64_t otherwise);

/// Erases weights and uses of weights that nothing needs any more.
void eraseUnusedWeights(mlir::ModuleOp module);

} // namespace llmopt

#endif // LLMOPT_PASSES_PHASE_H
