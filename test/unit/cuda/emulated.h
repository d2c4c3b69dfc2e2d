//===- emulated.h - The functions of intrinsics.cuh on a CPU ----------------------------------===//
//
// Blocks run one after the other, the threads of a block as fibers that meet at barriers. What
// hardware may do late happens as late as it may: an asynchronous copy is made when its group is
// waited for. Shared memory begins as NaNs. Errors (divergence at a barrier, misaligned copies) end
// the run with a message.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_TEST_UNIT_CUDA_EMULATED_H
#define LLMOPT_TEST_UNIT_CUDA_EMULATED_H

#include "support/FloatTypes.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#define LLMOPT_DEVICE inline
#define LLMOPT_UNROLL

namespace llmopt::cuda {

/// Runs `body` in every thread of every block, blocks in rising or falling order. `shared` is the
/// block's memory. The result is empty, or says what went wrong.
std::string emulate(int blocks, int threads, int sharedBytes, bool fallingOrder,
                    const std::function<void(char *shared)> &body);

int threadIndex();
int blockIndex();
void syncThreads();
void syncWarp();

/// Leaves `value` for the other lanes of the warp; what they left is at the result, by lane, until
/// the next call.
const uint32_t *exchange(const void *value, int words);

inline float shuffleXor(float value, int mask) {
  uint32_t other = exchange(&value, 1)[((threadIndex() % 32) ^ mask) * 8];
  float result;
  std::memcpy(&result, &other, 4);
  return result;
}

inline void fenceDevice() {}
inline unsigned atomicIncrement(unsigned *counter) { return (*counter)++; }
inline float loadFresh(const float *p) { return *p; }
inline void launchDependents() {}
inline void waitForProducers() {}

void copyAsync(void *shared, const void *global, bool valid);
struct StreamPolicy {};
inline StreamPolicy makeStreamPolicy() { return {}; }
inline void copyAsync(void *shared, const void *global, bool valid, StreamPolicy) {
  copyAsync(shared, global, valid);
}
void commitCopies();
void waitCopies(int pending);
template <int Pending> void waitCopies() { waitCopies(Pending); }

void loadMatrices(unsigned (&to)[4], const void *shared);
void loadMatricesTransposed(unsigned (&to)[4], const void *shared);

inline float bitsToFloat(unsigned bits) { return floatFromBits(bits); }
inline float halfToFloat(unsigned short bits) { return float16ToFloat(bits); }
inline unsigned short floatToHalf(float value) { return floatToFloat16(value); }
inline unsigned short floatToBfloat(float value) { return floatToBfloat16(value); }
inline unsigned floatsToHalves(float low, float high) {
  return floatToFloat16(low) | unsigned(floatToFloat16(high)) << 16;
}
inline unsigned floatsToBfloats(float low, float high) {
  return floatToBfloat16(low) | unsigned(floatToBfloat16(high)) << 16;
}
inline float fastExp2(float x) { return std::exp2(x); }

void multiplyPairs(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                   float (*toFloat)(uint16_t));
inline void multiplyBfloats(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  multiplyPairs(sums, a, b, bfloat16ToFloat);
}
inline void multiplyHalves(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  multiplyPairs(sums, a, b, float16ToFloat);
}

} // namespace llmopt::cuda

#endif // LLMOPT_TEST_UNIT_CUDA_EMULATED_H
