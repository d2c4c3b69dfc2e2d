#include "runtime/bench/Bench.h"

#include "runtime/bench/MachineLimits.h"
#include "runtime/engine/Engine.h"
#include "runtime/engine/Model.h"
#include "support/Progress.h"
#include "support/RandomWeights.h"

#include <algorithm>
#include <chrono>
#include <optional>

namespace llmopt {

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double Samples::median() const {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  size_t half = sorted.size() / 2;
  return sorted.size() % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

double Samples::least() const { return *std::min_element(values.begin(), values.end()); }

double Samples::most() const { return *std::max_element(values.begin(), values.end()); }

static Status check(const BenchOptions &options, const Manifest &manifest) {
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

//===- Runs -----------------------------------------------------------------------------------===//

namespace {
struct RunTimes {
  double prefillSeconds = 0;
  double decodeSeconds = 0;
  int64_t decodeTokens = 0;
  int64_t decodeSteps = 0;
};
} // namespace

/// Prompts of random ids, and their continuation; no id ends it.
static Result<RunTimes> runOnce(Engine &engine, const BenchOptions &options, uint32_t seed) {
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

/// The plan's multiplications and additions for so many rows.
static int64_t countOperations(const Plan &plan, int64_t tokens, int64_t logitRows) {
  int64_t operations = 0;
  for (const PlanLaunch &launch : plan.launches)
    operations += launch.flopsPerRow * (launch.space == RowSpace::Token ? tokens : logitRows);
  return operations;
}

namespace {
/// One artifact, loaded and warm.
class Bench {
public:
  /// `beside` says whether another artifact was opened before it.
  static Result<Bench> open(const BenchOptions &options, bool beside) {
    LLMOPT_ASSIGN(Model model, Model::open(options.artifact, options.device));
    LLMOPT_TRY(check(options, model.artifact->manifest));
    Bench bench;
    bench.describe(options, model);
    EngineOptions engineOptions;
    engineOptions.cachePages =
        options.batch *
        Engine::pagesFor(model.artifact->plan, options.promptLength + options.newTokens, 1);
    LLMOPT_ASSIGN(bench.engine, Engine::create(std::move(model.device), engineOptions));
    // The first run warms up and does not count; the model's own memory is known after it.
    LLMOPT_TRY(runOnce(*bench.engine, options, UINT32_MAX / 2));
    const Device &device = bench.engine->model();
    // That of the process has the other artifact in it.
    if (!beside || device.memoryBytes() > 0)
      bench.result.peakMemory = memoryUsed(device);
    const Manifest &manifest = device.artifact().manifest;
    if (manifest.target == "cpu") {
      bool low = manifest.precision.rfind("bf16", 0) == 0;
      LLMOPT_ASSIGN(bench.limits, MachineLimits::create(bench.result.options.device.threads,
                                                        low ? MachineLimits::Arithmetic::BFloat16
                                                            : MachineLimits::Arithmetic::Float32));
      bench.result.instruction = bench.limits->instruction();
    }
    return bench;
  }

  Status measure(int64_t repeat) {
    const BenchOptions &options = result.options;
    double bandwidth = limits ? limits->readBandwidth() : 0;
    double peak = limits ? limits->arithmeticPeak() : 0;
    LLMOPT_ASSIGN(RunTimes times, runOnce(*engine, options, static_cast<uint32_t>(repeat)));
    result.prefill.values.push_back(options.batch * options.promptLength / times.prefillSeconds);
    result.decode.values.push_back(times.decodeTokens / times.decodeSeconds);
    double stepBytes = static_cast<double>(result.weightBytes + result.cacheBytes);
    result.decodeBandwidth.values.push_back(stepBytes * times.decodeSteps / times.decodeSeconds);
    result.prefillArithmetic.values.push_back(result.prefillOperations / times.prefillSeconds);
    if (!limits)
      return success();
    // What the memory gives may change within seconds where others share it.
    bandwidth = std::max(bandwidth, limits->readBandwidth());
    result.readBandwidth.values.push_back(bandwidth);
    result.arithmeticPeak.values.push_back(peak);
    result.bandwidthShare.values.push_back(result.decodeBandwidth.values.back() / bandwidth);
    result.arithmeticShare.values.push_back(result.prefillArithmetic.values.back() / peak);
    return success();
  }

  BenchResult result;

private:
  void describe(const BenchOptions &options, const Model &model) {
    const Manifest &manifest = model.artifact->manifest;
    const Plan &plan = model.artifact->plan;
    result.options = options;
    result.options.device.threads = model.device->threads();
    result.model = manifest.model;
    result.precision = manifest.precision;
    result.arch = manifest.arch;
    result.batchInvariant = manifest.batchInvariant;
    for (const PlanLaunch &launch : plan.launches)
      result.weightBytes += launch.weightBytes;
    // A step reads what is cached so far: from the prompt to one less than all.
    int64_t cachedTokens = options.promptLength + (options.newTokens - 1) / 2;
    result.cacheBytes = options.batch * cachedTokens * plan.cache.layers *
                        (plan.cache.pageBytes / plan.cache.pageTokens);
    result.prefillOperations =
        countOperations(plan, options.batch * options.promptLength, options.batch);
  }

  std::unique_ptr<Engine> engine;
  std::optional<MachineLimits> limits;
};
} // namespace

/// That both can be measured as asked, before either is loaded.
static Status checkBaseline(const BenchOptions &options, const BenchOptions &other) {
  LLMOPT_ASSIGN(Artifact artifact, Artifact::openPlan(options.artifact));
  LLMOPT_ASSIGN(Artifact baseline, Artifact::openPlan(other.artifact));
  if (artifact.manifest.target != baseline.manifest.target)
    return makeError("{} was compiled for {}, {} for {}: they do not run on one device",
                     artifact.path, artifact.manifest.target, baseline.path,
                     baseline.manifest.target);
  return check(other, baseline.manifest);
}

Result<BenchComparison> runBench(const BenchOptions &options) {
  BenchOptions other = options;
  other.artifact = options.baseline;
  if (!options.baseline.empty())
    LLMOPT_TRY(checkBaseline(options, other));
  LLMOPT_ASSIGN(Bench bench, Bench::open(options, /*beside=*/false));
  std::optional<Bench> baseline;
  if (!options.baseline.empty()) {
    LLMOPT_ASSIGN(baseline, Bench::open(other, /*beside=*/true));
  }
  Progress progress("measuring", static_cast<uint64_t>(options.repeats), Progress::Unit::Count,
                    options.device.quiet);
  for (int64_t repeat = 0; repeat < options.repeats; ++repeat) {
    LLMOPT_TRY(bench.measure(repeat));
    if (baseline)
      LLMOPT_TRY(baseline->measure(repeat));
    progress.advance(1);
  }
  BenchComparison comparison = {std::move(bench.result), std::nullopt};
  if (baseline)
    comparison.baseline = std::move(baseline->result);
  return comparison;
}

} // namespace llmopt
