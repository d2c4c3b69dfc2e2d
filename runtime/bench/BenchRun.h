//===- BenchRun.h - What rates and profiles are measured on -----------------------------------===//

#ifndef LLMOPT_RUNTIME_BENCH_BENCHRUN_H
#define LLMOPT_RUNTIME_BENCH_BENCHRUN_H

#include "runtime/bench/Bench.h"
#include "runtime/engine/Engine.h"

namespace llmopt {

/// An Error unless the model can be measured as asked.
Status checkBench(const BenchOptions &options, const Manifest &manifest);

/// A cache as large as a run needs.
EngineOptions benchEngine(const BenchOptions &options, const Artifact &artifact);

struct RunTimes {
  double prefillSeconds = 0;
  double decodeSeconds = 0;
  int64_t decodeTokens = 0;
  int64_t decodeSteps = 0;
};

/// Fills the cache with keys and values of random tokens, if there is a context that is not
/// computed.
Status fillContext(Engine &engine, const BenchOptions &options);

/// Prompts of random ids, and their continuation; no id ends it.
Result<RunTimes> runOnce(Engine &engine, const BenchOptions &options, uint32_t seed);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_BENCH_BENCHRUN_H
