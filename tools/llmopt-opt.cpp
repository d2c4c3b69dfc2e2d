//===- llmopt-opt.cpp - Run passes on IR ------------------------------------------------------===//

#include "ir/Dialect.h"
#include "passes/Passes.h"
#include "passes/VerifySemantics.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;

static llvm::cl::opt<bool> verifySemantics(
    "verify-pass-semantics",
    llvm::cl::desc("Interpret @step before and after each pass on seeded inputs and compare"));

static llvm::cl::extrahelp examples(R"(
Examples:
  llmopt-opt graph.mlir --llm-fuse-projections --llm-lower-precision=precision=bf16-true
  llmopt-opt graph.mlir --llm-cpu=precision=bf16-true --mlir-print-ir-after=llm-fuse-kernels
  llmopt-opt graph.mlir --llm-fuse-kernels --verify-pass-semantics
)");

/// Keeps --help to what this tool and MLIR's pass driver define: LLVM's libraries bring the options
/// of every code generator with them. Called before MLIR registers its own.
static void hideLibraryOptions() {
  for (auto &entry : llvm::cl::getRegisteredOptions()) {
    llvm::cl::Option *option = entry.second;
    const bool generic = llvm::any_of(option->Categories, [](llvm::cl::OptionCategory *category) {
      return category->getName() == "Generic Options"; // --help, --version
    });
    if (option != &verifySemantics && !generic)
      option->setHiddenFlag(llvm::cl::ReallyHidden);
  }
}

/// Whether the verification that was asked for took place and found nothing.
static bool holds(llvm::ArrayRef<std::shared_ptr<const llmopt::VerifySemanticsReport>> reports) {
  for (const auto &report : reports) {
    if (report->failed())
      return false;
    if (report->verified == 0) {
      llvm::errs() << "llmopt-opt: --verify-pass-semantics verified nothing: no pass ran on a "
                      "module with a function @step\n";
      return false;
    }
  }
  return true;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  hideLibraryOptions();
  DialectRegistry registry;
  registry.insert<llmopt::LLMDialect, func::FuncDialect>();
  registerTransformsPasses();
  llmopt::registerPasses();
  // What a diagnostic is about is a line of the input; where it is the whole module, the line is
  // enough. Given before the user's own options, of which the last one counts.
  std::vector<char *> arguments(argv, argv + argc);
  char quiet[] = "--mlir-print-op-on-diagnostic=false";
  arguments.insert(arguments.begin() + 1, quiet);
  auto [inputName, outputName] = registerAndParseCLIOptions(
      static_cast<int>(arguments.size()), arguments.data(), "llmopt pass driver\n", registry);

  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  // With --split-input-file there is a pass manager, and a report, for each part.
  std::vector<std::shared_ptr<const llmopt::VerifySemanticsReport>> reports;
  MlirOptMainConfig verifying = config;
  verifying.setPassPipelineSetupFn([&](PassManager &manager) {
    if (failed(config.setupPassPipeline(manager)))
      return failure();
    if (verifySemantics)
      reports.push_back(llmopt::verifyPassSemantics(manager));
    return success();
  });

  std::string problem;
  auto input = openInputFile(inputName, &problem);
  auto output = input ? openOutputFile(outputName, &problem) : nullptr;
  if (!output) {
    llvm::errs() << "llmopt-opt: " << problem << "\n";
    return 1;
  }
  if (failed(MlirOptMain(output->os(), std::move(input), registry, verifying)) || !holds(reports))
    return 1;
  output->keep();
}
