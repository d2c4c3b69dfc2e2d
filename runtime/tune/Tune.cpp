#include "runtime/tune/Tune.h"

#include "runtime/devices/cuda/CardDriver.h"
#include "runtime/devices/cuda/TuningFile.h"
#include "runtime/devices/cuda_emulated/EmulatedDriver.h"
#include "runtime/tune/Search.h"
#include "runtime/tune/TuneBench.h"
#include "support/Files.h"
#include "support/Progress.h"
#include "support/ThreadPool.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <set>

namespace llmopt {

//===- What to search -------------------------------------------------------------------------===//

namespace {
/// A function, where it is launched first, with the rows that it is measured with.
struct Target {
  size_t launch = 0;
  int64_t rows = 0;
  int64_t maxRows = 0;
  const CudaGrid *grid = nullptr;
  std::string key;
};
} // namespace

static Status checkKernels(const TuneOptions &options, const Plan &plan) {
  std::set<std::string> known;
  for (const PlanLaunch &launch : plan.launches)
    known.insert(launch.kernel);
  for (const std::string &name : options.kernels)
    if (!known.count(name))
      return makeError("{} has no kernel '{}'; it has: {}", options.artifact, name,
                       fmt::join(known, ", "));
  for (int64_t rows : options.rows)
    if (rows < 1 || rows > 4096)
      return makeError("{} rows: from 1 to 4096 are possible", rows);
  return success();
}

/// The rows of a variant that are to be measured, 0 if none are: the most of those asked for.
static int64_t measuredRows(const TuneOptions &options, int64_t above, int64_t maxRows) {
  if (options.rows.empty())
    return maxRows ? maxRows : std::max(TuneOptions::manyRows, above + 1);
  int64_t most = 0;
  for (int64_t rows : options.rows)
    if (rows > above && (maxRows == 0 || rows <= maxRows))
      most = std::max(most, rows);
  return most;
}

/// In the order of rows, and for each of the plan.
static std::vector<Target> findTargets(const TuneOptions &options, const Plan &plan,
                                       const CudaPlan &functions, bool batchInvariant) {
  std::vector<Target> targets;
  std::set<std::string> keys;
  for (size_t i = 0; i < plan.launches.size(); ++i) {
    const auto &asked = options.kernels;
    if (!asked.empty() &&
        std::find(asked.begin(), asked.end(), plan.launches[i].kernel) == asked.end())
      continue;
    int64_t above = 0;
    for (const CudaRowVariant &variant : functions.launches[i]) {
      int64_t rows = measuredRows(options, above, variant.maxRows);
      above = variant.maxRows;
      for (const CudaCall &call : variant.calls) {
        const auto *grid = std::get_if<CudaGrid>(&call);
        if (rows == 0 || !grid || !grid->schedule.kind)
          continue;
        std::string key = cudaFunctionKey(grid->schedule.kind->kind, grid->schedule.shape,
                                          variant.maxRows, batchInvariant);
        if (keys.insert(key).second)
          targets.push_back({i, rows, variant.maxRows, grid, key});
      }
    }
  }
  std::stable_sort(targets.begin(), targets.end(),
                   [](const Target &a, const Target &b) { return a.rows < b.rows; });
  return targets;
}

//===- Searching ------------------------------------------------------------------------------===//

namespace {
/// Measures instances of one function.
class Measurer {
public:
  Measurer(TuneBench &bench, const Target &target, const SearchSpace &space, TunedFunction &report)
      : bench(bench), target(target), space(space), report(report) {}

  Status prepare(const std::vector<CudaParameters> &instances) {
    std::vector<CudaParameters> missing;
    for (const CudaParameters &instance : instances)
      if (!candidates.count(instance))
        missing.push_back(instance);
    if (missing.empty())
      return success();
    const std::string &kernel = bench.artifact().plan.launches[target.launch].kernel;
    LLMOPT_ASSIGN(auto compiled, bench.compile(*target.grid, kernel, missing));
    for (size_t i = 0; i < missing.size(); ++i)
      candidates[missing[i]] = std::move(compiled[i]);
    return success();
  }

