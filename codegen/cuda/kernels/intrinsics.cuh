//===- intrinsics.cuh - The machine, behind thin wrappers -------------------------------------===//
//
// Every instruction that C++ cannot say is here and only here: thread indices, barriers, shuffles,
// asynchronous copies, matrix products, conversions. The other headers are plain C++, so a compiler
// for another machine needs another body of these few functions: without __CUDACC__ they are taken
// from emulated.h, which whoever compiles the kernels for a CPU provides.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_INTRINSICS_CUH
#define LLMOPT_CUDA_INTRINSICS_CUH

#if defined(__CUDACC__)

#define LLMOPT_DEVICE __device__ __forceinline__
#define LLMOPT_UNROLL _Pragma("unroll")

namespace llmopt::cuda {

//===- Threads --------------------------------------------------------------------------------===//

LLMOPT_DEVICE int threadIndex() { return threadIdx.x; }
LLMOPT_DEVICE int blockIndex() { return blockIdx.x; }
LLMOPT_DEVICE int blockCount() { return gridDim.x; }
LLMOPT_DEVICE void syncThreads() { __syncthreads(); }
/// A barrier of the first `Threads` threads of the block, all of which have to come; others may
/// not. It is the same barrier 0 that all threads of the block use.
template <int Threads> LLMOPT_DEVICE void syncThreads() {
  static_assert(Threads % 32 == 0, "barriers are of whole warps");
  asm volatile("bar.sync 0, %0;" ::"n"(Threads) : "memory");
}
/// Waits for `threads` threads (whole warps) at barrier `index` of 1 to 15.
LLMOPT_DEVICE void syncNamed(int index, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(index), "r"(threads) : "memory");
}
LLMOPT_DEVICE void syncWarp() { __syncwarp(); }
/// The value of lane (own lane ^ mask). All 32 lanes take part.
LLMOPT_DEVICE float shuffleXor(float value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
LLMOPT_DEVICE unsigned shuffleXor(unsigned value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
/// The sum over the warp, in every lane.
LLMOPT_DEVICE unsigned warpSum(unsigned value) { return __reduce_add_sync(0xffffffffu, value); }

//===- Between blocks -------------------------------------------------------------------------===//

/// What this thread wrote before is seen by other blocks before what it writes after.
LLMOPT_DEVICE void fenceDevice() { __threadfence(); }
LLMOPT_DEVICE unsigned atomicIncrement(unsigned *counter) { return atomicAdd(counter, 1u); }
/// Reads what another block wrote in this launch, past the first cache.
LLMOPT_DEVICE float loadFresh(const float *p) { return __ldcg(p); }
LLMOPT_DEVICE unsigned loadFresh(const unsigned *p) { return __ldcg(p); }

// Blocks of a cooperative launch wait for each other by counters that only rise, from launch to
// launch, and wrap around after 2^32.

/// Adds 1. Who waits for the counter sees what this thread has done, and what it knows of others by
/// barriers and waits.
LLMOPT_DEVICE void signal(unsigned *counter) {
  asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter) : "memory");
}
/// Returns when the counter is `least` or up to 2^31 - 1 more. The block's other threads know what
/// this one has seen after a barrier.
LLMOPT_DEVICE void waitForCount(const unsigned *counter, unsigned least) {
  unsigned count;
  do {
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(count) : "l"(counter) : "memory");
  } while (static_cast<int>(count - least) < 0);
}
/// The old value. Divided by the number of blocks it is the number of launches before, if every
/// block arrives once: arrivals say nothing of memory. It has 64 bits, since a quotient does not go
/// on where 32 bits wrap around, which they would within hours.
LLMOPT_DEVICE unsigned long long arriveAtGrid(unsigned long long *counter) {
  return atomicAdd(counter, 1ull);
}

/// Programmatic dependent launch (sm_90): the next kernel may start now, its weight loads first.
LLMOPT_DEVICE void launchDependents() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
/// Returns when the kernels before this one are done and their writes are seen.
LLMOPT_DEVICE void waitForProducers() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

