//===- llmopt-run.cpp - Runs an artifact on one prompt ----------------------------------------===//

#include "tools/CommandLine.h"
#include "tools/Tools.h"

#include "runtime/engine/Generate.h"
#include "runtime/engine/MemoryPlan.h"
#include "support/Files.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

using namespace llmopt;

static const char examples[] = R"(
Prints the prompt and its continuation as it is made, and then

  Time for inference: 1.18 sec total, 42.47 tokens/sec
  Memory used: 14.50 GB

The time does not include loading. With --json there is one object on standard output instead: text
and token_ids (the new ones; a stop token is among the ids, not in the text), rates, peak memory.

Examples:
  llmopt-run model.llmopt --prompt "Once upon a time"
  llmopt-run model.llmopt --prompt "The capital of France is" --temperature 0 --max-new-tokens 8
  llmopt-run model.llmopt --prompt "Q: why? A:" --top-k 50 --top-p 0.9 --seed 7 --stop "Q:"
  llmopt-run model.llmopt --prompt "It was" --num-beams 4 --json
  llmopt-run model.llmopt --plan
  llmopt-run model.llmopt --prompt-tokens 1,15043 --max-new-tokens 0 --dump-logits out.safetensors
)";

namespace {
struct Options {
  std::string artifact;
  std::string promptFile;
  std::string promptTokens;
  GenerateOptions generate;
  DeviceOptions device;
  bool plan = false;
  bool json = false;
};
} // namespace

/// Ids with commas between them.
static Result<std::vector<int32_t>> parseTokenIds(const std::string &text) {
  std::vector<int32_t> ids;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(',', begin), text.size());
    if (begin == end)
      return makeError("--prompt-tokens: '{}' has an empty element", shortened(text));
    auto id = parseTokenId(text.substr(begin, end - begin));
    if (!id)
      return id.error().within("--prompt-tokens");
    ids.push_back(*id);
    begin = end + 1;
  }
  return ids;
}

/// What the artifact takes of the memory that is free here. Without a card, and if none was asked
/// for, of usual cards' memory.
static Status printMemoryPlan(const Options &options) {
  LLMOPT_ASSIGN(Artifact artifact, Artifact::openPlan(options.artifact));
  const std::string &target = artifact.manifest.target;
  const std::string &device = options.device.device;
  std::vector<MemoryPlace> places;
  if (auto here = freeMemory(device.empty() ? target : device)) {
    places.push_back(*here);
  } else if (device.empty() && target == "cuda") {
    fmt::print(stderr, "note: {}; this is for usual cards\n", here.error().message());
    places = usualCards();
  } else {
    return here.error();
  }
  MemoryPlan plan(artifact.manifest, artifact.plan, places);
  return writeOutput(options.json ? plan.toJson().dump() + "\n" : plan.toText());
}

static Status run(Options &options) {
  if (options.plan)
    return printMemoryPlan(options);
  if (!options.promptFile.empty()) {
    LLMOPT_ASSIGN(options.generate.prompt, readInput(options.promptFile));
  }
  if (!options.promptTokens.empty()) {
    LLMOPT_ASSIGN(options.generate.promptTokens, parseTokenIds(options.promptTokens));
  }
  LLMOPT_ASSIGN(Model model, Model::open(options.artifact, options.device));
  auto show = [&](std::string_view text) {
    if (!options.json) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    }
  };
  LLMOPT_ASSIGN(GenerateResult result, generate(std::move(model), options.generate, show));
  if (result.contextReached)
    fmt::print(stderr, "note: the model's context ends before {} new tokens\n",
               options.generate.maxNewTokens);
  return writeOutput(options.json ? result.toJson().dump() + "\n" : "\n\n" + result.summary());
}

/// Options that would do nothing beside the others.
static Status refuseIdle(const CLI::App &app, const Options &options) {
  if (options.generate.beams > 1)
    for (const char *sampling : {"--top-k", "--top-p", "--seed"})
      LLMOPT_TRY(refuse(app, sampling, "beam search does not sample"));
  if (options.plan)
    for (const char *generating :
         {"--max-new-tokens", "--temperature", "--top-k", "--top-p", "--seed", "--num-beams",
          "--stop", "--dump-logits", "--threads", "--launch", "--tuning"})
      LLMOPT_TRY(refuse(app, generating, "--plan runs nothing"));
  return success();
}

int llmopt::runMain(int argc, char **argv) {
  Options options;
  GenerateOptions &generate = options.generate;
  CLI::App app("Runs a compiled model on a prompt.", "llmopt-run");
  app.footer(examples);
  app.add_option("artifact", options.artifact, "The compiled model (OUT.llmopt)")->required();
  auto *prompt = app.add_option_group("prompt", "What to do: one of");
  prompt->add_option("--prompt", generate.prompt, "Continue a text");
  prompt->add_option("--prompt-file", options.promptFile,
                     "Continue the text of a file; -: of standard input");
  prompt->add_option("--prompt-tokens", options.promptTokens, "Continue token ids: 1,2,3");
  prompt->add_flag("--plan", options.plan,
                   "Load nothing: print what the model takes of memory, and the longest context "
                   "that fits");
  prompt->require_option(1);
  app.add_option("--max-new-tokens", generate.maxNewTokens, "New tokens at most")
      ->capture_default_str();
  auto *temperature =
      app.add_option("--temperature", generate.sampling.temperature,
                     "Divides the logits; 0 takes the most probable token each time")
          ->capture_default_str();
  app.add_option("--top-k", generate.sampling.topK, "Only the K most probable tokens; 0: all");
  app.add_option("--top-p", generate.sampling.topP, "Only the most probable with this share")
      ->capture_default_str();
  app.add_option("--seed", generate.sampling.seed, "Of the random choices")->capture_default_str();
  app.add_option("--num-beams", generate.beams,
                 "Beam search as Hugging Face's; it does not sample: the temperature is 0")
      ->capture_default_str();
  app.add_option("--stop", generate.stopTexts, "Ends before this text; may be given several times")
      ->allow_extra_args(false);
  app.add_option(
      "--dump-logits", generate.dumpLogits,
      "Writes the prompt's float32 logits [T, V], tensor 'logits' of a safetensors file");
  addDeviceOptions(app, options.device);
  app.add_flag("--json", options.json, "One JSON object on standard output");
  if (auto code = parseCommandLine(app, argc, argv))
    return *code;

  if (generate.beams > 1 && temperature->count() == 0)
    generate.sampling.temperature = 0;
  Status status = refuseIdle(app, options);
  if (status)
    status = run(options);
  if (!status) {
    fmt::print(stderr, "llmopt-run: {}\n", status.error().message());
    return 1;
  }
  return 0;
}
