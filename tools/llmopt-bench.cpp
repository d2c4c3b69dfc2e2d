//===- llmopt-bench.cpp - How fast an artifact runs, beside what the machine can --------------===//

#include "tools/CommandLine.h"
#include "tools/Tools.h"

#include "runtime/bench/Bench.h"
#include "support/Files.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>

using namespace llmopt;

static const char examples[] = R"(
Prompts are random token ids, the continuation is greedy. Every repeat measures the machine's read
bandwidth and arithmetic peak too; numbers are medians.

Examples:
  llmopt-bench model.llmopt
  llmopt-bench model.llmopt --prompt-length 512 --new-tokens 128 --batch 4
  llmopt-bench model.llmopt --repeats 11 --threads 2 --json
  llmopt-bench batch-invariant.llmopt --baseline model.llmopt
)";

static Status run(const BenchOptions &options, bool json, bool brief) {
  LLMOPT_ASSIGN(BenchComparison result, runBench(options));
  if (brief)
    return writeOutput(result.toRows());
  return writeOutput(json ? result.toJson().dump() + "\n" : result.toText());
}

int llmopt::benchMain(int argc, char **argv) {
  BenchOptions options;
  bool json = false, brief = false;
  CLI::App app("Measures the prefill and decode rates of a compiled model.", "llmopt-bench");
  app.footer(examples);
  app.add_option("artifact", options.artifact, "The compiled model (OUT.llmopt)")->required();
  app.add_option("--prompt-length", options.promptLength, "Tokens of each prompt")
      ->capture_default_str();
  app.add_option("--new-tokens", options.newTokens, "New tokens of each sequence")
      ->capture_default_str();
  app.add_option("--batch", options.batch, "Sequences at once")->capture_default_str();
  app.add_option("--repeats", options.repeats, "Measured runs, after one to warm up")
      ->capture_default_str();
  app.add_option("--baseline", options.baseline,
                 "Another artifact to measure in turns with it, on the same device")
      ->option_text("OTHER.llmopt");
  addDeviceOptions(app, options.device);
  app.add_flag("--brief", brief, "One line of a table, and the one above it");
  app.add_flag("--json", json, "One JSON object on standard output");
  if (auto code = parseCommandLine(app, argc, argv))
    return *code;

  if (Status status = run(options, json, brief); !status) {
    fmt::print(stderr, "llmopt-bench: {}\n", status.error().message());
    return 1;
  }
  return 0;
}
