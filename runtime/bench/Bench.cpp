#include "runtime/bench/Bench.h"

#include "runtime/bench/BenchRun.h"
#include "runtime/engine/Model.h"
#include "support/Progress.h"
#include "support/RandomWeights.h"

#include <algorithm>
#include <chrono>
#include <optional>

namespace llmopt {

double Samples::median() const {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  size_t half = sorted.size() / 2;
  return sorted.size() % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

double Samples::least() const { return *std::min_element(values.begin(), values.end()); }

double Samples::most() const { return *std::max_element(values.begin(), values.end()); }

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
    LLMOPT_TRY(checkBench(options, model.artifact->manifest));
    Bench bench;
    bench.describe(options, model);
    LLMOPT_ASSIGN(bench.limits, model.device->openLimits());
    EngineOptions engineOptions = benchEngine(options, *model.artifact);
    LLMOPT_ASSIGN(bench.engine, Engine::create(std::move(model.device), engineOptions));
    LLMOPT_TRY(fillContext(*bench.engine, options));
    // The first run warms up and does not count; the model's own memory is known after it.
    LLMOPT_TRY(runOnce(*bench.engine, options, UINT32_MAX / 2));
    const Device &device = bench.engine->model();
    // That of the process has the other artifact in it.
    if (!beside || device.memoryBytes() > 0)
      bench.result.peakMemory = memoryUsed(device);
    if (bench.limits)
      bench.result.arithmetic = bench.limits->arithmetic();
    return bench;
  }

  Status measure(int64_t repeat) {
    const BenchOptions &options = result.options;
    double bandwidth = 0, peak = 0;
    if (limits) {
      LLMOPT_ASSIGN(bandwidth, limits->readBandwidth());
      LLMOPT_ASSIGN(peak, limits->arithmeticPeak());
    }
    LLMOPT_ASSIGN(RunTimes times, runOnce(*engine, options, static_cast<uint32_t>(repeat)));
    result.prefill.values.push_back(options.batch * options.promptLength / times.prefillSeconds);
    result.decode.values.push_back(times.decodeTokens / times.decodeSeconds);
    double stepBytes = static_cast<double>(result.weightBytes + result.cacheBytes);
    result.decodeBandwidth.values.push_back(stepBytes * times.decodeSteps / times.decodeSeconds);
    result.prefillArithmetic.values.push_back(result.prefillOperations / times.prefillSeconds);
    if (!limits)
      return success();
    // What the memory gives may change within seconds where others share it.
    LLMOPT_ASSIGN(double after, limits->readBandwidth());
    bandwidth = std::max(bandwidth, after);
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
    int64_t cachedTokens = options.context + options.promptLength + (options.newTokens - 1) / 2;
    result.cacheBytes = options.batch * cachedTokens * plan.cache.layers *
                        (plan.cache.pageBytes / plan.cache.pageTokens);
    result.prefillOperations =
        countOperations(plan, options.batch * options.promptLength, options.batch);
  }

  std::unique_ptr<Engine> engine;
  std::unique_ptr<DeviceLimits> limits; ///< null: not known
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
  return checkBench(other, baseline.manifest);
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
