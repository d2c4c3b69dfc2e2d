//===- llmopt-bench.cpp - How fast an artifact runs, beside what the machine can --------------===//

#include "tools/CommandLine.h"
#include "tools/Tools.h"

#include "runtime/bench/Bench.h"
#include "runtime/bench/Profile.h"
#include "support/Files.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

using namespace llmopt;

static const char examples[] = R"(
Prompts are random token ids, the continuation is greedy. Every repeat measures the machine's read
bandwidth and arithmetic peak too; numbers are medians.

Examples:
  llmopt-bench model.llmopt
  llmopt-bench model.llmopt --prompt-length 512 --new-tokens 128 --batch 4
  llmopt-bench model.llmopt --repeats 11 --threads 2 --json
  llmopt-bench model.llmopt --context 8000 --batch 32 --prompt-length 16
  llmopt-bench batch-invariant.llmopt --baseline model.llmopt
  llmopt-bench model.llmopt --profile --trace step.json
)";

namespace {
struct Output {
  bool json = false, brief = false, profile = false;
  std::string trace;
};
} // namespace

static Status runProfiled(const BenchOptions &options, const Output &output) {
  LLMOPT_ASSIGN(Profile profile, runProfile(options));
  if (!output.trace.empty())
    LLMOPT_TRY(writeFile(output.trace, profile.toTrace()));
  return writeOutput(output.json ? profile.toJson().dump() + "\n" : profile.toText());
}

static Status run(const BenchOptions &options, const Output &output) {
  if (output.profile)
    return runProfiled(options, output);
  LLMOPT_ASSIGN(BenchComparison result, runBench(options));
  if (output.brief)
    return writeOutput(result.toRows());
  return writeOutput(output.json ? result.toJson().dump() + "\n" : result.toText());
}

int llmopt::benchMain(int argc, char **argv) {
  BenchOptions options;
  Output output;
  CLI::App app("Measures the prefill and decode rates of a compiled model.", "llmopt-bench");
  app.footer(examples);
  app.add_option("artifact", options.artifact, "The compiled model (OUT.llmopt)")->required();
  app.add_option("--prompt-length", options.promptLength, "Tokens of each prompt")
      ->capture_default_str();
  app.add_option("--context", options.context,
                 "Tokens in the cache before each prompt: keys and values of other random tokens, "
                 "so that decoding behind them needs no long prefill")
      ->capture_default_str();
  app.add_option("--new-tokens", options.newTokens, "New tokens of each sequence")
      ->capture_default_str();
  app.add_option("--batch", options.batch, "Sequences at once")->capture_default_str();
  app.add_option("--repeats", options.repeats, "Measured runs, after one to warm up")
      ->capture_default_str();
  app.add_option("--step-tokens", options.stepTokens, "Rows of a step at most")
      ->capture_default_str();
  auto *baseline =
      app.add_option("--baseline", options.baseline,
                     "Another artifact to measure in turns with it, on the same device")
          ->option_text("OTHER.llmopt");
  addDeviceOptions(app, options.device);
  auto *brief = app.add_flag("--brief", output.brief, "One line of a table, and the one above it");
  auto *profile = app.add_flag("--profile", output.profile,
                               "Where the time of a step goes: its kernels, what they read and "
                               "compute, and the shares of the limits")
                      ->excludes(brief)
                      ->excludes(baseline);
  app.add_option(
         "--trace", output.trace,
         "With --profile: the last steps' launches, for ui.perfetto.dev or chrome://tracing")
      ->option_text("FILE.json")
      ->needs(profile);
  app.add_flag("--json", output.json, "One JSON object on standard output");
  if (auto code = parseCommandLine(app, argc, argv))
    return *code;
  // What is out of range is told by the bench, before memory is.
  options.device.stepRows = std::clamp<int64_t>(options.stepTokens, 1, 65536);

  if (Status status = run(options, output); !status) {
    fmt::print(stderr, "llmopt-bench: {}\n", status.error().message());
    return 1;
  }
  return 0;
}
