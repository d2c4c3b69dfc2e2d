//===- intrinsics_sm90.cuh - What sm_90a has beyond sm_80 -------------------------------------===//
//
// Barriers in shared memory that count arrivals and bytes, bulk copies that complete on them, and
// matrix products of a warpgroup (four warps, the first a multiple of four) whose operands lie in
// shared memory. Thin wrappers, as in intrinsics.cuh; without __CUDACC__ their bodies are those of
// emulated_sm90.h. Nothing here exists below sm_90a: a kernel that uses it does not assemble there.
//
// Shared memory has two sides. Loads, stores and copyAsync are one; bulk copies and the products'
// reads of their operands are the other. What the first side wrote is seen by the second only after
// fenceAsyncSide() in the writing thread, and then a barrier.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_INTRINSICS_SM90_CUH
#define LLMOPT_CUDA_INTRINSICS_SM90_CUH

#include "types.cuh"

namespace llmopt::cuda {

/// Where the matrix of a warpgroup's product lies in shared memory, K-major 16-bit elements
/// (PTX ISA, "Matrix Descriptor Format"). Its rows come in groups of eight.
///
/// Cores: each 8 rows x 16 bytes are 128 consecutive bytes; `nextK` bytes on are the same rows'
/// next 16 bytes, `nextRows` bytes on the next eight rows.
/// Swizzled: each row is 128 bytes, its 16-byte piece p at place p ^ (row % 8), eight rows 1024
/// consecutive bytes, aligned so; `nextRows` bytes on are the next eight. 16 elements further along
/// K are 32 bytes on.
struct MatrixDescriptor {
  unsigned long long bits;

  /// The matrix that begins `bytes` (a multiple of 16) further on.
  LLMOPT_DEVICE MatrixDescriptor after(int bytes) const {
    return {bits + static_cast<unsigned>(bytes / 16)};
  }
};

} // namespace llmopt::cuda

#if defined(__CUDACC__)

namespace llmopt::cuda {

//===- Barriers in shared memory --------------------------------------------------------------===//

/// A phase is over when the expected arrivals have come and the bytes that they announced; then the
/// next begins. Phases are told apart by their parity: the first is 0.
struct SharedBarrier {
  unsigned long long bits;
};

/// By one thread; others may use the barrier after fenceBarriers() and syncThreads().
LLMOPT_DEVICE void initBarrier(SharedBarrier &barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(sharedAddress(&barrier)),
               "r"(arrivals)
               : "memory");
}
/// By one thread, when no thread uses the barrier any more: its memory may be used for anything,
/// or made a barrier again.
LLMOPT_DEVICE void invalidateBarrier(SharedBarrier &barrier) {
  asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(sharedAddress(&barrier)) : "memory");
}
/// Shows initialized barriers to the copy engine.
LLMOPT_DEVICE void fenceBarriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
LLMOPT_DEVICE void arrive(SharedBarrier &barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(sharedAddress(&barrier))
               : "memory");
}
/// Arrives, and announces the bytes of copies that will complete on the barrier.
LLMOPT_DEVICE void arriveExpecting(SharedBarrier &barrier, int bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(sharedAddress(&barrier)),
      "r"(bytes)
      : "memory");
}
/// Arrives when the copies that this thread has started by copyAsync are there.
LLMOPT_DEVICE void arriveAfterCopies(SharedBarrier &barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(sharedAddress(&barrier))
               : "memory");
}
/// Returns when the phase of this parity is over: at once if the running phase is of the other.
LLMOPT_DEVICE void waitBarrier(SharedBarrier &barrier, int parity) {
  unsigned done;
  do {
    asm volatile("{\n"
                 ".reg .pred done;\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%1], %2;\n"
                 "selp.u32 %0, 1, 0, done;\n"
                 "}"
                 : "=r"(done)
                 : "r"(sharedAddress(&barrier)), "r"(parity)
                 : "memory");
  } while (done == 0);
}

/// Arrives at barrier `index` of `threads` threads without waiting: others do.
LLMOPT_DEVICE void arriveNamed(int index, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(index), "r"(threads) : "memory");
}

