//===- CudaCode.h - The kernels of an artifact, by name ---------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_CUDACODE_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_CUDACODE_H

#include "runtime/devices/Device.h"
#include "runtime/devices/cuda/CudaPlan.h"
#include "runtime/devices/cuda/Driver.h"

#include <map>
#include <string>

namespace llmopt {

/// What the artifact's source is compiled for on this card: "sm_90a". An Error, one sentence, if
/// the card cannot run it.
Result<std::string> cudaArchitecture(const Artifact &artifact, const CudaCard &card);

/// What the kernels that a plan launches are compiled from.
struct CudaSources {
  std::vector<CudaSource> sources;
  std::vector<CudaHeader> headers;

  static Result<CudaSources> read(const Artifact &artifact, const CudaPlan &plan);
};

/// The kernels that the plan launches.
class CudaCode {
public:
  static Result<CudaCode> load(CudaDriver &driver, const Artifact &artifact, const CudaPlan &plan,
                               const std::string &arch, const DeviceOptions &options);

  /// A function that the plan names.
  const CudaKernel *find(const std::string &function) const { return kernels.at(function); }

private:
  std::map<std::string, const CudaKernel *> kernels;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_CUDACODE_H
