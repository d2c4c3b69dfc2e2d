#include "runtime/bench/Profile.h"

#include "runtime/bench/BenchRun.h"
#include "runtime/engine/Engine.h"
#include "runtime/engine/Model.h"
#include "support/Progress.h"

#include <algorithm>
#include <map>

namespace llmopt {

namespace {

/// A step as it was measured.
struct MeasuredStep {
  int64_t rows = 0, logitRows = 0;
  bool decodes = false;
  int64_t cachedTokens = 0; ///< of all sequences, this step's included
  std::vector<LaunchTime> launches;
};

/// Runs every step of another device so that it is measured, or as usual.
class ProfilingDevice final : public Device {
public:
  ProfilingDevice(std::shared_ptr<const Artifact> artifact, std::unique_ptr<Device> device)
      : Device(std::move(artifact)), device(std::move(device)) {}

  Status allocateCache(int64_t pages) override { return device->allocateCache(pages); }
  Status copyPages(const std::vector<PageCopy> &copies) override {
    return device->copyPages(copies);
  }
  Result<std::vector<LaunchTime>> runProfiled(const LlmoptBatch &batch) override {
    return device->runProfiled(batch);
  }
  Status run(const LlmoptBatch &batch) override {
    if (!measuring)
      return device->run(batch);
    MeasuredStep step;
    step.rows = batch.tokens;
    step.logitRows = batch.logitRows;
    step.decodes = batch.tokens == batch.sequences;
    for (int32_t i = 0; i < batch.sequences; ++i)
      step.cachedTokens += batch.positions[batch.firstRow[i + 1] - 1] + 1;
    LLMOPT_ASSIGN(step.launches, device->runProfiled(batch));
    steps.push_back(std::move(step));
    return success();
  }
  Result<const float *> logits() override { return device->logits(); }
  bool samples() const override { return !measuring && device->samples(); }
  Status runSampled(const LlmoptBatch &batch, const LlmoptSampling *rows) override {
    return device->runSampled(batch, rows);
  }
  Status runNext(const LlmoptBatch &batch) override { return device->runNext(batch); }
  Result<const int32_t *> takeTokens() override { return device->takeTokens(); }
  Result<std::unique_ptr<DeviceLimits>> openLimits() override { return device->openLimits(); }
  uint64_t memoryBytes() const override { return device->memoryBytes(); }
  int threads() const override { return device->threads(); }

