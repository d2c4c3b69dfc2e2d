//===- Sm90Test.cpp - What kernels for sm_90a may get wrong is found on the emulated GPU ------===//
//
// Bulk copies, barriers in shared memory and warpgroups' products, right and with a mistake
// planted.
//
//===------------------------------------------------------------------------------------------===//

#include "codegen/cuda/kernels/panels.cuh"
#include "test/unit/cuda/Emulate.h"

#include <gtest/gtest.h>

#include <vector>

using namespace llmopt::cuda;

namespace {
testing::AssertionResult contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos
             ? testing::AssertionSuccess()
             : testing::AssertionFailure() << "'" << text << "' does not contain '" << part << "'";
}

//===- Copies ---------------------------------------------------------------------------------===//

/// What a kernel that copies 64 floats forgets.
enum class Forgotten { Nothing, Wait, Copy, Bytes, Fence, Sync };

/// A block of a warp brings 64 floats and writes them, doubled, to `to`.
std::string copyAndDouble(Forgotten forgotten, std::vector<float> &to) {
  alignas(16) static float from[64];
  for (int i = 0; i < 64; ++i)
    from[i] = float(i);
  return emulate(1, 32, 512, false, [&](char *shared) {
    auto *barrier = reinterpret_cast<SharedBarrier *>(shared + 256);
    auto *values = reinterpret_cast<float *>(shared);
    if (threadIndex() == 0) {
      initBarrier(*barrier, 1);
      if (forgotten != Forgotten::Fence)
        fenceBarriers();
    }
    if (forgotten != Forgotten::Sync)
      syncThreads();
    if (threadIndex() == 0) {
      if (forgotten == Forgotten::Bytes)
        arrive(*barrier);
      else
        arriveExpecting(*barrier, 256);
      if (forgotten != Forgotten::Copy)
        copyBulk(values, from, 256, *barrier);
    }
    if (forgotten != Forgotten::Wait)
      waitBarrier(*barrier, 0);
    for (int i = threadIndex(); i < 64; i += 32)
      to[size_t(i)] = 2 * values[i];
  });
}

//===- Products -------------------------------------------------------------------------------===//

enum class Mistake { None, Stride, NoWait, EarlyStore, Pending, NoFence, RegistersNotFenced };

/// x (8 rows) times weights (64 rows), both 16 elements of K, as core matrices and swizzled; sums
/// of (column, row) at [row * 64 + column].
std::string multiply(Mistake mistake, std::vector<float> &to) {
  return emulate(1, 128, 4096, false, [&](char *shared) {
    char *weights = shared, *x = shared + 2048;
    for (int i = threadIndex(); i < 64 * 16; i += 128) {
      int row = i / 16, k = i % 16;
      auto *piece = reinterpret_cast<bf16 *>(weights + row / 8 * 256 + k / 8 * 128 + row % 8 * 16);
      piece[k % 8] = fromFloat<bf16>(float(row + k));
    }
    for (int i = threadIndex(); i < 8 * 64; i += 128)
      reinterpret_cast<bf16 *>(x + swizzledPiece(i / 64, i % 64 / 8))[i % 8] =
          fromFloat<bf16>(float(i / 64 + 1) * float(i % 64 - 3));
    if (mistake != Mistake::NoFence)
      fenceAsyncSide();
    syncThreads();
    float sums[4] = {};
    if (mistake != Mistake::RegistersNotFenced)
      fenceProducts();
    int nextRows = mistake == Mistake::Stride ? 128 : 256;
    multiplyGroup(sums, describeCores(weights, 128, nextRows), describeSwizzled(x, 1024), bf16{});
    commitProducts();
    if (mistake == Mistake::EarlyStore && threadIndex() == 5)
      reinterpret_cast<float *>(x)[0] = 0;
    if (mistake == Mistake::Pending)
      waitProducts<1>();
    else if (mistake != Mistake::NoWait)
      waitProducts<0>();
    keepSums(sums);
    int g = laneIndex() / 4, t = laneIndex() % 4;
    for (int i = 0; i < 4; ++i)
      to[size_t((2 * t + i % 2) * 64 + warpIndex() * 16 + g + i / 2 * 8)] = sums[i];
  });
}

/// Sums that are not those of the product.
int wrongSums(const std::vector<float> &sums) {
  int wrong = 0;
  for (int row = 0; row < 8; ++row)
    for (int column = 0; column < 64; ++column) {
      float expected = 0;
      for (int k = 0; k < 16; ++k)
        expected += float(column + k) * float(row + 1) * float(k - 3);
      wrong += sums[size_t(row * 64 + column)] != expected;
    }
  return wrong;
}

/// a (64 x 16) in registers times b (16 x 16), as core matrices of eight rows of K; `changed`: a
/// register of a changes before the product was waited for. Sums at [row * 16 + column].
std::string multiplyRegisters(bool changed, std::vector<float> &to) {
  return emulate(1, 128, 512, false, [&](char *shared) {
    for (int i = threadIndex(); i < 16 * 16; i += 128) {
      int k = i / 16, column = i % 16;
      auto *row = reinterpret_cast<bf16 *>(shared + k / 8 * 256 + column / 8 * 128 + k % 8 * 16);
      row[column % 8] = fromFloat<bf16>(float(column + 1) * float(k - 3));
    }
    fenceAsyncSide();
    syncThreads();
    int g = warpIndex() * 16 + laneIndex() / 4, t = laneIndex() % 4 * 2;
    unsigned a[4];
    for (int i = 0; i < 4; ++i) {
      auto first = float(g + i % 2 * 8 + t + i / 2 * 8);
      a[i] = packPair(first, first + 1, bf16{});
    }
    float sums[8] = {};
    fenceProducts();
    multiplyGroupTransposed(sums, a, describeCores(shared, 256, 128), bf16{});
    commitProducts();
    if (changed && threadIndex() == 70)
      a[3] = 0;
    waitProducts<0>();
    keepSums(sums);
    for (int i = 0; i < 8; ++i)
      to[size_t((g + i / 2 % 2 * 8) * 16 + i / 4 * 8 + t + i % 2)] = sums[i];
  });
}
} // namespace

