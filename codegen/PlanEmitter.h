//===- PlanEmitter.h - From a placed module to a plan and the kernels that it calls -----------===//
//
// Kernels that differ only in their weights, buffers and layer are one: emitters get each structure
// once, the plan gets a launch for each `llm.kernel`.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CODEGEN_PLANEMITTER_H
#define LLMOPT_CODEGEN_PLANEMITTER_H

#include "ir/KernelAnatomy.h"
#include "runtime/artifact/Artifact.h"

#include <string>
#include <vector>

namespace mlir {
class ModuleOp;
} // namespace mlir

namespace llmopt {

/// Where a kernel finds one of its operands or results.
struct KernelArgument {
  enum class Source {
    Pointer,   ///< args[index]
    Tokens,    ///< batch->tokenIds
    Positions, ///< batch->positions
    LogitRows, ///< batch->logitRow
    Batch,     ///< batch
  };
  Source source = Source::Pointer;
  int64_t index = -1;
};

/// One kernel to emit.
struct PlannedKernel {
  std::string name; ///< a C identifier, unique: "norm_linear_rope_append"
  KernelOp kernel;  ///< the first of its structure
  KernelAnatomy anatomy;
  Rows rows = Rows::Token;              ///< what the kernel runs over
  std::vector<KernelArgument> operands; ///< of the kernel's block arguments
  std::vector<KernelArgument> results;  ///< of its results; for a cache that of its operand
  KernelArgument workspace;             ///< index -1 if it needs none
  std::string from;                     ///< "llm.norm, llm.linear, ...", for people
};

struct PlannedModule {
  Plan plan;
  std::vector<KernelOp> launches; ///< the kernel of each launch
  std::vector<PlannedKernel> kernels;
};

/// Fails on a module that is not in the phase `placed`, or that the plan cannot express.
Result<PlannedModule> planModule(mlir::ModuleOp module);

} // namespace llmopt

#endif // LLMOPT_CODEGEN_PLANEMITTER_H
