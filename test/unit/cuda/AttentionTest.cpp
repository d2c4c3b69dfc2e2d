//===- AttentionTest.cpp - The attention templates, executed on the emulator ------------------===//
//
// Every policy against a plain softmax in float64, for batches in which chunks and decodes are
// mixed, in two block orders.
//
//===------------------------------------------------------------------------------------------===//

#include "codegen/cuda/kernels/attention_exact.cuh"
#include "codegen/cuda/kernels/attention_tensor.cuh"
#include "codegen/cuda/kernels/attention_wgmma.cuh"
#include "codegen/cuda/kernels/launch.cuh"
#include "test/unit/cuda/Emulate.h"
#include "test/unit/cuda/TestValues.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

using namespace llmopt::cuda;

namespace {
template <class T, int Heads, int KvHeads, int HeadDim, int Window = 0, bool Alibi = false,
          int Softcap = 0, int PartKeys = 0, int Parts = 0>
struct TestAttention {
  using Query = T;
  using Result = T;
  using Cache = CacheLayout<T, KvHeads, HeadDim>;
  static constexpr int heads = Heads;
  static constexpr float scale = 0.25f;
  static constexpr int window = Window;
  static constexpr float softcap = Softcap;
  static constexpr bool alibi = Alibi;
  static constexpr int partKeys = PartKeys, parts = Parts;
  static float slope(int head) { return 0.1f / float(1 + head); }
};

/// Three sequences: 37 rows from position 0, one row at 200, 5 rows from position 90. Where keys
/// are in many parts also rows on both sides of a fixed part's bounds, and of what a window of 70
/// sees, and a row among the larger ones.
struct TestBatch {
  std::vector<int> tokens, positions, sequenceOf, logitRow, firstRow{0}, pageTable;
  LlmoptBatch batch{};
  int context = 256;