/// Shows what this thread wrote in shared memory to bulk copies and the products of warpgroups.
LLMOPT_DEVICE void fenceAsyncSide() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

//===- Bulk copies ----------------------------------------------------------------------------===//

/// One thread starts a copy to shared memory that completes on a barrier; addresses and bytes are
/// multiples of 16.
LLMOPT_DEVICE void copyBulk(void *shared, const void *global, int bytes, SharedBarrier &barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%0], [%1], %2, [%3];" ::"r"(sharedAddress(shared)),
               "l"(global), "r"(bytes), "r"(sharedAddress(&barrier))
               : "memory");
}
LLMOPT_DEVICE void copyBulk(void *shared, const void *global, int bytes, SharedBarrier &barrier,
                            StreamPolicy policy) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
               "[%0], [%1], %2, [%3], %4;" ::"r"(sharedAddress(shared)),
               "l"(global), "r"(bytes), "r"(sharedAddress(&barrier)), "l"(policy.bits)
               : "memory");
}

//===- Registers ------------------------------------------------------------------------------===//

/// A warpgroup gives back, or takes, registers: afterwards each thread has Count (a multiple of 8).
template <int Count> LLMOPT_DEVICE void lowerRegisters() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
}
template <int Count> LLMOPT_DEVICE void raiseRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
}

//===- Products of a warpgroup ----------------------------------------------------------------===//

LLMOPT_DEVICE MatrixDescriptor describeCores(const void *shared, int nextK, int nextRows) {
  return {(unsigned long long)(sharedAddress(shared) >> 4) |
          (unsigned long long)(nextK / 16) << 16 | (unsigned long long)(nextRows / 16) << 32};
}
LLMOPT_DEVICE MatrixDescriptor describeSwizzled(const void *shared, int nextRows) {
  return {(unsigned long long)(sharedAddress(shared) >> 4) | 1ull << 16 |
          (unsigned long long)(nextRows / 16) << 32 | 1ull << 62};
}

/// Before the first product, and after other accesses to the registers of the sums.
LLMOPT_DEVICE void fenceProducts() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
/// Ends a group of products.
LLMOPT_DEVICE void commitProducts() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Returns when at most the last Pending groups of this warp are not complete. The operands of the
/// others are not read any more.
template <int Pending> LLMOPT_DEVICE void waitProducts() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}

/// What follows reads the sums of products that have been waited for.
template <int Count> LLMOPT_DEVICE void keepSums(float (&sums)[Count]) {
  LLMOPT_UNROLL
  for (int i = 0; i < Count; ++i)
    asm volatile("" : "+f"(sums[i])::"memory");
}

// The registers of the sums as operands of the instruction: their names in tens, their constraints
// in eights.
#define LLMOPT_TEN(t)                                                                              \
  "%" #t "0, %" #t "1, %" #t "2, %" #t "3, %" #t "4, %" #t "5, %" #t "6, %" #t "7, %" #t "8, %" #t \
  "9, "
#define LLMOPT_EIGHT(i)                                                                            \
  "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3]), "+f"(sums[i + 4]),       \
      "+f"(sums[i + 5]), "+f"(sums[i + 6]), "+f"(sums[i + 7])
#define LLMOPT_SIXTEEN(i) LLMOPT_EIGHT(i), LLMOPT_EIGHT(i + 8)
#define LLMOPT_SIXTYFOUR(i)                                                                        \
  LLMOPT_SIXTEEN(i), LLMOPT_SIXTEEN(i + 16), LLMOPT_SIXTEEN(i + 32), LLMOPT_SIXTEEN(i + 48)

#define LLMOPT_NAMES_8 "%0, %1, %2, %3"
#define LLMOPT_NAMES_16 LLMOPT_NAMES_8 ", %4, %5, %6, %7"
#define LLMOPT_NAMES_32 LLMOPT_NAMES_16 ", %8, %9, %10, %11, %12, %13, %14, %15"
#define LLMOPT_NAMES_64 LLMOPT_NAMES_16 ", %8, %9, " LLMOPT_TEN(1) LLMOPT_TEN(2) "%30, %31"
#define LLMOPT_NAMES_80                                                                            \
  LLMOPT_NAMES_16 ", %8, %9, " LLMOPT_TEN(1)                                                       \
      LLMOPT_TEN(2) "%30, %31, %32, %33, %34, %35, %36, %37, %38, %39"
