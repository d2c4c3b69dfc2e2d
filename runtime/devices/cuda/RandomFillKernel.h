//===- RandomFillKernel.h - Random weights made on the device ---------------------------------===//
//
// The source of a kernel that writes one segment of a random weight in its packed layout: the same
// bits as support/RandomWeights.h. It belongs to the runtime and not to an artifact, since it is
// the same for all of them.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_RANDOMFILLKERNEL_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_RANDOMFILLKERNEL_H

#include <cstdint>

namespace llmopt {

/// The kernel's first parameter, by value; the second are the threads of the grid, in blocks of
/// randomFillThreads. `panel` is 1 and `interleave` 1 for a row-major weight.
struct RandomFillJob {
  uint64_t weight; ///< address
  int64_t firstRow, rows, columns;
  int64_t panel, interleave;
  uint32_t seed;
  float mean, scale;
  int32_t type; ///< 0: float32, 1: float16, 2: bfloat16
};

inline constexpr char randomFillKernel[] = "randomFill";
inline constexpr uint32_t randomFillThreads = 256;

inline constexpr char randomFillSource[] = R"cuda(
#include <stdint.h>

#ifdef __CUDACC__
static __device__ uint64_t threadOfGrid() {
  return (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
}
#else
#include "emulated.h"
static uint64_t threadOfGrid() {
  return (uint64_t)llmopt::cuda::blockIndex() * 256 + llmopt::cuda::threadIndex();
}
#endif

struct Job {
  uint64_t weight;
  int64_t firstRow, rows, columns;
  int64_t panel, interleave;
  uint32_t seed;
  float mean, scale;
  int32_t type;
};

union Bits {
  float value;
  uint32_t bits;
};

static __device__ uint32_t bitsOf(float value) {
  Bits both;
  both.value = value;
  return both.bits;
}

static __device__ float valueOf(uint32_t bits) {
  Bits both;
  both.bits = bits;
  return both.value;
}

static __device__ uint32_t randomHash(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= x >> 15;
  x *= 0x846ca68bU;
  x ^= x >> 16;
  return x;
}

/// mean + scale * uniform, rounded twice.
static __device__ float randomWeight(const Job &job, uint64_t index) {
  uint32_t high = randomHash(job.seed ^ (uint32_t)(index >> 32) * 0x9e3779b9U);
  uint32_t hash = randomHash((uint32_t)index ^ high);
  float uniform = (float)((int32_t)hash >> 8) * (1.0f / 8388608.0f);
#ifdef __CUDACC__
  return __fadd_rn(job.mean, __fmul_rn(job.scale, uniform));
#else
  volatile float product = job.scale * uniform;
  return job.mean + product;
#endif
}

/// Of finite values, to nearest, ties to even.
static __device__ uint16_t toFloat16(float value) {
  uint32_t bits = bitsOf(value);
  uint32_t magnitude = bits & 0x7fffffff;
  uint32_t half = (magnitude + 0xfff + ((magnitude >> 13) & 1) - 0x38000000) >> 13;
  if (magnitude < 0x38800000)
    half = bitsOf(valueOf(magnitude) + 0.5f) - 0x3f000000;
  if (magnitude >= 0x477ff000)
    half = 0x7c00;
  return (uint16_t)(half | ((bits >> 16) & 0x8000));
}

static __device__ uint16_t toBfloat16(float value) {
  uint32_t bits = bitsOf(value);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

extern "C" __global__ void randomFill(const Job job, uint32_t threads) {
  const uint64_t count = (uint64_t)job.rows * (uint64_t)job.columns;
  const uint64_t groups = (uint64_t)(job.columns + job.interleave - 1) / job.interleave;
  for (uint64_t i = threadOfGrid(); i < count; i += threads) {
    float value = randomWeight(job, i);
    uint64_t row = job.firstRow + i / job.columns, column = i % job.columns;
    uint64_t place = ((row / job.panel * groups + column / job.interleave) * job.panel +
                      row % job.panel) *
                         job.interleave +
                     column % job.interleave;
    if (job.type == 0)
      ((float *)job.weight)[place] = value;
    else
      ((uint16_t *)job.weight)[place] = job.type == 1 ? toFloat16(value) : toBfloat16(value);
  }
}
)cuda";

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_RANDOMFILLKERNEL_H