  Result<std::vector<std::optional<double>>> measure(const std::vector<CudaParameters> &instances) {
    std::vector<std::optional<double>> times;
    for (const CudaParameters &instance : instances) {
      LLMOPT_ASSIGN(bool usable, check(instance));
      times.emplace_back();
      if (usable) {
        LLMOPT_ASSIGN(times.back(), bench.time(target.launch, candidates.at(instance)));
      }
    }
    return times;
  }

  /// The two in turns, so that neither has a cooler card: the best against the default.
  Status confirm(SearchResult &result) {
    std::vector<double> defaults, best;
    for (int round = 0; round < (bench.card().emulated ? 1 : 3); ++round) {
      for (bool isBest : {false, true}) {
        const CudaParameters &which = isBest ? result.best : space.start.parameters;
        LLMOPT_ASSIGN(double seconds, bench.time(target.launch, candidates.at(which)));
        (isBest ? best : defaults).push_back(seconds);
      }
    }
    std::sort(defaults.begin(), defaults.end());
    std::sort(best.begin(), best.end());
    result.startSeconds = defaults[defaults.size() / 2];
    result.seconds = best[best.size() / 2];
    if (result.seconds < result.startSeconds * (1 - leastGain))
      return success();
    result.best = space.start.parameters;
    result.seconds = result.startSeconds;
    return success();
  }

private:
  TuneBench &bench;
  const Target &target;
  const SearchSpace &space;
  TunedFunction &report;
  std::map<CudaParameters, TuneCandidate> candidates;
  std::optional<TuneBench::Results> expected;

