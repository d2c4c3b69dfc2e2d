// A step is one parallel region: every thread of the team goes through all launches, with a barrier
// after each. Arena and argument pointers depend on the rows of the step, so they are set before.

#include "runtime/devices/cpu/CpuDevice.h"

#include "runtime/devices/cpu/CpuFeatures.h"
#include "runtime/devices/cpu/CpuLimits.h"
#include "runtime/devices/cpu/CpuModule.h"
#include "runtime/devices/cpu/CpuWeights.h"
#include "runtime/devices/cpu/LargeMemory.h"
#include "runtime/devices/cpu/ThreadTeam.h"

#include <chrono>
#include <cstring>

namespace llmopt {

namespace {

class CpuDevice : public Device {
public:
  CpuDevice(std::shared_ptr<const Artifact> artifact, CpuModule module, CpuWeights weights,
            std::unique_ptr<ThreadTeam> team)
      : Device(std::move(artifact)), module(std::move(module)), weights(std::move(weights)),
        team(std::move(team)) {}

  Status allocateScratch();
  Status allocateCache(int64_t pages) override;
  Status copyPages(const std::vector<PageCopy> &copies) override;
  Status run(const LlmoptBatch &batch) override { return run(batch, nullptr); }
  Result<std::vector<LaunchTime>> runProfiled(const LlmoptBatch &batch) override;
  Result<const float *> logits() override;
  Result<std::unique_ptr<DeviceLimits>> openLimits() override;
  int threads() const override { return team->size(); }

private:
  uint8_t *cacheLayer(int64_t layer) const {
    return cache.data() + layer * cachePages * artifact().plan.cache.pageBytes;
  }
  const uint8_t *buffer(int64_t index, const LlmoptBatch &batch) const;
  Status run(const LlmoptBatch &batch, std::vector<LaunchTime> *times);
  Status fitArenas(const LlmoptBatch &batch);
  void setArguments(const LlmoptBatch &batch);
  static void teamBarrier(void *context, int32_t thread);

