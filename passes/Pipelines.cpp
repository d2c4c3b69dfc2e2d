//===- Pipelines.cpp - The passes in order ----------------------------------------------------===//

#include "passes/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace llmopt {

void buildPipeline(OpPassManager &manager, const PipelineSettings &settings) {
  auto add = [&](std::unique_ptr<Pass> pass) {
    manager.addPass(std::move(pass));
    manager.addPass(createVerifyPhase());
  };
  // On the graph: projections are fused while every type is float32, so that one concatenated
  // recipe is narrowed rather than several.
  if (settings.fuse)
    add(createFuseProjections());
  add(createLowerPrecision({settings.precision}));
  add(createCanonicalizerPass());
  add(createCSEPass());
  add(createFuseKernels({settings.fuse}));
  // Layouts follow from what a kernel multiplies, places from what its schedule needs.
  add(createSchedule({settings.target}));
  add(createPlanMemory());
}

namespace {
struct PipelineOptions : PassPipelineOptions<PipelineOptions> {
  Option<std::string> precision{*this, "precision", llvm::cl::desc("See --llm-lower-precision"),
                                llvm::cl::init("32-true")};
  Option<bool> fuse{*this, "fuse", llvm::cl::desc("Fuse projections and kernels"),
                    llvm::cl::init(true)};
};
} // namespace

void registerPasses() {
  registerLLMOptPasses();
  for (StringRef target : {"cpu", "cuda"})
    PassPipelineRegistration<PipelineOptions>(
        ("llm-" + target).str(), ("The default pipeline for the target " + target).str(),
        [target](OpPassManager &manager, const PipelineOptions &options) {
          buildPipeline(manager, {options.precision, target.str(), options.fuse});
        });
}

} // namespace llmopt
