//===- llmopt-compile.cpp - From a checkpoint to an artifact ----------------------------------===//

#include "passes/Passes.h"
#include "support/Files.h"
#include "tools/CommandLine.h"
#include "tools/Compile.h"

#include "mlir/Transforms/Passes.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

using namespace llmopt;

static const char examples[] = R"(
Examples:
  llmopt-compile models/tiny-llama -o tiny.llmopt
  llmopt-compile ~/checkpoints/llama-3.2-1b -o llama.llmopt --precision bf16-true
  llmopt-compile models/configs/falcon-7b.json --random-weights -o falcon.llmopt --target cuda --arch sm_80
  llmopt-compile models/configs/falcon-7b.json --random-weights --plan --target cuda --precision bf16-true
  llmopt-compile models/tiny-llama -o tiny-int4.llmopt --precision bf16-true --quantize "int4:group=64;lm_head=int8"
  llmopt-compile models/tiny-llama --emit=source --precision bf16-mixed
  llmopt-compile models/tiny-llama --emit=mlir --pass-pipeline "llm-fuse-projections,llm-fuse-kernels"
  llmopt-compile models/tiny-llama -o tiny.llmopt --print-ir-after=llm-fuse-kernels
)";

/// Options that would do nothing beside the others.
static Status refuseIdle(const CLI::App &app, const CompileOptions &options) {
  if (!options.randomWeights)
    LLMOPT_TRY(refuse(app, "--seed", "the weights are the checkpoint's without --random-weights"));
  if (options.target == "cpu")
    for (const char *option : {"--arch", "--tuning", "--launch"})
      LLMOPT_TRY(refuse(app, option, "the target is cpu, and this is for cuda"));
  else
    LLMOPT_TRY(refuse(app, "--cpu", "the target is " + options.target + ", and this is for cpu"));
  if (options.launch == "persistent" && options.batchInvariant)
    return makeError(
        "--launch persistent: the tiles of --batch-invariant are for many rows too, and "
        "a persistent step has those of a matvec only");
  if (!options.passPipeline.empty())
    for (const char *option :
         {"--no-fuse", "--precision", "--quantize", "--batch-invariant", "--tuning", "--launch"})
      LLMOPT_TRY(refuse(app, option, "--pass-pipeline says what the passes do"));
  if (options.emit == CompileOptions::Emit::MemoryPlan)
    LLMOPT_TRY(refuse(app, "--emit", "--plan writes nothing"));
  else if (options.emit != CompileOptions::Emit::Artifact)
    LLMOPT_TRY(refuse(app, "--json", "there is a report on an artifact or a --plan only"));
  return success();
}

static Status run(const CompileOptions &options, bool json) {
  LLMOPT_ASSIGN(CompileReport report, compile(options));
  if (report.memory)
    return writeOutput(json ? report.memory->toJson().dump() + "\n" : report.memory->toText());
  if (!report.text.empty())
    return writeOutput(report.text);
  if (json)
    return writeOutput(report.toJson(options.output) + "\n");
  if (options.quiet || options.emit != CompileOptions::Emit::Artifact)
    return success();
  return writeOutput(
      fmt::format("Wrote {}: {:.1f} M parameters, {:.1f} MB of weights, {} kernels in "
                  "{} launches ({:.1f} s)\n",
                  options.output, report.parameters / 1e6, report.weightBytes / 1e6, report.kernels,
                  report.launches, report.seconds));
}

