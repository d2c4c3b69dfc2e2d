//===- CpuDevice.h - Steps on the threads of this machine -------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CPU_CPUDEVICE_H
#define LLMOPT_RUNTIME_DEVICES_CPU_CPUDEVICE_H

#include "runtime/devices/Device.h"

namespace llmopt {

Result<std::unique_ptr<Device>> openCpuDevice(std::shared_ptr<const Artifact> artifact,
                                              const DeviceOptions &options);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CPU_CPUDEVICE_H
