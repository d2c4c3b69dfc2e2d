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
  // On the graph: weights are quantized under the checkpoint's names. Projections are fused while
  // every type is float32, so that one concatenated recipe is narrowed rather than several.
  if (!settings.quantize.empty())
    add(createQuantize({settings.quantize}));
  if (settings.fuse)
    add(createFuseProjections());
  add(createLowerPrecision({settings.precision}));
  add(createCanonicalizerPass());
  add(createCSEPass());
  add(createFuseKernels({settings.fuse}));
  // Layouts follow from what a kernel multiplies, places from what its schedule needs.
  add(createSchedule({settings.target, settings.arch, settings.batchInvariant, settings.tuning}));
  add(createPlanMemory());
  // What may run beside what follows from the places, too.
  if (settings.launch != "graph")
    add(createSynchronize({settings.launch}));
}

namespace {
struct PipelineOptions : PassPipelineOptions<PipelineOptions> {
  Option<std::string> precision{*this, "precision", llvm::cl::desc("See --llm-lower-precision"),
                                llvm::cl::init("32-true")};
  Option<std::string> quantize{*this, "quantize", llvm::cl::desc("See --llm-quantize"),
                               llvm::cl::init("")};
  Option<bool> fuse{*this, "fuse", llvm::cl::desc("Fuse projections and kernels"),
                    llvm::cl::init(true)};
};
struct CudaPipelineOptions : PipelineOptions {
  Option<std::string> arch{*this, "arch", llvm::cl::desc("See --llm-schedule"),
                           llvm::cl::init(PipelineSettings().arch)};
  Option<bool> batchInvariant{*this, "batch-invariant", llvm::cl::desc("See --llm-schedule"),
                              llvm::cl::init(false)};
  Option<std::string> tuning{*this, "tuning", llvm::cl::desc("See --llm-schedule"),
                             llvm::cl::init("")};
  Option<std::string> launch{*this, "launch",
                             llvm::cl::desc("How a decode step runs: graph, or persistent (see "
                                            "--llm-synchronize)"),
                             llvm::cl::init(PipelineSettings().launch)};
};
} // namespace

void registerPasses() {
  registerLLMOptPasses();
  PassPipelineRegistration<PipelineOptions>(
      "llm-cpu", "The default pipeline for the target cpu",
      [](OpPassManager &manager, const PipelineOptions &options) {
        PipelineSettings settings;
        settings.precision = options.precision;
        settings.fuse = options.fuse;
        settings.quantize = options.quantize;
        buildPipeline(manager, settings);
      });
  PassPipelineRegistration<CudaPipelineOptions>(
      "llm-cuda", "The default pipeline for the target cuda",
      [](OpPassManager &manager, const CudaPipelineOptions &options) {
        buildPipeline(manager,
                      {options.precision, "cuda", options.arch, options.fuse,
                       options.batchInvariant, options.tuning, options.launch, options.quantize});
      });
}

} // namespace llmopt
