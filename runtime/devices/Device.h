//===- Device.h - Where the plan of an artifact runs ------------------------------------------===//
//
// A device holds one artifact's code, weights, arena and the pages of its key-value cache, and runs
// steps. All that crosses this interface is in host memory: the batch in, the logits out. Which
// sequence owns which page is not its concern (KvCache), nor is what to run next (Scheduler).
//
// A device that chooses tokens itself (samples()) can be asked for the next decode step before the
// tokens of the last one are known to the host: runSampled() once, then runNext() for each step
// after it, and takeTokens() one step behind.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_DEVICE_H
#define LLMOPT_RUNTIME_DEVICES_DEVICE_H

#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/KernelAbi.h"
#include "runtime/devices/DeviceLimits.h"
#include "support/Error.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace llmopt {

struct DeviceOptions {
  /// "cpu", "cuda" or "cuda-emulated"; empty: what the artifact was compiled for.
  std::string device;
  /// Host threads for loading and, on the CPU, for the steps.
  int threads = 1;
  /// Rows of the largest step that is expected; memory for it is taken when the device is opened.
  int64_t stepRows = 512;
  /// A file of schedules that llmopt-tune found, or "none"; empty: that of the card at hand, if
  /// there is one. Of the devices of target "cuda".
  std::string tuning;
  /// No progress on standard error.
  bool quiet = false;
  /// CUDA: "graph" or "persistent", how decode steps run; empty: as the artifact was compiled for.
  std::string launch;
};

/// Page `from` of every layer is copied over page `to`.
struct PageCopy {
  int32_t from = 0;
  int32_t to = 0;
};

/// When a launch ran, in seconds since its step began.
struct LaunchTime {
  size_t launch = 0;    ///< of Plan::launches
  std::string function; ///< what ran of it; a launch may be several functions, one after the other
  double begin = 0;
  double end = 0;
};

class Device {
public:
  virtual ~Device() = default;

  /// Makes `pages` zeroed pages per layer, in place of those there were.
  virtual Status allocateCache(int64_t pages) = 0;
  virtual Status copyPages(const std::vector<PageCopy> &copies) = 0;

  /// Runs one step. The batch's arrays may go when it returns.
  virtual Status run(const LlmoptBatch &batch) = 0;

  /// As run(), and tells when each launch ran, in order. They run one after the other, also where
  /// run() lets one begin before the one ahead has ended.
  virtual Result<std::vector<LaunchTime>> runProfiled(const LlmoptBatch &batch);

  /// [M, vocabulary] float32 of the last step, valid until the next.
  virtual Result<const float *> logits() = 0;

  /// Whether the device can choose tokens itself; if not, the three functions below are Errors.
  virtual bool samples() const { return false; }

  /// Queues a step and the choice of its M tokens; rows[i] says how row i of the logits is chosen
  /// from. Neither the batch's arrays nor `rows` are needed when it returns.
  virtual Status runSampled(const LlmoptBatch &batch, const LlmoptSampling *rows);

  /// Queues the step that follows the last queued one, a decode step of the same N = M = S
  /// sequences: the token of each row is the one chosen, its position the next, and the choice goes
  /// on as runSampled() said. Only the page table of `batch` is read.
  virtual Status runNext(const LlmoptBatch &batch);

  /// The M tokens of the oldest sampled step that was not taken yet, after waiting for that step
  /// alone; -1 where no logit is finite or one is not a number. Valid until the next take.
  virtual Result<const int32_t *> takeTokens();

  /// Bytes that are taken of the device's own memory; 0 if it works in the memory of the process.
  virtual uint64_t memoryBytes() const { return 0; }

  /// What can be measured of the device's limits, for as long as it lives; null where that tells
  /// nothing, as of an emulated one. Memory is taken while they are measured.
  virtual Result<std::unique_ptr<DeviceLimits>> openLimits();

  /// Host threads that a step uses.
  virtual int threads() const = 0;

  const Artifact &artifact() const { return *opened; }

protected:
  explicit Device(std::shared_ptr<const Artifact> artifact) : opened(std::move(artifact)) {}

private:
  std::shared_ptr<const Artifact> opened;
};

/// Loads an artifact on the device of its target.
Result<std::unique_ptr<Device>> openDevice(std::shared_ptr<const Artifact> artifact,
                                           const DeviceOptions &options);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_DEVICE_H
