#include "runtime/devices/Device.h"

#include "runtime/devices/cpu/CpuDevice.h"
#include "runtime/devices/cuda/CardDriver.h"
#include "runtime/devices/cuda/CudaDevice.h"
#include "runtime/devices/cuda_emulated/EmulatedDriver.h"

#include <fmt/ranges.h>

namespace llmopt {

static Error cannotSample() {
  return makeError("this device does not choose tokens; its logits are for the host");
}

Result<std::unique_ptr<DeviceLimits>> Device::openLimits() {
  return std::unique_ptr<DeviceLimits>();
}

Result<std::vector<LaunchTime>> Device::runProfiled(const LlmoptBatch &) {
  return makeError("the device does not measure launches");
}

Status Device::runSampled(const LlmoptBatch &, const LlmoptSampling *) { return cannotSample(); }

Status Device::runNext(const LlmoptBatch &) { return cannotSample(); }

Result<const int32_t *> Device::takeTokens() { return cannotSample(); }

static Result<std::unique_ptr<Device>> openCard(std::shared_ptr<const Artifact> artifact,
                                                const DeviceOptions &options) {
  LLMOPT_ASSIGN(std::unique_ptr<CudaDriver> driver, openCardDriver(options.threads));
  return openCudaDevice(std::move(artifact), std::move(driver), options);
}

static Result<std::unique_ptr<Device>> openEmulated(std::shared_ptr<const Artifact> artifact,
                                                    const DeviceOptions &options) {
  LLMOPT_ASSIGN(auto emulator, emulated::EmulatorOptions::fromEnvironment());
  LLMOPT_ASSIGN(std::unique_ptr<CudaDriver> driver,
                openEmulatedDriver(artifact->manifest.arch, emulator));
  return openCudaDevice(std::move(artifact), std::move(driver), options);
}

namespace {
struct Known {
  const char *name;
  const char *target; ///< of the artifacts that it runs
  Result<std::unique_ptr<Device>> (*open)(std::shared_ptr<const Artifact> artifact,
                                          const DeviceOptions &options);
};
} // namespace

/// The first of a target is what its artifacts run on unless another is asked for.
static const Known devices[] = {
    {"cpu", "cpu", openCpuDevice},
    {"cuda", "cuda", openCard},
    {"cuda-emulated", "cuda", openEmulated},
};

Result<std::unique_ptr<Device>> openDevice(std::shared_ptr<const Artifact> artifact,
                                           const DeviceOptions &options) {
  const std::string &target = artifact->manifest.target;
  std::vector<std::string> all, fitting;
  const Known *chosen = nullptr;
  for (const Known &device : devices) {
    all.push_back(device.name);
    if (target == device.target)
      fitting.push_back(device.name);
    if (!chosen &&
        (options.device.empty() ? target == device.target : options.device == device.name))
      chosen = &device;
  }
  if (fitting.empty())
    return makeError("{} was compiled for target '{}'; this build of the runtime has devices for: "
                     "cpu, cuda",
                     artifact->path, target);
  if (!chosen)
    return makeError("there is no device '{}'; there are: {}", options.device,
                     fmt::join(all, ", "));
  if (chosen->target != target)
    return makeError("{} was compiled for target '{}' and does not run on device '{}', but on: {}",
                     artifact->path, target, chosen->name, fmt::join(fitting, ", "));
  if (target != "cuda" && !options.tuning.empty() && options.tuning != "none")
    return makeError("{}: device '{}' has no schedules that a tuning file could be for",
                     options.tuning, chosen->name);
  if (target != "cuda" && !options.launch.empty())
    return makeError(
        "--launch {}: device '{}' runs its kernels one after the other; it is GPUs that "
        "run a step as a graph or as one persistent kernel",
        options.launch, chosen->name);
  return chosen->open(std::move(artifact), options);
}

} // namespace llmopt