  std::vector<MeasuredStep> steps;
  bool measuring = true;

private:
  std::unique_ptr<Device> device;
};

/// Adds up the launches of a function in a step, and over steps.
struct FunctionTimes {
  size_t launch = 0; ///< the first one
  int64_t launches = 0;
  double bytes = 0, operations = 0;
  Samples seconds, gap;
};

} // namespace

static double medianOf(std::vector<double> values) { return Samples{std::move(values)}.median(); }

/// The steps are alike.
static StepProfile summarize(const std::string &kind, const std::vector<MeasuredStep> &steps,
                             const Plan &plan) {
  StepProfile profile;
  profile.kind = kind;
  profile.steps = static_cast<int64_t>(steps.size());
  profile.rows = steps.front().rows;
  std::map<std::string, FunctionTimes> functions;
  std::vector<double> whole, between;
  for (const MeasuredStep &step : steps) {
    std::map<std::string, double> seconds, gaps;
    double inside = 0, end = step.launches.front().begin;
    for (const LaunchTime &time : step.launches) {
      const PlanLaunch &launch = plan.launches[time.launch];
      auto [found, isNew] = functions.try_emplace(time.function);
      FunctionTimes &function = found->second;
      if (isNew)
        function.launch = time.launch;
      seconds[time.function] += time.end - time.begin;
      gaps[time.function] += time.begin - end;
      end = time.end;
      inside += time.end - time.begin;
      ++function.launches;
      // Of a launch of several functions the last is its product; the others make its input.
      bool last = &time == &step.launches.back() || (&time)[1].launch != time.launch;
      if (!last)
        continue;
      function.bytes += static_cast<double>(launch.weightBytes);
      if (launch.readsCache)
        function.bytes += static_cast<double>(step.cachedTokens) *
                          static_cast<double>(plan.cache.pageBytes) /
                          static_cast<double>(plan.cache.pageTokens);
      function.operations +=
          static_cast<double>(launch.flopsPerRow) *
          static_cast<double>(launch.space == RowSpace::Token ? step.rows : step.logitRows);
    }
    for (const auto &[name, total] : seconds)
      functions.at(name).seconds.values.push_back(total);
    for (const auto &[name, total] : gaps)
      functions.at(name).gap.values.push_back(total);
    whole.push_back(step.launches.back().end - step.launches.front().begin);
    between.push_back(whole.back() - inside);
  }
  profile.seconds = medianOf(whole);
  profile.between = medianOf(between);
  for (const auto &[name, function] : functions) {
    auto count = static_cast<int64_t>(function.seconds.values.size());
    profile.kernels.push_back({name, plan.launches[function.launch].from, function.launches / count,
                               function.seconds.median(), function.gap.median(),
                               function.bytes / static_cast<double>(count),
                               function.operations / static_cast<double>(count)});
  }
  std::stable_sort(profile.kernels.begin(), profile.kernels.end(),
                   [](auto &a, auto &b) { return a.seconds > b.seconds; });
  profile.last = steps.back().launches;
  return profile;
}

/// Seconds of a decode step that is run as usual, from a run of all.
static Result<double> decodeAsUsual(ProfilingDevice &device, Engine &engine,
                                    const BenchOptions &options, uint32_t seed) {
  device.measuring = false;
  auto times = runOnce(engine, options, seed);
  device.measuring = true;
  if (!times)
    return times.error();
  return times->decodeSeconds / static_cast<double>(times->decodeSteps);
}

Result<Profile> runProfile(const BenchOptions &asked) {
  if (asked.device.launch == "persistent")
    return makeError("a profile times the kernels of a step one by one, and a persistent step is "
                     "one kernel; take --launch graph");
  BenchOptions options = asked;
  LLMOPT_ASSIGN(const Artifact kind, Artifact::openPlan(options.artifact));
  if (kind.manifest.target == "cuda")
    options.device.launch = "graph";
  LLMOPT_ASSIGN(Model model, Model::open(options.artifact, options.device));
  const Artifact &artifact = *model.artifact;
  LLMOPT_TRY(checkBench(options, artifact.manifest));
  Profile profile;
  profile.options = options;
  profile.options.device.threads = model.device->threads();
  profile.model = artifact.manifest.model;
  profile.precision = artifact.manifest.precision;
  profile.arch = artifact.manifest.arch;
  profile.launches = artifact.plan.launches;

  LLMOPT_ASSIGN(std::unique_ptr<DeviceLimits> limits, model.device->openLimits());
  auto wrapped = std::make_unique<ProfilingDevice>(model.artifact, std::move(model.device));
  ProfilingDevice &device = *wrapped;
  LLMOPT_ASSIGN(auto engine, Engine::create(std::move(wrapped), benchEngine(options, artifact)));
  Progress progress("measuring", static_cast<uint64_t>(options.repeats) + 1, Progress::Unit::Count,
                    options.device.quiet);
  std::map<bool, std::vector<MeasuredStep>> kinds; // by whether they decode
  Samples asUsual;
  LLMOPT_TRY(fillContext(*engine, options));
  for (int64_t repeat = 0; repeat <= options.repeats; ++repeat) {
    device.steps.clear();
    if (limits && repeat > 0) {
      LLMOPT_ASSIGN(double bandwidth, limits->readBandwidth());
      LLMOPT_ASSIGN(double peak, limits->arithmeticPeak());
      profile.readBandwidth = std::max(profile.readBandwidth, bandwidth);
      profile.arithmeticPeak = std::max(profile.arithmeticPeak, peak);
    }
    LLMOPT_TRY(runOnce(*engine, options, static_cast<uint32_t>(repeat)));
    LLMOPT_ASSIGN(double usual,
                  decodeAsUsual(device, *engine, options, static_cast<uint32_t>(repeat)));
    progress.advance(1);
    if (repeat == 0) // warms up
      continue;
    asUsual.values.push_back(usual);
    for (MeasuredStep &step : device.steps) {
      // A prompt of one token is a decode to the kernels.
      std::vector<MeasuredStep> &kind = kinds[step.decodes];
      if (kind.empty() || kind.front().rows == step.rows)
        kind.push_back(std::move(step));
    }
  }
  for (bool decodes : {false, true})
    if (!kinds[decodes].empty())
      profile.steps.push_back(
          summarize(decodes ? "decode" : "prefill", kinds[decodes], artifact.plan));
  if (!profile.steps.empty() && profile.steps.back().kind == "decode")
    profile.steps.back().asUsual = asUsual.median();
  return profile;
}

//===- Reports --------------------------------------------------------------------------------===//

OrderedJson Profile::toJson() const {
  OrderedJson json;
  json["model"] = model;
  json["precision"] = precision;
  json["arch"] = arch;
  json["threads"] = options.device.threads;
  json["batch"] = options.batch;
  json["context"] = options.context;
  json["prompt_length"] = options.promptLength;
  json["new_tokens"] = options.newTokens;
  json["repeats"] = options.repeats;
  if (readBandwidth > 0) {
    json["read_bandwidth_bytes_per_second"] = readBandwidth;
    json["arithmetic_peak_flops"] = arithmeticPeak;
  }
  for (const StepProfile &step : steps) {
    OrderedJson &of = json[step.kind];
    of["steps"] = step.steps;
    of["rows"] = step.rows;
    of["seconds"] = step.seconds;
    of["between_launches_seconds"] = step.between;
    if (step.asUsual > 0)
      of["seconds_as_usual"] = step.asUsual;
    of["kernels"] = OrderedJson::array();
    for (const KernelProfile &kernel : step.kernels) {
      OrderedJson row;
      row["function"] = kernel.function;
      row["from"] = kernel.from;
      row["launches"] = kernel.launches;
      row["seconds"] = kernel.seconds;
      row["gap_before_seconds"] = kernel.gap;
      row["bytes"] = kernel.bytes;
      row["operations"] = kernel.operations;
      if (readBandwidth > 0) {
        row["read_bandwidth_share"] = kernel.bytes / kernel.seconds / readBandwidth;
        row["arithmetic_share"] = kernel.operations / kernel.seconds / arithmeticPeak;
      }
      of["kernels"].push_back(std::move(row));
    }
  }
  return json;
}

/// "12.3" or nothing.
static std::string orNothing(double value) {
  return value > 0 ? fmt::format("{:.1f}", value) : std::string();
}

static std::string percent(double share) {
  return share > 0 ? fmt::format("{:.1f} %", 100 * share) : std::string();
}

std::string Profile::toText() const {
  std::string text = fmt::format("{}, {}, compiled for {}\n", model, precision, arch);
  text += fmt::format("{} threads, batch {}, prompts of {} tokens{}, {} new tokens, {} repeats\n",
                      options.device.threads, options.batch, options.promptLength,
                      options.context ? fmt::format(" behind {}", options.context) : std::string(),
                      options.newTokens, options.repeats);
  bool known = readBandwidth > 0;
  if (known)
    text += fmt::format("read bandwidth {:.1f} GB/s, arithmetic peak {:.1f} GFLOP/s\n",
                        readBandwidth / 1e9, arithmeticPeak / 1e9);
  size_t width = 16;
  for (const StepProfile &step : steps)
    for (const KernelProfile &kernel : step.kernels)
      width = std::max(width, kernel.function.size() + 2);
  for (const StepProfile &step : steps) {
    text += fmt::format("\n{}: a step of {} row{} takes {:.3f} ms, {:.1f} % of it between launches "
                        "(median of {})\n\n",
                        step.kind, step.rows, step.rows == 1 ? "" : "s", step.seconds * 1e3,
                        100 * step.between / step.seconds, step.steps);
    if (step.asUsual > 0)
      text.insert(
          text.size() - 1,
          fmt::format("The kernels alone take {:.3f} ms, a step that is not measured {:.3f} ms.\n",
                      (step.seconds - step.between) * 1e3, step.asUsual * 1e3));
    text += fmt::format("{:<{}}{:>9}{:>10}{:>12}{:>9}{:>8}{:>9}{:>10}{:>11}{:>10}\n", "kernel",
                        width, "launches", "us each", "us in all", "of step", "gap us", "GB/s",
                        known ? "of limit" : "", "GFLOP/s", known ? "of limit" : "");
    for (const KernelProfile &kernel : step.kernels) {
      double bandwidth = kernel.bytes / kernel.seconds;
      double arithmetic = kernel.operations / kernel.seconds;
      text += fmt::format(
          "{:<{}}{:>9}{:>10.1f}{:>12.1f}{:>9}{:>8.1f}{:>9}{:>10}{:>11}{:>10}\n", kernel.function,
          width, kernel.launches, kernel.seconds / static_cast<double>(kernel.launches) * 1e6,
          kernel.seconds * 1e6, percent(kernel.seconds / step.seconds), kernel.gap * 1e6,
          orNothing(bandwidth / 1e9), known ? percent(bandwidth / readBandwidth) : "",
          orNothing(arithmetic / 1e9), known ? percent(arithmetic / arithmeticPeak) : "");
    }
  }
  text +=
      "\nBytes are of weights and of the key-value cache, operations of linears. A gap is the time "
      "from the end\nof the launch before, in all launches.\n";
  return text;
}

std::string Profile::toTrace() const {
  OrderedJson events = OrderedJson::array();
  int process = 0;
  for (const StepProfile &step : steps) {
    ++process;
    events.push_back({{"name", "process_name"},
                      {"ph", "M"},
                      {"pid", process},
                      {"args", {{"name", fmt::format("{}, {} rows", step.kind, step.rows)}}}});
    for (int track : {1, 2})
      events.push_back({{"name", "thread_name"},
                        {"ph", "M"},
                        {"pid", process},
                        {"tid", track},
                        {"args", {{"name", track == 1 ? "kernels" : "gaps"}}}});
    double end = step.last.front().begin;
    for (const LaunchTime &time : step.last) {
      const PlanLaunch &launch = launches[time.launch];
      if (time.begin > end)
        events.push_back({{"name", "gap"},
                          {"cat", "gap"},
                          {"ph", "X"},
                          {"ts", end * 1e6},
                          {"dur", (time.begin - end) * 1e6},
                          {"pid", process},
                          {"tid", 2},
                          {"args", {{"before", time.function}}}});
      end = time.end;
      events.push_back({{"name", time.function},
                        {"cat", step.kind},
                        {"ph", "X"},
                        {"ts", time.begin * 1e6},
                        {"dur", (time.end - time.begin) * 1e6},
                        {"pid", process},
                        {"tid", 1},
                        {"args",
                         {{"launch", time.launch},
                          {"kernel", launch.kernel},
                          {"from", launch.from},
                          {"weight_bytes", launch.weightBytes}}}});
    }
  }
  OrderedJson json;
  json["traceEvents"] = std::move(events);
  json["displayTimeUnit"] = "ns";
  return json.dump() + "\n";
}

} // namespace llmopt
