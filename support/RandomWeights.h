//===- RandomWeights.h - The values of a checkpoint that does not exist -----------------------===//
//
// A random weight's element is a function of (seed, logical index) alone, so that the interpreter,
// the materializer and every device make the same tensor in any order and layout:
//   u = hash(seed, row * columns + column) as a uniform value in [-1, 1), value = mean + sqrt(3) *
//   std * u
// in float32, then rounded to the tensor's type. The hash is the 32-bit finalizer "lowbias32"
// (C. Wellons, https://nullprogram.com/blog/2018/07/31/) over the low half of the index, mixed with
// the seed and the high half.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_SUPPORT_RANDOMWEIGHTS_H
#define LLMOPT_SUPPORT_RANDOMWEIGHTS_H

#include <cstdint>

namespace llmopt {

inline uint32_t randomHash(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= x >> 15;
  x *= 0x846ca68bU;
  x ^= x >> 16;
  return x;
}

/// `scale` is sqrt(3) * standard deviation, in float32.
inline float randomWeight(uint32_t seed, uint64_t index, float mean, float scale) {
  uint32_t high = randomHash(seed ^ static_cast<uint32_t>(index >> 32) * 0x9e3779b9U);
  uint32_t hash = randomHash(static_cast<uint32_t>(index) ^ high);
  float uniform = static_cast<float>(static_cast<int32_t>(hash) >> 8) * (1.0f / 8388608.0f);
  return mean + scale * uniform;
}

} // namespace llmopt

#endif // LLMOPT_SUPPORT_RANDOMWEIGHTS_H