  CpuModule module;
  CpuWeights weights;
  std::unique_ptr<ThreadTeam> team;
  LargeMemory scratch;
  uint64_t scratchStride = 0;
  LargeMemory cache;
  int64_t cachePages = 0;
  LargeMemory tokenArena;
  LargeMemory logitArena;
  /// Of all launches, one after the other.
  std::vector<void *> arguments;
  const float *lastLogits = nullptr;
};

} // namespace

static Result<LargeMemory> allocateProduct(int64_t a, int64_t b, const std::string &what) {
  uint64_t bytes;
  if (__builtin_mul_overflow(a, b, &bytes))
    return makeError("{} does not fit into memory", what);
  return LargeMemory::allocate(bytes, what);
}

Status CpuDevice::allocateScratch() {
  // Pages of their own keep the threads off each other's cache lines.
  scratchStride = (static_cast<uint64_t>(artifact().plan.threadScratchBytes) + 4095) / 4096 * 4096;
  LLMOPT_ASSIGN(scratch, allocateProduct(static_cast<int64_t>(scratchStride), team->size(),
                                         "the threads' scratch"));
  return success();
}

Status CpuDevice::allocateCache(int64_t pages) {
  const PlanCache &plan = artifact().plan.cache;
  cache = LargeMemory();
  LLMOPT_ASSIGN(cache, allocateProduct(plan.layers * plan.pageBytes, pages,
                                       fmt::format("a cache of {} pages", pages)));
  cachePages = pages;
  return success();
}

Status CpuDevice::copyPages(const std::vector<PageCopy> &copies) {
  const PlanCache &plan = artifact().plan.cache;
  for (const PageCopy &copy : copies)
    for (int64_t layer = 0; layer < plan.layers; ++layer)
      std::memcpy(cacheLayer(layer) + copy.to * plan.pageBytes,
                  cacheLayer(layer) + copy.from * plan.pageBytes,
                  static_cast<size_t>(plan.pageBytes));
  return success();
}

Status CpuDevice::fitArenas(const LlmoptBatch &batch) {
  const Plan &plan = artifact().plan;
  auto fit = [](LargeMemory &arena, int64_t rowBytes, int64_t rows) -> Status {
    if (arena.bytes() >= static_cast<uint64_t>(rowBytes * rows))
      return success();
    arena = LargeMemory();
    LLMOPT_ASSIGN(arena, allocateProduct(rowBytes, rows, fmt::format("a step of {} rows", rows)));
    return success();
  };
  LLMOPT_TRY(fit(tokenArena, plan.tokenRowBytes, batch.tokens));
  return fit(logitArena, plan.logitRowBytes, batch.logitRows);
}

const uint8_t *CpuDevice::buffer(int64_t index, const LlmoptBatch &batch) const {
  const PlanBuffer &buffer = artifact().plan.buffers[index];
  bool token = buffer.space == RowSpace::Token;
  return (token ? tokenArena : logitArena).data() +
         buffer.offset * (token ? batch.tokens : batch.logitRows);
}

void CpuDevice::setArguments(const LlmoptBatch &batch) {
  arguments.clear();
  for (const PlanLaunch &launch : artifact().plan.launches) {
    for (const LaunchArgument &argument : launch.arguments) {
      const uint8_t *pointer = nullptr;
      switch (argument.kind) {
      case LaunchArgument::Kind::Buffer:
        pointer = buffer(argument.index, batch);
        break;
      case LaunchArgument::Kind::Weight:
        pointer = weights.data(argument.index);
        break;
      case LaunchArgument::Kind::Cache:
        pointer = cacheLayer(argument.index);
        break;
      }
      arguments.push_back(const_cast<uint8_t *>(pointer));
    }
  }
}

void CpuDevice::teamBarrier(void *context, int32_t thread) {
  static_cast<ThreadTeam *>(context)->barrier(thread);
}

/// A launch ends for everyone when the next one begins.
Status CpuDevice::run(const LlmoptBatch &batch, std::vector<LaunchTime> *times) {
  LLMOPT_TRY(fitArenas(batch));
  setArguments(batch);
  const std::vector<PlanLaunch> &launches = artifact().plan.launches;
  const auto start = std::chrono::steady_clock::now();
  auto now = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  team->run([&](int thread) {
    LlmoptTeam view;
    view.thread = thread;
    view.threads = team->size();
    view.barrier = teamBarrier;
    view.context = team.get();
    view.scratch = scratch.data() + static_cast<uint64_t>(thread) * scratchStride;
    void *const *next = arguments.data();
    for (size_t i = 0; i < launches.size(); ++i) {
      if (i != 0)
        team->barrier(thread);
      if (times && thread == 0)
        (*times)[i].begin = now();
      module.kernel(i)(&batch, &view, next);
      next += launches[i].arguments.size();
    }
  });
  if (times)
    for (size_t i = 0; i < launches.size(); ++i)
      (*times)[i].end = i + 1 < launches.size() ? (*times)[i + 1].begin : now();
  lastLogits = reinterpret_cast<const float *>(buffer(artifact().plan.logits, batch));
  return success();
}

Result<std::vector<LaunchTime>> CpuDevice::runProfiled(const LlmoptBatch &batch) {
  std::vector<LaunchTime> times;
  for (const PlanLaunch &launch : artifact().plan.launches)
    times.push_back({times.size(), launch.kernel});
  LLMOPT_TRY(run(batch, &times));
  return times;
}

Result<const float *> CpuDevice::logits() {
  if (!lastLogits)
    return makeError("no step has run");
  return lastLogits;
}

Result<std::unique_ptr<DeviceLimits>> CpuDevice::openLimits() {
  return openCpuLimits(team->size(), artifact().manifest.precision.rfind("bf16", 0) == 0);
}

Result<std::unique_ptr<Device>> openCpuDevice(std::shared_ptr<const Artifact> artifact,
                                              const DeviceOptions &options) {
  LLMOPT_TRY(checkCpuFeatures(*artifact));
  LLMOPT_ASSIGN(CpuModule module, CpuModule::load(*artifact));
  LLMOPT_ASSIGN(CpuWeights weights, CpuWeights::load(*artifact, options));
  LLMOPT_ASSIGN(std::unique_ptr<ThreadTeam> team, ThreadTeam::create(options.threads));
  auto device = std::make_unique<CpuDevice>(std::move(artifact), std::move(module),
                                            std::move(weights), std::move(team));
  LLMOPT_TRY(device->allocateScratch());
  return std::unique_ptr<Device>(std::move(device));
}

} // namespace llmopt