//===- Asynchronous copies --------------------------------------------------------------------===//

LLMOPT_DEVICE unsigned sharedAddress(const void *p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

/// Starts a copy of 16 bytes, both sides 16-byte aligned; writes zeros if not `valid`.
LLMOPT_DEVICE void copyAsync(void *shared, const void *global, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sharedAddress(shared)),
               "l"(global), "r"(valid ? 16 : 0)
               : "memory");
}

/// Marks bytes that are read once per step, so that they do not push others out of the cache.
struct StreamPolicy {
  unsigned long long bits;
};
LLMOPT_DEVICE StreamPolicy makeStreamPolicy() {
  StreamPolicy policy;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy.bits));
  return policy;
}
LLMOPT_DEVICE void copyAsync(void *shared, const void *global, bool valid, StreamPolicy policy) {
  asm volatile("cp.async.cg.shared.global.L2::cache_hint [%0], [%1], 16, %2, %3;" ::"r"(
                   sharedAddress(shared)),
               "l"(global), "r"(valid ? 16 : 0), "l"(policy.bits)
               : "memory");
}

/// Ends a group of copies.
LLMOPT_DEVICE void commitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Returns when at most the last Pending groups of this thread are not complete. Other threads see
/// the bytes after a barrier.
template <int Pending> LLMOPT_DEVICE void waitCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

//===- Matrix products ------------------------------------------------------------------------===//

/// Loads four 8 x 8 matrices of 16-bit elements. Lane i gives the address of row i % 8 of matrix
/// i / 8, 16 bytes, 16-byte aligned; it gets of each matrix row i / 4, columns 2 (i % 4) and next.
LLMOPT_DEVICE void loadMatrices(unsigned (&to)[4], const void *shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(sharedAddress(shared))
               : "memory");
}
/// The same of the transposed matrices: column i / 4, rows 2 (i % 4) and next.
LLMOPT_DEVICE void loadMatricesTransposed(unsigned (&to)[4], const void *shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(sharedAddress(shared))
               : "memory");
}

//===- Conversions, to nearest even -----------------------------------------------------------===//

LLMOPT_DEVICE float bitsToFloat(unsigned bits) { return __uint_as_float(bits); }
LLMOPT_DEVICE unsigned floatToBits(float value) { return __float_as_uint(value); }
LLMOPT_DEVICE float halfToFloat(unsigned short bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
LLMOPT_DEVICE unsigned short floatToHalf(float value) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
LLMOPT_DEVICE unsigned short floatToBfloat(float value) {
  unsigned short bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
/// Two values in one register, the first in the low half.
LLMOPT_DEVICE unsigned floatsToHalves(float low, float high) {
  unsigned bits;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}
LLMOPT_DEVICE unsigned floatsToBfloats(float low, float high) {
  unsigned bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

/// 2^x with a relative error of about 2^-22.
LLMOPT_DEVICE float fastExp2(float x) {
  float y;
  asm("ex2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// sums (16 x 8) += a (16 x 16) * b (16 x 8), products of 16-bit elements summed in float32. With
/// g = lane / 4 and t = lane % 4, registers hold pairs of columns (a), of rows (b):
///   a[0]: (g, 2t), a[1]: (g + 8, 2t), a[2]: (g, 2t + 8), a[3]: (g + 8, 2t + 8)
///   b[0]: rows 2t, 2t + 1 of column g; b[1]: rows 2t + 8, 2t + 9
///   sums[0], [1]: (g, 2t), (g, 2t + 1); sums[2], [3]: the same of row g + 8
LLMOPT_DEVICE void multiplyBfloats(float (&sums)[4], const unsigned (&a)[4],
                                   const unsigned (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
LLMOPT_DEVICE void multiplyHalves(float (&sums)[4], const unsigned (&a)[4],
                                  const unsigned (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

} // namespace llmopt::cuda

#else

#include "emulated.h"

#endif

#endif // LLMOPT_CUDA_INTRINSICS_CUH
