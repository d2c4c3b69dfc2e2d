//===- language.h - CUDA's words that C++ does not know ---------------------------------------===//
//
// Included before a kernel's source. The dynamic shared memory of a block, `extern __shared__ char
// NAME[];`, is an array of the module (module.h) under each name that the source gives it. Static
// __shared__ variables are refused before this is compiled.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_LANGUAGE_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_LANGUAGE_H

#include "runtime/devices/cuda_emulated/Machine.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__ const
#define __shared__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline
#define __align__(bytes) __attribute__((aligned(bytes)))

namespace llmopt::emulated {
struct Index {
  unsigned x, y = 0, z = 0;
};
LLMOPT_UNCHECKED inline Index threadIndices() { return {unsigned(machine->thread)}; }
LLMOPT_UNCHECKED inline Index blockIndices() { return {unsigned(machine->block)}; }
LLMOPT_UNCHECKED inline Index blockSizes() { return {unsigned(machine->threads), 1, 1}; }
LLMOPT_UNCHECKED inline Index gridSizes() { return {unsigned(machine->blocks), 1, 1}; }
} // namespace llmopt::emulated

#define threadIdx (::llmopt::emulated::threadIndices())
#define blockIdx (::llmopt::emulated::blockIndices())
#define blockDim (::llmopt::emulated::blockSizes())
#define gridDim (::llmopt::emulated::gridSizes())

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_LANGUAGE_H
