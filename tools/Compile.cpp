#include "tools/Compile.h"

#include "codegen/ArtifactWriter.h"
#include "codegen/PlanEmitter.h"
#include "frontends/Frontend.h"
#include "ir/Dialect.h"
#include "passes/Passes.h"
#include "passes/VerifySemantics.h"
#include "runtime/tokenizer/Tokenizer.h"
#include "support/Files.h"
#include "support/Json.h"
#include "support/ThreadPool.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

using namespace mlir;

namespace llmopt {

namespace {
/// Keeps the first error that MLIR reports, so that it can be returned like any other.
class FirstDiagnostic {
public:
  explicit FirstDiagnostic(MLIRContext &context)
      : handler(&context, [this](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() == DiagnosticSeverity::Error && message.empty())
            message = diagnostic.str();
          return mlir::success();
        }) {}

  Error error(const std::string &otherwise) const {
    return Error(message.empty() ? otherwise : message);
  }

private:
  std::string message;
  ScopedDiagnosticHandler handler;
};
} // namespace

/// Of MLIR's complaint about a pipeline the first sentence, without the place and the text that it
/// points at.
static std::string firstMessage(StringRef complaint) {
  StringRef line = complaint.split('\n').first;
  auto [place, message] = line.split("error: ");
  message = message.empty() ? line : message;
  message.consume_front("<Pass-Options-Parser>: ");
  return message.str();
}

static Status buildPasses(PassManager &manager, const CompileOptions &options) {
  if (options.passPipeline.empty()) {
    buildPipeline(manager,
                  {options.precision, options.target, options.arch, options.fuse,
                   options.batchInvariant, options.tuning, options.launch, options.quantize});
    return llmopt::success();
  }
  std::string problem;
  llvm::raw_string_ostream stream(problem);
  // The syntax of llmopt-opt: "builtin.module(llm-fuse-kernels,...)", the anchor being optional.
  StringRef text = options.passPipeline;
  if (text.consume_front("builtin.module("))
    text.consume_back(")");
  if (failed(parsePassPipeline(text, manager, stream)))
    return makeError("--pass-pipeline: {}", firstMessage(problem));
  return llmopt::success();
}

static Status printPasses(PassManager &manager, const CompileOptions &options) {
  for (const std::string &name : options.printAfter) {
    bool known = name == "all" || llvm::any_of(manager.getPasses(), [&](Pass &pass) {
                   return pass.getArgument() == name;
                 });
    if (!known)
      return makeError("--print-ir-after: no pass '{}' in the pipeline", name);
  }
  if (options.printAfter.empty())
    return llmopt::success();
  manager.enableIRPrinting([](Pass *, Operation *) { return false; },
                           [names = options.printAfter](Pass *pass, Operation *) {
                             return llvm::any_of(names, [&](const std::string &name) {
                               return name == "all" || pass->getArgument() == name;
                             });
                           },
                           /*printModuleScope=*/true, /*printAfterOnlyOnChange=*/false,
                           /*printAfterOnlyOnFailure=*/false, llvm::errs());
  return llmopt::success();
}

/// The checkpoint's tokenizer files; a model of random weights may have none. They are loaded once,
/// so that a broken one is found here and not when the artifact runs.
static Result<std::vector<std::string>> tokenizerPaths(const std::string &checkpoint) {
  std::vector<std::string> paths;
  std::error_code code;
  if (std::filesystem::is_directory(checkpoint, code))
    for (const std::string &name : tokenizerFiles(checkpoint))
      paths.push_back((std::filesystem::path(checkpoint) / name).string());
  if (!paths.empty())
    LLMOPT_TRY(loadTokenizer(checkpoint));
  return paths;
}

static Status emitText(const std::string &text, const CompileOptions &options,
                       CompileReport &report) {
  if (!options.output.empty())
    return writeFile(options.output, text);
  report.text = text;
  return llmopt::success();
}

