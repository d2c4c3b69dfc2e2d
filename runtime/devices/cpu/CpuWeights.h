//===- CpuWeights.h - The weights of an artifact in this machine's memory ---------------------===//
//
// Weights with data are used where they lie in the mapped file: reading them there is as fast as
// from memory of our own, and takes no second copy. Random weights are made in large pages.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CPU_CPUWEIGHTS_H
#define LLMOPT_RUNTIME_DEVICES_CPU_CPUWEIGHTS_H

#include "runtime/devices/Device.h"
#include "runtime/devices/cpu/LargeMemory.h"

namespace llmopt {

class CpuWeights {
public:
  static Result<CpuWeights> load(const Artifact &artifact, const DeviceOptions &options);

  /// The first byte of Plan::weights[index], 4 KiB aligned. The artifact must live on.
  const uint8_t *data(int64_t index) const { return pointers[index]; }

private:
  LargeMemory random;
  std::vector<const uint8_t *> pointers;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CPU_CPUWEIGHTS_H