int main(int argc, char **argv) {
  mlir::registerTransformsPasses();
  registerPasses();
  CompileOptions options;
  bool json = false, noFuse = false, plan = false;
  CLI::App app("Compiles a checkpoint into an artifact for llmopt-run.", "llmopt-compile");
  app.footer(examples);
  app.add_option("checkpoint", options.checkpoint,
                 "A Hugging Face directory, or with --random-weights a config.json")
      ->required();
  app.add_option("-o,--output", options.output,
                 "The artifact to write; with --emit=source or mlir a file, else standard output");
  app.add_option("--target", options.target, "cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--precision", options.precision,
                 "true: stored and computed in the type; mixed: float32 with linears in the type")
      ->check(CLI::IsMember({"32-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed"}))
      ->capture_default_str();
  app.add_option("--quantize", options.quantize,
                 "Store the linears' weights in few bits: int8, int4, nf4, fp4 or none, with "
                 "options and rules by name: int4:group=64;*.down_proj=int8;lm_head=int8")
      ->option_text("SCHEME[:OPTIONS][;PATTERN=SCHEME]...");
  app.add_option("--cpu", options.cpu,
                 "CPU to compile for, as the compiler's -march: native, x86-64-v3, znver4, ...")
      ->capture_default_str();
  app.add_option("--arch", options.arch, "GPU architecture")
      ->check(CLI::IsMember({"sm_80", "sm_90a"}))
      ->capture_default_str();
  app.add_flag(
      "--batch-invariant", options.batchInvariant,
      "A sequence's tokens are bit for bit the same alone, in any batch and cut into steps "
      "in any way. Always so on a CPU; on a GPU it costs speed, which llmopt-bench "
      "--baseline tells");
  app.add_option("--tuning", options.tuning,
                 "Schedules that llmopt-tune found on a card, to start from")
      ->option_text("FILE.json");
  app.add_option("--launch", options.launch,
                 "How a decode step of few sequences runs on a GPU: graph, kernel by kernel; or "
                 "persistent, as one kernel (--launch graph of llmopt-run then still works)")
      ->check(CLI::IsMember({"graph", "persistent"}))
      ->capture_default_str();
  app.add_flag("--random-weights", options.randomWeights,
               "Make weights up: any config compiles, with nothing to download");
  app.add_option("--seed", options.seed, "Of the random weights")->capture_default_str();
  app.add_option("--context-length", options.contextLength,
                 "Longest sequence, if shorter than the model's");
  app.add_option_function<std::string>(
         "--emit",
         [&](const std::string &what) {
           options.emit = what == "source" ? CompileOptions::Emit::Source
                          : what == "mlir" ? CompileOptions::Emit::Mlir
                                           : CompileOptions::Emit::Artifact;
         },
         "artifact, source or mlir")
      ->check(CLI::IsMember({"artifact", "source", "mlir"}))
      ->default_str("artifact");
  auto *planFlag = app.add_flag("--plan", plan,
                                "Write nothing: print what the model takes of memory, and the "
                                "longest context that fits");
  app.add_option("--memory", options.memory,
                 "With --plan: the memory that there is, in bytes or as 80GB; else that of usual "
                 "cards, or for cpu of this machine")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->option_text("SIZE")
      ->needs(planFlag);
  app.add_flag("--no-fuse", noFuse, "A kernel for each op: shows what fusion gains");
  app.add_option("--pass-pipeline", options.passPipeline,
                 "Passes to run instead of the default ones, as llmopt-opt spells them");
  app.add_option("--print-ir-after", options.printAfter,
                 "Print the IR to standard error after this pass, or after 'all'");
  app.add_flag("--verify-pass-semantics", options.verifySemantics,
               "Interpret the step before and after each pass and compare");
  app.add_option("--threads", options.threads, "0: one for each core")->capture_default_str();
  app.add_flag("--quiet", options.quiet, "No progress");
  app.add_flag("--json", json, "A report as JSON on standard output");
  if (auto code = parseCommandLine(app, argc, argv))
    return *code;
  options.fuse = !noFuse;
  if (plan)
    options.emit = CompileOptions::Emit::MemoryPlan;

  Status status = refuseIdle(app, options);
  if (status)
    status = run(options, json);
  if (!status) {
    fmt::print(stderr, "llmopt-compile: {}\n", status.error().message());
    return 1;
  }
}
