//===- llmopt-check.cpp - Whether artifacts do on a device what they should -------------------===//

#include "tools/CommandLine.h"
#include "tools/Tools.h"

#include "runtime/check/Check.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>

using namespace llmopt;

static const char examples[] = R"(
GOLDENS is a folder with logits.safetensors and prompts.json, or expected.json. Compared are the
logits of its prompts, their bits when they are computed again, and the greedy and sampled
continuations of all prompts in one batch with what the logits say. The exit status tells.

Examples:
  llmopt-check tiny.llmopt test/goldens/models/llama_gqa
  llmopt-check tiny.llmopt test/goldens/models/llama_gqa --device cuda-emulated --new-tokens 4
)";

int llmopt::checkMain(int argc, char **argv) {
  CheckOptions options;
  bool json = false;
  CLI::App app("Compares a compiled model with what it is expected to say.", "llmopt-check");
  app.footer(examples);
  app.add_option("artifact", options.artifact, "The compiled model (OUT.llmopt)")->required();
  app.add_option("goldens", options.goldens, "A folder of prompts and what follows")->required();
  app.add_option("--new-tokens", options.newTokens, "Tokens of each continuation")
      ->capture_default_str();
  addDeviceOptions(app, options.device);
  app.add_flag("--json", json, "One JSON object on standard output");
  if (auto code = parseCommandLine(app, argc, argv))
    return *code;

  Result<CheckResult> result = runCheck(options);
  if (!result) {
    fmt::print(stderr, "llmopt-check: {}\n", result.error().message());
    return 1;
  }
  if (json)
    fmt::print("{}\n", result->toJson().dump());
  else
    fmt::print("{}{}", CheckResult::heading(), result->row());
  for (const std::string &failure : result->failures())
    fmt::print(stderr, "llmopt-check: {}: {}\n", options.artifact, failure);
  return result->failures().empty() ? 0 : 1;
}
