#include "runtime/devices/Device.h"

#include "runtime/devices/cpu/CpuDevice.h"

#include <fmt/ranges.h>

namespace llmopt {

namespace {
struct Target {
  const char *name;
  Result<std::unique_ptr<Device>> (*open)(std::shared_ptr<const Artifact> artifact,
                                          const DeviceOptions &options);
};
} // namespace

/// The devices of this build, by the manifest's target.
static const Target targets[] = {
    {"cpu", openCpuDevice},
};

static Error cannotSample() {
  return makeError("this device does not choose tokens; its logits are for the host");
}

Status Device::runSampled(const LlmoptBatch &, const LlmoptSampling *) { return cannotSample(); }

Status Device::runNext(const LlmoptBatch &) { return cannotSample(); }

Result<const int32_t *> Device::takeTokens() { return cannotSample(); }

Result<std::unique_ptr<Device>> openDevice(std::shared_ptr<const Artifact> artifact,
                                           const DeviceOptions &options) {
  std::vector<std::string> names;
  for (const Target &target : targets) {
    if (artifact->manifest.target == target.name)
      return target.open(std::move(artifact), options);
    names.push_back(target.name);
  }
  return makeError("{} was compiled for target '{}'; this build of the runtime has devices for: {}",
                   artifact->path, artifact->manifest.target, fmt::join(names, ", "));
}

} // namespace llmopt
