//===- Passes.h - The passes and the named pipelines ------------------------------------------===//

#ifndef LLMOPT_PASSES_PASSES_H
#define LLMOPT_PASSES_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

#include <memory>
#include <string>

namespace llmopt {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

/// What the pipelines need to be told.
struct PipelineSettings {
  std::string precision = "32-true";
  std::string target = "cpu";
  std::string arch = "sm_90a"; ///< of the target cuda
  bool fuse = true;
  bool batchInvariant = false;  ///< of the target cuda; the CPU's kernels are so always
  std::string tuning;           ///< of the target cuda; a file, or empty
  std::string launch = "graph"; ///< of the target cuda; or "persistent"
  std::string quantize;         ///< see --llm-quantize; empty: nothing
};

/// The default pipeline: from the frontend's graph to a placed module for a target. Each pass is
/// followed by a check of the phase.
void buildPipeline(mlir::OpPassManager &manager, const PipelineSettings &settings);

/// Registers every pass, and the pipelines `llm-cpu` and `llm-cuda`.
void registerPasses();

} // namespace llmopt

#endif // LLMOPT_PASSES_PASSES_H