static Status planMemory(ModuleOp module, const Plan &plan, const ArtifactOptions &artifact,
                         const CompileOptions &options, CompileReport &report) {
  LLMOPT_ASSIGN(Manifest manifest, describeModule(module, plan, artifact));
  std::vector<MemoryPlace> places;
  if (options.memory) {
    places.push_back(placeOf(*options.memory, options.target));
  } else if (options.target == "cuda") {
    places = usualCards();
  } else {
    LLMOPT_ASSIGN(MemoryPlace machine, freeMemory(options.target));
    places.push_back(machine);
  }
  report.memory.emplace(manifest, plan, places);
  return llmopt::success();
}

static Status emit(ImportedModel &model, const CompileOptions &options, int threads,
                   CompileReport &report) {
  if (options.emit == CompileOptions::Emit::Mlir) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    model.module->print(stream);
    return emitText(text, options, report);
  }
  ArtifactOptions artifact;
  artifact.target = options.target;
  artifact.cpu = options.cpu;
  artifact.arch = options.arch;
  artifact.parameters = model.parameters;
  artifact.randomWeights = options.randomWeights;
  LLMOPT_ASSIGN(artifact.copies, tokenizerPaths(options.checkpoint));
  artifact.threads = threads;
  artifact.quiet = options.quiet;
  if (options.emit == CompileOptions::Emit::Source) {
    LLMOPT_ASSIGN(std::string text, emitSource(*model.module, artifact));
    return emitText(text, options, report);
  }
  LLMOPT_ASSIGN(PlannedModule planned, planModule(*model.module));
  if (options.emit == CompileOptions::Emit::MemoryPlan)
    return planMemory(*model.module, planned.plan, artifact, options, report);
  report.launches = static_cast<int64_t>(planned.plan.launches.size());
  report.kernels = static_cast<int64_t>(planned.kernels.size());
  for (const PlanWeight &weight : planned.plan.weights)
    report.weightBytes += weight.bytes();
  return writeArtifact(*model.module, model.source.get(), options.output, artifact);
}

std::string CompileReport::toJson(const std::string &output) const {
  return OrderedJson({{"output", output},
                      {"parameters", parameters},
                      {"weight_bytes", weightBytes},
                      {"kernels", kernels},
                      {"launches", launches},
                      {"seconds", seconds}})
      .dump();
}

Result<CompileReport> compile(const CompileOptions &options) {
  auto start = std::chrono::steady_clock::now();
  if (options.emit == CompileOptions::Emit::Artifact && options.output.empty())
    return makeError("-o is missing: the name of the artifact to write");
  LLMOPT_ASSIGN(int threads, resolveThreads(options.threads));
  MLIRContext context;
  context.loadDialect<LLMDialect, func::FuncDialect>();
  ImportOptions import;
  import.randomWeights = options.randomWeights;
  import.seed = options.seed;
  import.contextLength = options.contextLength;
  FirstDiagnostic diagnostic(context);
  LLMOPT_ASSIGN(ImportedModel model, importHuggingFace(context, options.checkpoint, import));

  // Before a pass manager is told to print.
  if (!options.printAfter.empty())
    context.disableMultithreading();
  PassManager manager(&context);
  LLMOPT_TRY(buildPasses(manager, options));
  LLMOPT_TRY(printPasses(manager, options));
  std::shared_ptr<const VerifySemanticsReport> verified;
  if (options.verifySemantics)
    verified = verifyPassSemantics(manager, {model.source.get(), threads});
  if (failed(manager.run(*model.module)) || (verified && verified->failed()))
    return diagnostic.error("a pass failed without a message").within(options.checkpoint);
  if (verified && verified->verified == 0)
    return makeError("--verify-pass-semantics verified nothing: the pipeline has no passes");

  CompileReport report;
  report.parameters = model.parameters;
  LLMOPT_TRY(emit(model, options, threads, report));
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

} // namespace llmopt