TEST(EmulatedBulkCopy, IsThereWhenItsBarrierSaysSo) {
  std::vector<float> to(64);
  ASSERT_EQ(copyAndDouble(Forgotten::Nothing, to), "");
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(to[size_t(i)], 2.0f * float(i));
}
TEST(EmulatedBulkCopy, WaitForACopyThatNobodyStarts) {
  std::vector<float> to(64);
  EXPECT_TRUE(contains(copyAndDouble(Forgotten::Copy, to),
                       "block 0, thread 0 waits for an even phase of an mbarrier"));
}
TEST(EmulatedBulkCopy, BarrierThatIsNotFenced) {
  std::vector<float> to(64);
  EXPECT_TRUE(contains(copyAndDouble(Forgotten::Fence, to),
                       "block 0, thread 0: a bulk copy uses an mbarrier that was made without "
                       "fenceBarriers()"));
}
#ifdef LLMOPT_TEST_INSTRUMENTED
TEST(EmulatedBulkCopy, ReadBeforeItsBarrier) {
  std::vector<float> to(64);
  EXPECT_TRUE(contains(copyAndDouble(Forgotten::Wait, to), "of shared memory, which"));
}
TEST(EmulatedBulkCopy, BarrierThatOthersDoNotKnow) {
  std::vector<float> to(64);
  EXPECT_TRUE(contains(copyAndDouble(Forgotten::Sync, to),
                       "thread 1: changes 8 bytes at byte 256 of shared memory, which thread 0 "
                       "wrote and nothing orders the two: a race"));
}
TEST(EmulatedBulkCopy, BarrierThatIsNotToldOfItsBytes) {
  std::vector<float> to(64);
  EXPECT_TRUE(contains(copyAndDouble(Forgotten::Bytes, to), "of shared memory, which"));
}
#endif

TEST(EmulatedWarpgroup, MultipliesWhatItsDescriptorsDescribe) {
  std::vector<float> sums(8 * 64);
  ASSERT_EQ(multiply(Mistake::None, sums), "");
  EXPECT_EQ(wrongSums(sums), 0);
}
TEST(EmulatedWarpgroup, MultipliesRegistersByATransposedMatrix) {
  std::vector<float> sums(64 * 16);
  ASSERT_EQ(multiplyRegisters(/*changed=*/false, sums), "");
  for (int row = 0; row < 64; ++row)
    for (int column = 0; column < 16; ++column) {
      float expected = 0;
      for (int k = 0; k < 16; ++k)
        expected += float(row + k) * float(column + 1) * float(k - 3);
      EXPECT_EQ(sums[size_t(row * 16 + column)], expected) << row << ", " << column;
    }
}
TEST(EmulatedWarpgroup, RegistersAreNotChangedBeforeTheWait) {
  std::vector<float> sums(64 * 16);
  EXPECT_TRUE(contains(multiplyRegisters(/*changed=*/true, sums),
                       "changes a register of a product before it was waited for"));
}
TEST(EmulatedWarpgroup, AWrongStrideGivesWrongSums) {
  std::vector<float> sums(8 * 64);
  ASSERT_EQ(multiply(Mistake::Stride, sums), "");
  EXPECT_GT(wrongSums(sums), 0);
}
TEST(EmulatedWarpgroup, SumsAreNotThereBeforeTheWait) {
  for (Mistake mistake : {Mistake::NoWait, Mistake::Pending}) {
    std::vector<float> sums(8 * 64);
    std::string error = multiply(mistake, sums);
    EXPECT_GT(wrongSums(sums), 8 * 60);
#ifdef LLMOPT_TEST_INSTRUMENTED
    EXPECT_EQ(error, "kernel under test: block 0: ends before a product that reads its shared "
                     "memory was waited for");
#else
    EXPECT_EQ(error, "");
#endif
  }
}
TEST(EmulatedWarpgroup, RegistersThatAreNotFenced) {
  std::vector<float> sums(8 * 64);
  EXPECT_TRUE(contains(multiply(Mistake::RegistersNotFenced, sums),
                       "block 0, thread 0: asks for a product without fenceProducts()"));
}
#ifdef LLMOPT_TEST_INSTRUMENTED
TEST(EmulatedWarpgroup, WhatThreadsWroteIsNotFenced) {
  std::vector<float> sums(8 * 64);
  EXPECT_TRUE(contains(multiply(Mistake::NoFence, sums),
                       "by an asynchronous operation, but thread 0 wrote it without "
                       "fenceAsyncSide() afterwards"));
}
TEST(EmulatedWarpgroup, AnOperandIsOverwrittenBeforeTheWait) {
  std::vector<float> sums(8 * 64);
  EXPECT_TRUE(contains(multiply(Mistake::EarlyStore, sums),
                       "which an asynchronous operation is still going to read"));
}
#endif