  /// Whether an instance computes what the default does, with what a thread has.
  Result<bool> check(const CudaParameters &instance) {
    const TuneCandidate &candidate = candidates.at(instance);
    bool isDefault = instance == space.start.parameters;
    if (!candidate.kernel) {
      ++report.uncompiled;
      return false;
    }
    if (candidate.localBytes > 0 && !isDefault) {
      ++report.spilling;
      return false;
    }
    if (!expected) {
      LLMOPT_ASSIGN(expected, bench.results(target.launch, nullptr));
    }
    auto results = bench.results(target.launch, &candidate);
    // A fault of the emulated device; a card that has had one is of no more use.
    if (!results && !bench.card().emulated)
      return results.error();
    if (results && areClose(*expected, *results, keepsSums(space, instance)))
      return true;
    ++report.wrong;
    return false;
  }
};
} // namespace

static Result<TunedFunction> tuneFunction(TuneBench &bench, const Target &target,
                                          const std::function<bool()> &expired) {
  TunedFunction report;
  report.function = target.grid->function;
  report.key = target.key;
  report.rows = target.rows;
  report.defaults = target.grid->schedule.parameters;
  SearchSpace space = {target.grid->schedule, target.maxRows,
                       bench.artifact().manifest.batchInvariant, bench.card().sharedBytes};
  Measurer measurer(bench, target, space, report);
  auto found = search(
      space, [&](const auto &instances) { return measurer.prepare(instances); },
      [&](const auto &instances) { return measurer.measure(instances); }, expired);
  if (!found)
    return found.error().within(report.function);
  if (found->best != report.defaults)
    LLMOPT_TRY(measurer.confirm(*found));
  report.best = found->best;
  report.seconds = found->seconds;
  report.defaultSeconds = found->startSeconds;
  report.tried = found->tried;
  return report;
}

Result<TuneReport> tune(std::shared_ptr<const Artifact> artifact,
                        std::unique_ptr<CudaDriver> driver, const TuneOptions &options) {
  LLMOPT_TRY(checkKernels(options, artifact->plan));
  LLMOPT_ASSIGN(auto bench, TuneBench::open(artifact, std::move(driver), options.device));
  const Manifest &manifest = artifact->manifest;
  TuneReport report;
  report.model = manifest.model;
  report.precision = manifest.precision;
  report.arch = bench->arch();
  report.card = bench->card().name;
  report.emulated = bench->card().emulated;
  std::vector<Target> targets =
      findTargets(options, artifact->plan, bench->plan(), manifest.batchInvariant);
  if (targets.empty())
    return makeError("{} has no function to tune for these rows and kernels", artifact->path);

  using Clock = std::chrono::steady_clock;
  Clock::time_point start = Clock::now();
  auto expired = [&] {
    return options.budget > 0 &&
           std::chrono::duration<double>(Clock::now() - start).count() > options.budget;
  };
  Progress progress("tuning", targets.size(), Progress::Unit::Count, options.device.quiet);
  int64_t rows = 0;
  for (const Target &target : targets) {
    if (expired()) {
      report.complete = false;
      break;
    }
    if (target.rows != rows)
      LLMOPT_TRY(bench->begin(target.rows));
    rows = target.rows;
    LLMOPT_TRY(bench->advance(target.launch));
    LLMOPT_ASSIGN(TunedFunction function, tuneFunction(*bench, target, expired));
    report.functions.push_back(std::move(function));
    progress.advance(1);
  }
  report.complete = report.complete && !expired();
  return report;
}

//===- The file -------------------------------------------------------------------------------===//

CudaTuning TuneReport::tuning() const {
  CudaTuning tuning;
  tuning.card = card;
  tuning.arch = arch;
  for (const TunedFunction &function : functions)
    tuning.functions[function.key] = {function.best, function.seconds * 1e6,
                                      function.defaultSeconds * 1e6};
  return tuning;
}

/// With what a file of the same card has of other functions.
static Status writeTuning(const TuneReport &report) {
  CudaTuning tuning = report.tuning();
  std::error_code code;
  std::filesystem::path path = report.output;
  if (std::filesystem::is_regular_file(path, code)) {
    LLMOPT_ASSIGN(CudaTuning before, CudaTuning::read(report.output));
    if (before.card != tuning.card || before.arch != tuning.arch)
      return makeError("{} is for the {}, {}, and what was found for the {}, {}", report.output,
                       shortened(before.card), shortened(before.arch), tuning.card, tuning.arch);
    tuning.functions.merge(before.functions);
  }
  if (path.has_parent_path())
    std::filesystem::create_directories(path.parent_path(), code);
  return writeFile(report.output, tuning.toText());
}

static Result<std::unique_ptr<CudaDriver>> openDriver(const Artifact &artifact,
                                                      const DeviceOptions &options) {
  if (artifact.manifest.target != "cuda")
    return makeError("{} was compiled for target '{}', which has nothing to tune", artifact.path,
                     artifact.manifest.target);
  if (options.device == "cpu")
    return makeError("{} does not run on device 'cpu'", artifact.path);
  if (options.device != "cuda-emulated")
    return openCardDriver(options.threads);
  LLMOPT_ASSIGN(auto emulator, emulated::EmulatorOptions::fromEnvironment());
  return openEmulatedDriver(artifact.manifest.arch, emulator);
}

Result<TuneReport> runTune(const TuneOptions &given) {
  TuneOptions options = given;
  LLMOPT_ASSIGN(options.device.threads, resolveThreads(options.device.threads));
  LLMOPT_ASSIGN(Artifact opened, Artifact::open(options.artifact, options.device.threads));
  auto artifact = std::make_shared<const Artifact>(std::move(opened));
  LLMOPT_ASSIGN(auto driver, openDriver(*artifact, options.device));
  if (options.output.empty()) {
    LLMOPT_ASSIGN(std::string arch, cudaArchitecture(*artifact, driver->card()));
    options.output = tuningPath(driver->card(), arch);
  }
  if (options.output.empty())
    return makeError("-o is missing: there is no cache folder, as HOME is not set");
  LLMOPT_ASSIGN(TuneReport report, tune(artifact, std::move(driver), options));
  report.output = options.output;
  LLMOPT_TRY(writeTuning(report));
  return report;
}

} // namespace llmopt
