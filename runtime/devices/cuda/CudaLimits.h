//===- CudaLimits.h - What a card's memory and tensor cores can do at most --------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_CUDALIMITS_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_CUDALIMITS_H

#include "runtime/devices/Device.h"
#include "runtime/devices/cuda/Driver.h"

namespace llmopt {

/// The card's read bandwidth is that of a kernel that only reads; its arithmetic peak that of
/// cuBLASLt's product of large square matrices of random values, in the type that linears of
/// `precision` compute in. `driver` has to live as long as the result.
Result<std::unique_ptr<DeviceLimits>> openCudaLimits(CudaDriver &driver, const std::string &arch,
                                                     const std::string &precision,
                                                     const DeviceOptions &options);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_CUDALIMITS_H