  explicit TestBatch(bool manyParts) {
    addRows(37, 0);
    addRows(1, 200);
    addRows(5, 90);
    if (manyParts) {
      context = 1024;
      addRows(9, 60);
      addRows(9, 130);
      addRows(1, 900);
      addRows(4, 510);
    }
    batch.tokens = int(positions.size());
    batch.sequences = int(firstRow.size()) - 1;
    batch.pageTableStride = context / 16;
    // Pages in an order of their own.
    int pages = batch.sequences * batch.pageTableStride;
    for (int i = 0; i < pages; ++i)
      pageTable.push_back((i * 29 + 7) % pages);
    batch.positions = positions.data();
    batch.sequenceOf = sequenceOf.data();
    batch.firstRow = firstRow.data();
    batch.pageTable = pageTable.data();
  }
  void addRows(int count, int position) {
    int sequence = int(firstRow.size()) - 1;
    for (int i = 0; i < count; ++i) {
      positions.push_back(position + i);
      sequenceOf.push_back(sequence);
    }
    firstRow.push_back(firstRow.back() + count);
  }
};

/// Checks the results of a batch, a row by itself with its keys in Splits parts (0: rows in tiles),
/// and puts them into `results`.
template <class Config, class Products, int Splits>
void checkAttention(std::vector<typename Config::Result> *results = nullptr,
                    bool manyKeys = false) {
  using T = typename Config::Query;
  using Cache = typename Config::Cache;
  using Kernel = Attention<Config, Products, (Splits > 0)>;
  constexpr int d = Cache::headDim;
  TestBatch test(manyKeys || Config::partKeys > 0 || Splits > 8);
  const LlmoptBatch &batch = test.batch;
  std::vector<T> q = randomValues<T>(size_t(batch.tokens) * Config::heads * d, 3);
  std::vector<T> pages = randomValues<T>(test.pageTable.size() * Cache::pageElements, 4);
  // Positions that no sequence has reached hold NaN, which must not be read into a result.
  for (int s = 0; s < batch.sequences; ++s)
    for (int t = test.positions[size_t(test.firstRow[size_t(s) + 1]) - 1] + 1; t < test.context;
         ++t)
      for (int h = 0; h < Cache::heads; ++h)
        for (int i = 0; i < d; ++i) {
          auto at = size_t(Cache::offset(pageOf(batch, s, t / 16), h, t, i));
          pages[at] = pages[at + Cache::keysOfPage] = fromFloat<T>(NAN);
        }
  Aligned<T> cache(pages);
  for (bool falling : {false, true}) {
    std::vector<T> result(q.size(), fromFloat<T>(NAN));
    int blocks =
        Kernel::tilesOfRows *
        (Splits > 0 ? batch.tokens * Splits : batch.tokens / Kernel::rowsOfBlock + batch.sequences);
    std::vector<float> workspace(size_t(Splits > 1 ? blocks * Kernel::partialFloatsOfTile : 1),
                                 NAN);
    std::vector<unsigned> arrivals(size_t(batch.tokens * Kernel::tilesOfRows));
    std::string error =
        emulate(blocks, Kernel::threads, Kernel::sharedBytes, falling, [&](char *shared) {
          Kernel::tile(batch, q.data(), cache.data(), result.data(), workspace.data(),
                       arrivals.data(), blockIndex(), blocks, shared, GridGate());
        });
    ASSERT_EQ(error, "");
    for (unsigned count : arrivals)
      EXPECT_EQ(count, 0u);
    for (int n = 0; n < batch.tokens; ++n)
      for (int h = 0; h < Config::heads; ++h) {
        int p = test.positions[size_t(n)];
        int kvHead = h / (Config::heads / Cache::heads);
        const T *query = q.data() + (n * Config::heads + h) * d;
        double total = 0;
        std::vector<double> expected(d);
        for (int t = Config::window ? larger(0, p - Config::window + 1) : 0; t <= p; ++t) {
          const int page = pageOf(batch, test.sequenceOf[size_t(n)], t / 16);
          auto key = [&](int dim) { return cache.data() + Cache::offset(page, kvHead, t, dim); };
          double s = 0;
          for (int i = 0; i < d; ++i)
            s += double(toFloat(query[i])) * toFloat(*key(i));
          if (Config::alibi)
            s += roundTo<bf16>(Config::slope(h) * roundTo<bf16>(float(t)));
          s *= Config::scale;
          if (Config::softcap > 0)
            s = Config::softcap * std::tanh(s / Config::softcap);
          total += std::exp(s);
          for (int i = 0; i < d; ++i)
            expected[size_t(i)] += std::exp(s) * toFloat(key(i)[Cache::keysOfPage]);
        }
        for (int i = 0; i < d; ++i)
          EXPECT_NEAR(toFloat(result[size_t((n * Config::heads + h) * d + i)]),
                      expected[size_t(i)] / total, tolerance<T>())
              << "row " << n << ", head " << h << ", element " << i;
      }
    if (results)
      *results = result;
  }
}
} // namespace

TEST(CudaAttention, ExactDecodeInSplits) {
  using Config = TestAttention<float, 8, 2, 20>;
  checkAttention<Config, ExactAttention<Config, 4, 32>, 5>();
}
TEST(CudaAttention, ExactPrefill) {
  using Config = TestAttention<float, 4, 4, 16>;
  checkAttention<Config, ExactAttention<Config, 16, 32>, 0>();
}
TEST(CudaAttention, ExactPrefillOfAGroupLargerThanTheTile) {
  using Config = TestAttention<float, 19, 1, 8, 50, true>;
  checkAttention<Config, ExactAttention<Config, 16, 32>, 0>();
}
TEST(CudaAttention, TensorDecodeInSplits) {
  using Config = TestAttention<bf16, 8, 2, 64>;
  checkAttention<Config, TensorAttention<Config, 1, 4, 16>, 3>();
}
TEST(CudaAttention, TensorDecodeOfOneSplit) {
  using Config = TestAttention<f16, 4, 4, 32>;
  checkAttention<Config, TensorAttention<Config, 1, 4, 32>, 1>();
}
TEST(CudaAttention, TensorDecodeOfAGroupLargerThanTheTile) {
  using Config = TestAttention<bf16, 35, 1, 16>;
  checkAttention<Config, TensorAttention<Config, 1, 4, 16>, 4>();
}
TEST(CudaAttention, TensorDecodeInManySplits) {
  using Config = TestAttention<bf16, 6, 2, 64>;
  checkAttention<Config, TensorAttention<Config, 1, 4, 16>, 20>();
}
TEST(CudaAttention, TensorDecodeOfAWideGroup) {
  using Config = TestAttention<bf16, 71, 1, 16>;
  checkAttention<Config, TensorAttention<Config, 5, 1, 64>, 9>();
}
TEST(CudaAttention, TensorDecodeOfTwoQueryTiles) {
  using Config = TestAttention<f16, 40, 2, 32>;
  checkAttention<Config, TensorAttention<Config, 2, 2, 32>, 9>();
}
TEST(CudaAttention, ExactDecodeInMoreSplitsThanThereIsRoomForWeightsOf) {
  using Config = TestAttention<float, 16, 1, 8>;
  using Products = ExactAttention<Config, 16, 32>;
  static_assert(Products::sharedBytes / (16 * 4) < 150, "of parts");
  checkAttention<Config, Products, 150>();
}
TEST(CudaAttention, TensorPrefillGrouped) {
  using Config = TestAttention<bf16, 6, 2, 80>;
  checkAttention<Config, TensorAttention<Config, 4, 1, 64>, 0>();
}
TEST(CudaAttention, TensorPrefillOfSmallHeadsWithAlibi) {
  using Config = TestAttention<f16, 2, 2, 8, 0, true>;
  checkAttention<Config, TensorAttention<Config, 4, 1, 64>, 0>();
}
TEST(CudaAttention, TensorPrefillInAWindow) {
  using Config = TestAttention<f16, 2, 1, 16, 20>;
  checkAttention<Config, TensorAttention<Config, 4, 1, 64>, 0>();
}
TEST(CudaAttention, TensorDecodeInAWindowWithSoftCap) {
  using Config = TestAttention<f16, 2, 1, 16, 100, false, 2>;
  checkAttention<Config, TensorAttention<Config, 1, 4, 16>, 2>();
}

