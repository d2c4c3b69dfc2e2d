//===- VerifyLaunch.h - The proof of a persistent step's counters -----------------------------===//

#ifndef LLMOPT_PASSES_VERIFYLAUNCH_H
#define LLMOPT_PASSES_VERIFYLAUNCH_H

#include "ir/KernelSync.h"
#include "passes/StepTiling.h"

namespace llmopt {

/// Whether what the kernels of a step wait for and signal is enough: an error on a kernel names
/// what could deadlock or race. `syncs` has an entry for each kernel.
mlir::LogicalResult verifySync(const TiledStep &step, llvm::ArrayRef<KernelSync> syncs);

/// The same of the attributes of a persistent step, for every bucket of rows.
mlir::LogicalResult verifyLaunch(mlir::func::FuncOp step);

} // namespace llmopt

#endif // LLMOPT_PASSES_VERIFYLAUNCH_H
