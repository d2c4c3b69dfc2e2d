#include "runtime/bench/BenchRun.h"

#include "support/RandomWeights.h"

#include <algorithm>
#include <chrono>

namespace llmopt {

Status checkBench(const BenchOptions &options, const Manifest &manifest) {
  if (options.promptLength < 1 || options.newTokens < 2)
    return makeError("prompts of {} tokens and {} new ones: at least 1 and 2 are needed",
                     options.promptLength, options.newTokens);
  if (options.stepTokens < 1 || options.stepTokens > 65536)
    return makeError("steps of {} rows: from 1 to 65536 are possible", options.stepTokens);
  if (options.batch < 1 || options.batch > options.stepTokens)
    return makeError("a batch of {}: from 1 to the rows of a step, {}, are possible", options.batch,
                     options.stepTokens);
  if (options.repeats < 1)
    return makeError("{} repeats: at least 1 is needed", options.repeats);
  if (options.context < 0)
    return makeError("a context of {} tokens before the prompt", options.context);
  const int64_t most = manifest.contextLength;
  if (options.newTokens > most || options.promptLength > most - options.newTokens ||
      options.context > most - options.newTokens - options.promptLength)
    return makeError("{}{} prompt tokens and {} new ones are more than the context of {}, {}",
                     options.context ? fmt::format("{} tokens before the prompt, ", options.context)
                                     : std::string(),
                     options.promptLength, options.newTokens, options.artifact, most);
  return success();
}

EngineOptions benchEngine(const BenchOptions &options, const Artifact &artifact) {
  EngineOptions engine;
  int64_t tokens = options.context + options.promptLength + options.newTokens;
  engine.cachePages = options.batch * Engine::pagesFor(artifact.plan, tokens, 1);
  engine.scheduler = {options.stepTokens, options.stepTokens};
  return engine;
}

//===- Runs -----------------------------------------------------------------------------------===//

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Appends random ids, a function of the number of each.
static void appendRandom(std::vector<int32_t> &prompt, int64_t count, uint32_t first,
                         const Engine &engine) {
  int64_t vocabulary = engine.model().artifact().manifest.vocabularySize;
  for (int64_t i = 0; i < count; ++i)
    prompt.push_back(
        static_cast<int32_t>(randomHash(first + static_cast<uint32_t>(i)) % vocabulary));
}

Status fillContext(Engine &engine, const BenchOptions &options) {
  if (options.context == 0)
    return success();
  // As much as a step computes; the pages of the cache that are taken first are its first ones.
  int64_t pageTokens = engine.model().artifact().plan.cache.pageTokens;
  Request request;
  appendRandom(request.prompt, std::min(options.context, options.stepTokens), UINT32_MAX / 4,
               engine);
  int64_t pages = std::max<int64_t>(1, static_cast<int64_t>(request.prompt.size()) / pageTokens);
  request.maxNewTokens = 0;
  LLMOPT_TRY(engine.submit(std::move(request)));
  while (!engine.idle()) {
    LLMOPT_ASSIGN(std::vector<TokenEvent> none, engine.step());
  }
  return engine.repeatCache(pages);
}

Result<RunTimes> runOnce(Engine &engine, const BenchOptions &options, uint32_t seed) {
  for (int64_t i = 0; i < options.batch; ++i) {
    Request request;
    request.prompt.resize(options.context);
    request.assumedTokens = options.context;
    appendRandom(request.prompt, options.promptLength,
                 seed + static_cast<uint32_t>(i * options.promptLength), engine);
    request.maxNewTokens = options.newTokens;
    request.sampling.temperature = 0;
    LLMOPT_TRY(engine.submit(std::move(request)));
  }
  RunTimes times;
  Clock::time_point start = Clock::now();
  // Prefill ends when every prompt has its first token. With more prompts than fit into a step,
  // some decode meanwhile; their rows are few beside the prompts'.
  std::vector<bool> begun;
  int64_t waiting = options.batch;
  while (waiting > 0) {
    LLMOPT_ASSIGN(std::vector<TokenEvent> events, engine.step());
    for (const TokenEvent &event : events) {
      begun.resize(std::max<size_t>(begun.size(), event.request + 1));
      waiting -= !begun[event.request];
      begun[event.request] = true;
    }
  }
  times.prefillSeconds = secondsSince(start);
  start = Clock::now();
  while (!engine.idle()) {
    LLMOPT_ASSIGN(std::vector<TokenEvent> events, engine.step());
    times.decodeTokens += static_cast<int64_t>(events.size());
    ++times.decodeSteps;
  }
  times.decodeSeconds = secondsSince(start);
  return times;
}

} // namespace llmopt
