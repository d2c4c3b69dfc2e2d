//===- emulated.h - The functions of intrinsics.cuh on a CPU ----------------------------------===//
//
// What intrinsics.cuh includes where no CUDA compiler is at work. Written on Machine.h, which says
// what is checked. What hardware may do late happens as late as it may: an asynchronous copy is
// made when its group is waited for, and until then its destination is garbage.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATED_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATED_H

#include "runtime/devices/cuda_emulated/Machine.h"
#include "support/FloatTypes.h"

#include <cmath>
#include <cstdint>
#include <cstring>

#define LLMOPT_DEVICE inline
#define LLMOPT_UNROLL

namespace llmopt::cuda {

using emulated::here;
using emulated::machine;
using emulated::Site;

//===- Threads --------------------------------------------------------------------------------===//

LLMOPT_UNCHECKED inline int threadIndex() { return machine->thread; }
LLMOPT_UNCHECKED inline int blockIndex() { return machine->block; }
LLMOPT_UNCHECKED inline int blockCount() { return machine->blocks; }
LLMOPT_UNCHECKED inline void syncThreads(Site site = here()) { machine->syncBlock(site); }
template <int Threads> LLMOPT_UNCHECKED inline void syncThreads(Site site = here()) {
  static_assert(Threads % 32 == 0, "barriers are of whole warps");
  machine->syncFirst(Threads, site);
}
LLMOPT_UNCHECKED inline void syncNamed(int index, int threads, Site site = here()) {
  machine->syncNamed(index, threads, site);
}
LLMOPT_UNCHECKED inline void syncWarp(Site site = here()) {
  machine->syncWarp(emulated::wholeWarp, site);
}
LLMOPT_UNCHECKED inline float shuffleXor(float value, int mask, Site site = here()) {
  uint64_t other =
      machine->shuffle(floatBits(value), machine->thread % 32 ^ mask, emulated::wholeWarp, site);
  return floatFromBits(uint32_t(other));
}
LLMOPT_UNCHECKED inline unsigned shuffleXor(unsigned value, int mask, Site site = here()) {
  return unsigned(machine->shuffle(value, machine->thread % 32 ^ mask, emulated::wholeWarp, site));
}
LLMOPT_UNCHECKED inline unsigned warpSum(unsigned value, Site site = here()) {
  for (int mask = 16; mask > 0; mask /= 2)
    value += shuffleXor(value, mask, site);
  return value;
}

//===- Between blocks -------------------------------------------------------------------------===//

LLMOPT_UNCHECKED inline void fenceDevice() { machine->fence(/*device=*/true); }
LLMOPT_UNCHECKED inline unsigned atomicIncrement(unsigned *counter, Site site = here()) {
  return machine->increment(counter, site);
}
LLMOPT_UNCHECKED inline float loadFresh(const float *p, Site site = here()) {
  machine->read(p, sizeof *p, sizeof *p, site);
  return *p;
}
LLMOPT_UNCHECKED inline unsigned loadFresh(const unsigned *p, Site site = here()) {
  machine->read(p, sizeof *p, sizeof *p, site);
  return *p;
}
LLMOPT_UNCHECKED inline void signal(unsigned *counter, Site site = here()) {
  machine->signal(counter, site);
}
LLMOPT_UNCHECKED inline void waitForCount(const unsigned *counter, unsigned least,
                                          Site site = here()) {
  machine->waitForCount(counter, least, site);
}
LLMOPT_UNCHECKED inline unsigned long long arriveAtGrid(unsigned long long *counter,
                                                        Site site = here()) {
  auto *words = reinterpret_cast<unsigned *>(counter); // the lower one first
  unsigned long long high = words[1];
  unsigned low = machine->increment(words, site);
  if (low == ~0u)
    machine->increment(words + 1, site);
  return high << 32 | low;
}
/// Kernels run one after the other; what one may touch before it waits is checked.
inline void launchDependents() {}
LLMOPT_UNCHECKED inline void waitForProducers() { machine->waitForProducers(); }

//===- Asynchronous copies --------------------------------------------------------------------===//

struct StreamPolicy {};
inline StreamPolicy makeStreamPolicy() { return {}; }
LLMOPT_UNCHECKED inline void copyAsync(void *shared, const void *global, bool valid,
                                       StreamPolicy = {}, Site site = here()) {
  machine->copyAsync(shared, global, 16, valid ? 0 : 16, site);
}
LLMOPT_UNCHECKED inline void commitCopies() { machine->commitCopies(); }
template <int Pending> LLMOPT_UNCHECKED inline void waitCopies() { machine->waitCopies(Pending); }

//===- Matrix products ------------------------------------------------------------------------===//

LLMOPT_UNCHECKED inline void loadMatrices(unsigned (&to)[4], const void *shared,
                                          Site site = here()) {
  machine->loadMatrices(to, shared, /*transposed=*/false, site);
}
LLMOPT_UNCHECKED inline void loadMatricesTransposed(unsigned (&to)[4], const void *shared,
                                                    Site site = here()) {
  machine->loadMatrices(to, shared, /*transposed=*/true, site);
}
LLMOPT_UNCHECKED inline void multiplyBfloats(float (&sums)[4], const unsigned (&a)[4],
                                             const unsigned (&b)[2], Site site = here()) {
  unsigned registers[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  machine->multiplyBfloats(sums, registers, site);
}
LLMOPT_UNCHECKED inline void multiplyHalves(float (&sums)[4], const unsigned (&a)[4],
                                            const unsigned (&b)[2], Site site = here()) {
  unsigned registers[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  machine->multiplyHalves(sums, registers, site);
}

//===- Conversions, to nearest even -----------------------------------------------------------===//

inline float bitsToFloat(unsigned bits) { return floatFromBits(bits); }
inline unsigned floatToBits(float value) { return floatBits(value); }
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

} // namespace llmopt::cuda

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATED_H
