//===- EmulatedDriver.h - A CudaDriver that runs the emitted source on the CPU ----------------===//
//
// Memory of the card is memory of the host. What is queued is done before the call returns, so an
// error of a kernel is told by its launch. Kernels are held to the extents of their launch; a
// launch without extents to what the driver has allocated. Emulator.h says what else is checked.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATEDDRIVER_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATEDDRIVER_H

#include "runtime/devices/cuda/Driver.h"
#include "runtime/devices/cuda_emulated/Emulator.h"

namespace llmopt {

/// A card of the architecture that an artifact is for, "sm_90a".
Result<std::unique_ptr<CudaDriver>> openEmulatedDriver(const std::string &arch,
                                                       const emulated::EmulatorOptions &options);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATEDDRIVER_H
