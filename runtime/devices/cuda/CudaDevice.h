//===- CudaDevice.h - An artifact of target "cuda", loaded and running ------------------------===//
//
// Written on CudaDriver, so it is the same on a card and on the emulator. Steps that are decodes
// only (N = M = S) are recorded as a graph, one for each number of sequences, and replayed; others
// are launched one by one. A sampled decode step ends by making the batch of the next one, so that
// runNext() replays the same graph.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_CUDADEVICE_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_CUDADEVICE_H

#include "runtime/devices/Device.h"
#include "runtime/devices/cuda/Driver.h"

#include <memory>

namespace llmopt {

/// Loads the artifact's kernels and weights. Fails on a plan or source that is not as it must be, a
/// card that cannot run it, or too little memory.
Result<std::unique_ptr<Device>> openCudaDevice(std::shared_ptr<const Artifact> artifact,
                                               std::unique_ptr<CudaDriver> driver,
                                               const DeviceOptions &options);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_CUDADEVICE_H
