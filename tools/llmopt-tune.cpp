//===- llmopt-tune.cpp - Finds the fastest schedules of a model on the card at hand -----------===//

#include "tools/CommandLine.h"
#include "tools/Tools.h"

#include "runtime/tune/Tune.h"
#include "support/Files.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>

using namespace llmopt;

static const char examples[] = R"(
Each linear of the model is timed on its own weights as other instances of its template, whose
results are held to the default's before their times count. What is found is written to a file that
the next load on this card uses, of this model and of any that has such linears; --tuning of the
other tools names another one, or none.

Examples:
  llmopt-tune model.llmopt
  llmopt-tune model.llmopt --rows 1,8 --budget 300
  llmopt-tune model.llmopt --kernels linear_add -o h100.json --json
)";

static Status run(const TuneOptions &options, bool json) {
  LLMOPT_ASSIGN(TuneReport report, runTune(options));
  return writeOutput(json ? report.toJson().dump() + "\n" : report.toText());
}

int llmopt::tuneMain(int argc, char **argv) {
  TuneOptions options;
  bool json = false;
  CLI::App app("Finds the fastest schedules of a compiled model's linears on this GPU.",
               "llmopt-tune");
  app.footer(examples);
  app.add_option("artifact", options.artifact, "The compiled model (OUT.llmopt)")->required();
  app.add_option("--rows", options.rows,
                 "Rows of the steps to tune for; else the most that each function is for")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->option_text("N,N,...");
  app.add_option("--kernels", options.kernels, "Of the plan; else all")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->option_text("NAME,...");
  app.add_option("--budget", options.budget, "Seconds to search for; else to the end")
      ->option_text("SECONDS");
  app.add_option("-o,--output", options.output,
                 "The tuning file; else the one in the cache folder that loads on this card use. "
                 "What it has of other functions stays")
      ->option_text("FILE.json");
  options.device.threads = 0;
  app.add_option("--device", options.device.device,
                 "cuda, or cuda-emulated, whose times mean nothing")
      ->check(CLI::IsMember({"cuda", "cuda-emulated"}))
      ->default_str("cuda");
  app.add_option("--threads", options.device.threads, "To compile on; 0: one for each core")
      ->capture_default_str();
  app.add_flag("--quiet", options.device.quiet, "No progress");
  app.add_flag("--json", json, "One JSON object on standard output");
  if (auto code = parseCommandLine(app, argc, argv))
    return *code;

  // Not a number is neither.
  const bool noTime = app.count("--budget") > 0 && !(options.budget > 0);
  Status status = noTime ? Status(makeError("--budget: {} seconds are no time", options.budget))
                         : run(options, json);
  if (!status) {
    fmt::print(stderr, "llmopt-tune: {}\n", status.error().message());
    return 1;
  }
  return 0;
}