/// With fixed parts a row has the same bits by itself and in tiles of several rows.
template <class Config, class Decode, class Prefill, class SmallPrefill> void checkFixedParts() {
  using Values = std::vector<typename Config::Result>;
  Values decode, prefill, small;
  checkAttention<Config, Decode, Config::parts>(&decode);
  checkAttention<Config, Prefill, 0>(&prefill);
  checkAttention<Config, SmallPrefill, 0>(&small);
  ASSERT_EQ(decode.size(), prefill.size());
  EXPECT_EQ(std::memcmp(decode.data(), prefill.data(), decode.size() * sizeof(decode[0])), 0);
  EXPECT_EQ(std::memcmp(decode.data(), small.data(), decode.size() * sizeof(decode[0])), 0);
}
TEST(CudaAttention, FixedPartsFollowEachOther) {
  using Parts = FixedParts<32>;
  for (int part = 0; part < 60; ++part) {
    EXPECT_EQ(Parts::partOf(Parts::begin(part)), part);
    EXPECT_EQ(Parts::partOf(Parts::begin(part + 1) - 1), part);
  }
  EXPECT_EQ(FixedParts<128>::partOf(131071), 63);
}
TEST(CudaAttention, FixedPartsOnTensorCores) {
  using Config = TestAttention<bf16, 4, 2, 64, 0, false, 0, /*PartKeys=*/64, /*Parts=*/15>;
  checkFixedParts<Config, TensorAttention<Config, 1, 1, 64>, TensorAttention<Config, 4, 1, 64>,
                  TensorAttention<Config, 1, 1, 64>>();
}
TEST(CudaAttention, FixedPartsInAWindowWithAlibi) {
  using Config = TestAttention<f16, 6, 2, 16, 70, true, 0, /*PartKeys=*/64, /*Parts=*/16>;
  checkFixedParts<Config, TensorAttention<Config, 1, 1, 64>, TensorAttention<Config, 4, 1, 64>,
                  TensorAttention<Config, 2, 1, 64>>();
}
TEST(CudaAttention, FixedPartsInFloat32) {
  using Config = TestAttention<float, 4, 2, 20, 0, false, 30, /*PartKeys=*/32, /*Parts=*/30>;
  checkFixedParts<Config, ExactAttention<Config, 2, 32>, ExactAttention<Config, 16, 32>,
                  ExactAttention<Config, 8, 32>>();
}
TEST(CudaAttention, OneFixedPart) {
  using Config = TestAttention<bf16, 2, 2, 32, 0, false, 0, /*PartKeys=*/64, /*Parts=*/1>;
  checkFixedParts<Config, TensorAttention<Config, 1, 1, 64>, TensorAttention<Config, 4, 1, 64>,
                  TensorAttention<Config, 2, 1, 64>>();
}