#define LLMOPT_NAMES_96                                                                            \
  LLMOPT_NAMES_16 ", %8, %9, " LLMOPT_TEN(1) LLMOPT_TEN(2)                                         \
      LLMOPT_TEN(3) "%40, %41, %42, %43, %44, %45, %46, %47"
#define LLMOPT_NAMES_128                                                                           \
  LLMOPT_NAMES_16 ", %8, %9, " LLMOPT_TEN(1) LLMOPT_TEN(2) LLMOPT_TEN(3) LLMOPT_TEN(4)             \
      LLMOPT_TEN(5) "%60, %61, %62, %63"
#define LLMOPT_NAMES_256                                                                           \
  LLMOPT_NAMES_16 ", %8, %9, " LLMOPT_TEN(1) LLMOPT_TEN(2) LLMOPT_TEN(3) LLMOPT_TEN(4)             \
      LLMOPT_TEN(5) LLMOPT_TEN(6) LLMOPT_TEN(7) LLMOPT_TEN(8) LLMOPT_TEN(9) LLMOPT_TEN(10)         \
          LLMOPT_TEN(11) "%120, %121, %122, %123, %124, %125, %126, %127"

/// sums (64 x N) += a (64 x 16) * transpose(b (N x 16)), queued: the sums are there and the
/// operands free when the product's group has been waited for. Of warp w of the group, with g =
/// lane / 4 and t = lane % 4, sums[4 n] and [4 n + 1] are row 16 w + g, columns 8 n + 2 t and next,
/// [4 n + 2] and [4 n + 3] the same of row 16 w + g + 8.
#define LLMOPT_GROUP_PRODUCT(N, A, B, TYPE, ...)                                                   \
  LLMOPT_DEVICE void multiplyGroup(float(&sums)[N / 2], MatrixDescriptor a, MatrixDescriptor b,    \
                                   TYPE) {                                                         \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." #TYPE "." #TYPE                 \
                 " {" LLMOPT_NAMES_##N "}, %" #A ", %" #B ", 1, 1, 1, 0, 0;"                       \
                 : __VA_ARGS__                                                                     \
                 : "l"(a.bits), "l"(b.bits));                                                      \
  }
#define LLMOPT_GROUP_PRODUCTS(N, A, B, ...)                                                        \
  LLMOPT_GROUP_PRODUCT(N, A, B, bf16, __VA_ARGS__)                                                 \
  LLMOPT_GROUP_PRODUCT(N, A, B, f16, __VA_ARGS__)

LLMOPT_GROUP_PRODUCTS(8, 4, 5, "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3]))
LLMOPT_GROUP_PRODUCTS(16, 8, 9, LLMOPT_EIGHT(0))
LLMOPT_GROUP_PRODUCTS(32, 16, 17, LLMOPT_SIXTEEN(0))
LLMOPT_GROUP_PRODUCTS(64, 32, 33, LLMOPT_SIXTEEN(0), LLMOPT_SIXTEEN(16))
LLMOPT_GROUP_PRODUCTS(128, 64, 65, LLMOPT_SIXTYFOUR(0))
LLMOPT_GROUP_PRODUCTS(256, 128, 129, LLMOPT_SIXTYFOUR(0), LLMOPT_SIXTYFOUR(64))

/// The same, but sums = a * transpose(b), whatever they were.
#define LLMOPT_GROUP_START(N, A, B, TYPE, ...)                                                     \
  LLMOPT_DEVICE void startGroup(float(&sums)[N / 2], MatrixDescriptor a, MatrixDescriptor b,       \
                                TYPE) {                                                            \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." #TYPE "." #TYPE                 \
                 " {" LLMOPT_NAMES_##N "}, %" #A ", %" #B ", 0, 1, 1, 0, 0;"                       \
                 : __VA_ARGS__                                                                     \
                 : "l"(a.bits), "l"(b.bits));                                                      \
  }
#define LLMOPT_GROUP_STARTS(N, A, B, ...)                                                          \
  LLMOPT_GROUP_START(N, A, B, bf16, __VA_ARGS__)                                                   \
  LLMOPT_GROUP_START(N, A, B, f16, __VA_ARGS__)

/// sums (64 x N) += a (64 x 16) * b (16 x N), queued. a is in registers, laid out as for
/// multiplyBfloats: row 16 w + g, ...; they may not change until the product has been waited for.
/// b is described as its transpose (N x 16), of which eight rows are not 16 bytes each in K but
/// eight times 16 bytes along the rows: a core matrix is [8 of K][8 of N].
#define LLMOPT_GROUP_REGISTERS(N, A0, A1, A2, A3, B, TYPE, ...)                                    \
  LLMOPT_DEVICE void multiplyGroupTransposed(float(&sums)[N / 2], const unsigned(&a)[4],           \
                                             MatrixDescriptor b, TYPE) {                           \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." #TYPE "." #TYPE                 \
                 " {" LLMOPT_NAMES_##N "}, {%" #A0 ", %" #A1 ", %" #A2 ", %" #A3 "}, %" #B         \
                                       ", 1, 1, 1, 1;"                                             \
                 : __VA_ARGS__                                                                     \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.bits));                       \
  }
#define LLMOPT_GROUP_TRANSPOSED(N, A0, A1, A2, A3, B, ...)                                         \
  LLMOPT_GROUP_REGISTERS(N, A0, A1, A2, A3, B, bf16, __VA_ARGS__)                                  \
  LLMOPT_GROUP_REGISTERS(N, A0, A1, A2, A3, B, f16, __VA_ARGS__)

LLMOPT_GROUP_STARTS(64, 32, 33, LLMOPT_SIXTEEN(0), LLMOPT_SIXTEEN(16))
LLMOPT_GROUP_STARTS(128, 64, 65, LLMOPT_SIXTYFOUR(0))

LLMOPT_GROUP_TRANSPOSED(16, 8, 9, 10, 11, 12, LLMOPT_EIGHT(0))
LLMOPT_GROUP_TRANSPOSED(32, 16, 17, 18, 19, 20, LLMOPT_SIXTEEN(0))
LLMOPT_GROUP_TRANSPOSED(64, 32, 33, 34, 35, 36, LLMOPT_SIXTEEN(0), LLMOPT_SIXTEEN(16))
LLMOPT_GROUP_TRANSPOSED(80, 40, 41, 42, 43, 44, LLMOPT_SIXTEEN(0), LLMOPT_SIXTEEN(16),
                        LLMOPT_EIGHT(32))
LLMOPT_GROUP_TRANSPOSED(96, 48, 49, 50, 51, 52, LLMOPT_SIXTEEN(0), LLMOPT_SIXTEEN(16),
                        LLMOPT_SIXTEEN(32))
LLMOPT_GROUP_TRANSPOSED(128, 64, 65, 66, 67, 68, LLMOPT_SIXTYFOUR(0))
LLMOPT_GROUP_TRANSPOSED(256, 128, 129, 130, 131, 132, LLMOPT_SIXTYFOUR(0), LLMOPT_SIXTYFOUR(64))

#undef LLMOPT_GROUP_PRODUCTS
#undef LLMOPT_GROUP_PRODUCT
#undef LLMOPT_GROUP_STARTS
#undef LLMOPT_GROUP_START
#undef LLMOPT_GROUP_TRANSPOSED
#undef LLMOPT_GROUP_REGISTERS
#undef LLMOPT_NAMES_8
#undef LLMOPT_NAMES_16
#undef LLMOPT_NAMES_32
#undef LLMOPT_NAMES_64
#undef LLMOPT_NAMES_80
#undef LLMOPT_NAMES_96
#undef LLMOPT_NAMES_128
#undef LLMOPT_NAMES_256
#undef LLMOPT_TEN
#undef LLMOPT_EIGHT
#undef LLMOPT_SIXTEEN
#undef LLMOPT_SIXTYFOUR

} // namespace llmopt::cuda

#else

#include "emulated_sm90.h"

#endif

#endif // LLMOPT_CUDA_INTRINSICS_SM90_CUH
