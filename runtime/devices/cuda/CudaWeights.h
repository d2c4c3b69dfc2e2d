//===- CudaWeights.h - The weights of an artifact on the device -------------------------------===//
//
// One block of device memory, each weight on a multiple of 256 bytes in the order of the plan.
// Those with data come from the mapped file, whose pages are given back as they have been read;
// random ones are made on the device.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_CUDAWEIGHTS_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_CUDAWEIGHTS_H

#include "runtime/devices/Device.h"
#include "runtime/devices/cuda/Driver.h"
#include "runtime/devices/cuda/RandomFillKernel.h"

#include <vector>

namespace llmopt {

class CudaWeights {
public:
  /// `arch` is for the kernel that makes random weights.
  static Result<CudaWeights> load(CudaDriver &driver, const Artifact &artifact,
                                  const std::string &arch, const DeviceOptions &options);

  /// Plan::weights[index], read-only.
  const CudaExtent &extent(int64_t index) const { return extents[index]; }

private:
  std::vector<CudaExtent> extents;
};

/// The kernel of RandomFillKernel.h.
Result<const CudaKernel *> loadRandomFill(CudaDriver &driver, const std::string &arch,
                                          const DeviceOptions &options);
/// Fills `bytes` bytes at job.weight, or what of them the job is for.
Status launchRandomFill(CudaDriver &driver, const CudaKernel &kernel, const RandomFillJob &job,
                        uint64_t bytes);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_CUDAWEIGHTS_H