/// The head sizes of models, with the tiles that the emitter gives them: decode and prefill, on the
/// tensor cores and in float32.
template <class T, int Heads, int KvHeads, int HeadDim, bool Alibi> void checkHeadSize() {
  using Config = TestAttention<T, Heads, KvHeads, HeadDim, 0, Alibi>;
  if constexpr (same<T, float>) {
    checkAttention<Config, ExactAttention<Config, Heads / KvHeads, 32>, 3>();
    checkAttention<Config, ExactAttention<Config, 16, 32>, 0>();
  } else {
    checkAttention<Config, TensorAttention<Config, 1, 4, (HeadDim <= 64 ? 32 : 16)>, 3>();
    checkAttention<Config, TensorAttention<Config, 4, 1, (HeadDim <= 128 ? 64 : 32)>, 0>();
  }
}
TEST(CudaAttention, Heads64) { checkHeadSize<f16, 2, 2, 64, false>(); }
TEST(CudaAttention, Heads80Grouped) { checkHeadSize<bf16, 4, 2, 80, false>(); }
TEST(CudaAttention, Heads96OfOneKeyHeadWithAlibi) { checkHeadSize<f16, 2, 1, 96, true>(); }
TEST(CudaAttention, Heads128Grouped) { checkHeadSize<f16, 4, 2, 128, false>(); }
TEST(CudaAttention, Heads256OfOneKeyHead) { checkHeadSize<bf16, 2, 1, 256, false>(); }
TEST(CudaAttention, Heads80InFloat32) { checkHeadSize<float, 2, 2, 80, false>(); }
TEST(CudaAttention, Heads96InFloat32WithAlibi) { checkHeadSize<float, 2, 1, 96, true>(); }
TEST(CudaAttention, Heads128InFloat32) { checkHeadSize<float, 4, 1, 128, false>(); }
TEST(CudaAttention, Heads256InFloat32) { checkHeadSize<float, 2, 2, 256, false>(); }

//===- On warpgroups --------------------------------------------------------------------------===//

TEST(CudaAttention, WarpgroupsWithOneHeadAGroup) {
  using Config = TestAttention<bf16, 2, 2, 64>;
  checkAttention<Config, WgmmaAttention<Config, 128, 2>, 0>();
}
TEST(CudaAttention, WarpgroupsGrouped) {
  using Config = TestAttention<bf16, 8, 2, 128>;
  checkAttention<Config, WgmmaAttention<Config, 128, 2>, 0>();
}
TEST(CudaAttention, WarpgroupsInManySteps) {
  using Config = TestAttention<f16, 8, 1, 64, 0, false, 0>;
  checkAttention<Config, WgmmaAttention<Config, 64, 3>, 0>(nullptr, /*manyKeys=*/true);
}
TEST(CudaAttention, WarpgroupsWithAGroupThatIsNoDivisor) {
  using Config = TestAttention<bf16, 71, 1, 64>;
  checkAttention<Config, WgmmaAttention<Config, 128, 2>, 0>();
}
TEST(CudaAttention, WarpgroupsInAWindow) {
  using Config = TestAttention<f16, 4, 2, 64, 70>;
  checkAttention<Config, WgmmaAttention<Config, 64, 2>, 0>(nullptr, /*manyKeys=*/true);
}
TEST(CudaAttention, WarpgroupsWithAlibiAndSoftCap) {
  using Config = TestAttention<bf16, 2, 1, 64, 0, true, 2>;
  checkAttention<Config, WgmmaAttention<Config, 128, 2>, 0>();
}
TEST(CudaAttention, WarpgroupsWithHeads80) {
  using Config = TestAttention<f16, 2, 1, 80>;
  checkAttention<Config, WgmmaAttention<Config, 128, 2>, 0>();
}
TEST(CudaAttention, WarpgroupsWithHeads96) {
  using Config = TestAttention<bf16, 4, 1, 96>;
  checkAttention<Config, WgmmaAttention<Config, 128, 2>, 0>();
}
TEST(CudaAttention, WarpgroupsWithHeads256) {
  using Config = TestAttention<bf16, 1, 1, 256>;
  checkAttention<Config, WgmmaAttention<Config, 64, 2>, 0>();
}
