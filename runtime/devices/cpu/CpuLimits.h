//===- CpuLimits.h - What this machine's memory and cores can do at most ----------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CPU_CPULIMITS_H
#define LLMOPT_RUNTIME_DEVICES_CPU_CPULIMITS_H

#include "runtime/devices/DeviceLimits.h"

#include <memory>

namespace llmopt {

/// Of `threads` threads. Arithmetic is on registers: float32 fused multiply-adds, or bf16 dot
/// products if `bfloat16` and this CPU has them.
Result<std::unique_ptr<DeviceLimits>> openCpuLimits(int threads, bool bfloat16);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CPU_CPULIMITS_H
