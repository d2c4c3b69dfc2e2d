//===- CpuFeatures.h - What this CPU can, by the names of /proc/cpuinfo -----------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CPU_CPUFEATURES_H
#define LLMOPT_RUNTIME_DEVICES_CPU_CPUFEATURES_H

#include "runtime/artifact/Artifact.h"

#include <set>
#include <string>

namespace llmopt {

/// "avx2", "avx512f", "avx512_bf16", ... of the first CPU; empty if the system does not tell.
std::set<std::string> cpuFeatures();

/// An Error if the artifact's module needs a feature that is missing here.
Status checkCpuFeatures(const Artifact &artifact);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CPU_CPUFEATURES_H
