//===- ReadKernel.h - A kernel that only reads ------------------------------------------------===//
//
// What a card's memory gives at most, for loads that pass by the first cache as those of weights
// do.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_READKERNEL_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_READKERNEL_H

#include <cstdint>

namespace llmopt {

inline constexpr char readKernel[] = "readAll";
inline constexpr uint32_t readThreads = 512;
inline constexpr uint32_t readBlocks = 4; ///< of a multiprocessor

/// Every thread has eight loads of 16 bytes under way; what it read comes to nothing that is
/// written, which the compiler cannot know. `pieces`, of 16 bytes, is a multiple of what the grid
/// reads in a round.
inline constexpr char readSource[] = R"cuda(
extern "C" __global__ void __launch_bounds__(512)
readAll(const uint4 *data, unsigned long long pieces, unsigned *sink) {
  const unsigned long long threads = (unsigned long long)gridDim.x * blockDim.x;
  unsigned sum = 0;
  for (unsigned long long i = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x; i < pieces;
       i += 8 * threads) {
    uint4 values[8];
#pragma unroll
    for (int j = 0; j < 8; ++j)
      asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                   : "=r"(values[j].x), "=r"(values[j].y), "=r"(values[j].z), "=r"(values[j].w)
                   : "l"(data + i + j * threads));
#pragma unroll
    for (int j = 0; j < 8; ++j)
      sum ^= values[j].x + values[j].y + values[j].z + values[j].w;
  }
  if (sum == 0x9e3779b9u)
    *sink = sum;
}
)cuda";

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_READKERNEL_H
