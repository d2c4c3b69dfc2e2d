//===- CpuModule.h - The machine code of an artifact ------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CPU_CPUMODULE_H
#define LLMOPT_RUNTIME_DEVICES_CPU_CPUMODULE_H

#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/KernelAbi.h"

#include <memory>
#include <vector>

namespace llmopt {

/// model.so, loaded, with the kernel of every launch resolved.
class CpuModule {
public:
  static Result<CpuModule> load(const Artifact &artifact);

  LlmoptKernel kernel(size_t launch) const { return kernels[launch]; }

private:
  std::shared_ptr<void> handle;
  std::vector<LlmoptKernel> kernels;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CPU_CPUMODULE_H
