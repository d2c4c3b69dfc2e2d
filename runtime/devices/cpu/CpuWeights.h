//===- CpuWeights.h - The weights of an artifact in this machine's memory ---------------------===//
//
// All weights lie in large pages: there a step reads them up to a third faster than in the small
// pages of a mapped file. Where memory is short, those with data are used where the file is mapped,
// which the system can drop and read again.
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
  LargeMemory memory;
  std::vector<const uint8_t *> pointers;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CPU_CPUWEIGHTS_H
