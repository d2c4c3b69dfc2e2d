#include "runtime/engine/MemoryPlan.h"

#include "runtime/devices/cuda/CardDriver.h"
#include "runtime/devices/cuda/CudaMemory.h"
#include "runtime/engine/Scheduler.h"
#include "support/ThreadPool.h"

#include <algorithm>
#include <fstream>

namespace llmopt {

//===- Places ---------------------------------------------------------------------------------===//

MemoryPlace placeOf(uint64_t bytes, const std::string &target) {
  uint64_t taken = target == "cuda" ? CudaMemory::driverBytes : 0;
  return {formatBytes(bytes), bytes - std::min(bytes, taken)};
}

std::vector<MemoryPlace> usualCards() {
  // Total memory in MiB, as nvidia-smi shows it.
  static const std::pair<const char *, uint64_t> cards[] = {{"24 GB (L4, RTX 4090)", 23034},
                                                            {"40 GB (A100)", 40536},
                                                            {"48 GB (L40S)", 46068},
                                                            {"80 GB (A100, H100)", 81559},
                                                            {"141 GB (H200)", 143771}};
  std::vector<MemoryPlace> places;
  for (const auto &[name, mebibytes] : cards)
    places.push_back({name, placeOf(mebibytes << 20, "cuda").freeBytes});
  return places;
}

/// MemAvailable: what can be taken without swapping.
static Result<MemoryPlace> machineMemory() {
  static const char path[] = "/proc/meminfo";
  std::ifstream lines(path);
  uint64_t kibibytes = 0;
  for (std::string name; lines >> name; lines.ignore(INT32_MAX, '\n'))
    if (name == "MemAvailable:" && lines >> kibibytes)
      return MemoryPlace{"this machine", kibibytes << 10};
  return makeError("{} does not say how much memory is available", path);
}

Result<MemoryPlace> freeMemory(const std::string &device) {
  if (device != "cuda")
    return machineMemory();
  LLMOPT_ASSIGN(std::unique_ptr<CudaDriver> driver, openCardDriver(availableThreads()));
  LLMOPT_ASSIGN(uint64_t bytes, driver->freeBytes());
  return MemoryPlace{driver->card().name, bytes};
}

//===- The plan -------------------------------------------------------------------------------===//

MemoryPlan::MemoryPlan(const Manifest &manifest, const Plan &plan,
                       const std::vector<MemoryPlace> &places)
    : model(manifest.model), precision(manifest.precision), target(manifest.target),
      arch(manifest.arch), contextLength(manifest.contextLength) {
  CudaMemory memory(plan, contextLength);
  StepSize step;
  step.rows = stepRows = std::min(SchedulerOptions().stepTokens, contextLength);
  weightBytes = memory.weightBytes();
  cacheBytesPerToken = memory.pageBytes() / static_cast<uint64_t>(memory.pageTokens());
  cacheBytes = memory.cacheBytes(contextLength);
  // A CPU's threads have scratch memory of their own.
  uint64_t scratch = static_cast<uint64_t>(plan.threadScratchBytes) * availableThreads();
  workspaceBytes = memory.workspaceBytes(step) + scratch;
  for (const MemoryPlace &place : places)
    fits.push_back(
        {place, memory.longestContext(place.freeBytes - std::min(place.freeBytes, scratch), step)});
}

OrderedJson MemoryPlan::toJson() const {
  OrderedJson json;
  json["model"] = model;
  json["precision"] = precision;
  json["target"] = target;
  json["arch"] = arch;
  json["context_length"] = contextLength;
  json["weight_bytes"] = weightBytes;
  json["cache_bytes_per_token"] = cacheBytesPerToken;
  json["cache_bytes"] = cacheBytes;
  json["step_rows"] = stepRows;
  json["workspace_bytes"] = workspaceBytes;
  json["memory"] = OrderedJson::array();
  for (const Fit &fit : fits)
    json["memory"].push_back({{"name", fit.place.name},
                              {"free_bytes", fit.place.freeBytes},
                              {"longest_context", fit.longestContext}});
  return json;
}

std::string MemoryPlan::toText() const {
  std::string text = fmt::format("{}, {}, compiled for {} {}\n\n", model, precision, target, arch);
  auto row = [&](const std::string &name, uint64_t bytes) {
    text += fmt::format("{:<40}{:>16}\n", name, bytes);
  };
  text += fmt::format("{:<40}{:>16}\n", "", "bytes");
  row("weights", weightBytes);
  row(fmt::format("workspace of a step of {} tokens", stepRows), workspaceBytes);
  row("key-value cache of a token", cacheBytesPerToken);
  row(fmt::format("key-value cache of {} tokens", contextLength), cacheBytes);
  text += fmt::format("\n{:<40}{:>16}{:>24}\n", "memory", "free bytes", "longest context");
  for (const Fit &fit : fits) {
    std::string context = fit.longestContext == 0 ? "does not fit"
                          : fit.longestContext == contextLength
                              ? fmt::format("{} (all of it)", contextLength)
                              : std::to_string(fit.longestContext);
    text += fmt::format("{:<40}{:>16}{:>24}\n", fit.place.name, fit.place.freeBytes, context);
  }
  return text;
}

} // namespace llmopt
