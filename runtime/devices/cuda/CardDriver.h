//===- CardDriver.h - A card, by NVIDIA's driver ----------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_CARDDRIVER_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_CARDDRIVER_H

#include "runtime/devices/cuda/Driver.h"

namespace llmopt {

/// Opens the first card (CUDA_VISIBLE_DEVICES says which that is). `threads` fill the memory that
/// large uploads go through. Without a driver, with too old a one or without a card: one clear
/// sentence.
Result<std::unique_ptr<CudaDriver>> openCardDriver(int threads);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_CARDDRIVER_H
