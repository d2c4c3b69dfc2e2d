#include "runtime/bench/BenchRun.h"

#include "support/RandomWeights.h"

#include <algorithm>
#include <chrono>

namespace llmopt {

Status checkBench(const BenchOptions &options, const Manifest &manifest) {
  if (options.promptLength < 1 || options.newTokens < 2)
    return makeError("prompts of {} tokens and {} new ones: at least 1 and 2 are needed",
                     options.promptLength, options.newTokens);
  if (options.batch < 1 || options.batch > SchedulerOptions().stepTokens)
    return makeError("a batch of {}: from 1 to {} are possible", options.batch,
                     SchedulerOptions().stepTokens);
  if (options.repeats < 1)
    return makeError("{} repeats: at least 1 is needed", options.repeats);
  if (options.promptLength > manifest.contextLength - options.newTokens)
    return makeError("{} prompt tokens and {} new ones are more than the context of {}, {}",
                     options.promptLength, options.newTokens, options.artifact,
                     manifest.contextLength);
  return success();
}

EngineOptions benchEngine(const BenchOptions &options, const Artifact &artifact) {
  EngineOptions engine;
  engine.cachePages =
      options.batch * Engine::pagesFor(artifact.plan, options.promptLength + options.newTokens, 1);
  return engine;
}

//===- Runs -----------------------------------------------------------------------------------===//

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Result<RunTimes> runOnce(Engine &engine, const BenchOptions &options, uint32_t seed) {
  int64_t vocabulary = engine.model().artifact().manifest.vocabularySize;
  for (int64_t i = 0; i < options.batch; ++i) {
    Request request;
    for (int64_t j = 0; j < options.promptLength; ++j)
      request.prompt.push_back(static_cast<int32_t>(
          randomHash(seed + static_cast<uint32_t>(i * options.promptLength + j)) % vocabulary));
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
