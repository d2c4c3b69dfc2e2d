//===- KernelTest.cpp - The kernel templates, run on a CPU ------------------------------------===//
//
// Instances as the emitter writes them, held against plain loops in double. Blocks run in both
// orders.
//
//===------------------------------------------------------------------------------------------===//

#include "codegen/cuda/kernels/attention_exact.cuh"
#include "codegen/cuda/kernels/attention_tensor.cuh"
#include "codegen/cuda/kernels/gemm.cuh"
#include "codegen/cuda/kernels/matvec.cuh"
#include "test/unit/cuda/Emulate.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

using namespace llmopt::cuda;

namespace {
template <class T> std::vector<T> randomValues(size_t count, unsigned seed, float scale = 1) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-scale, scale);
  std::vector<T> values(count);
  for (T &value : values)
    value = fromFloat<T>(uniform(generator));
  return values;
}

/// A vector whose first element is 16-byte aligned.
template <class T> class Aligned {
public:
  explicit Aligned(const std::vector<T> &values) : storage(values.size() + 16) {
    size_t offset = 0;
    while (reinterpret_cast<uintptr_t>(storage.data() + offset) % 16)
      ++offset;
    std::copy(values.begin(), values.end(), storage.begin() + long(offset));
    first = storage.data() + offset;
  }
  T *data() { return first; }

private:
  std::vector<T> storage;
  T *first;
};

template <class T> double tolerance() { return same<T, float> ? 1e-5 : same<T, f16> ? 2e-3 : 1e-2; }

//===- Linears --------------------------------------------------------------------------------===//

/// Queries with half of each head rotated, keys whole and interleaved, and gate with up: what the
/// emitter makes of them, 3 heads of 16, 2 heads of 8, 20 columns. The depth is no multiple of
/// anything.
template <class W, class C, int Depth> struct TestShape {
  using Weight = W;
  using Compute = C;
  static constexpr int depth = Depth;
  static constexpr int segments = 4;
  static constexpr int columns = 3 * 16 + 2 * 8 + 2 * 20;
  static constexpr Segment segment(int index) {
    if (index == 0)
      return Segment{12, 2, {0, 4}, 4, 16, 1};
    if (index == 1)
      return Segment{24, 1, {8, 0}, 8, 16, 1};
    if (index == 2)
      return Segment{8, 2, {48, 49}, 4, 8, 2};
    return Segment{20, 2, {64, 84}, 20, 0, 1};
  }
};

/// Puts every sum where it is of y, [rows][columns].
template <class Shape> struct StoreAll {
  float *y;
  int *writes;
  void put(int row, int column, float value) const {
    y[row * Shape::columns + column] = value;
    ++writes[row * Shape::columns + column];
  }
  void operator()(int segment, int row, int unit, float a, float b) const {
    Segment facts = Shape::segment(segment);
    put(row, facts.weightRow(unit, 0), a);
    if (facts.streams == 2)
      put(row, facts.weightRow(unit, 1), b);
  }
};

/// x scaled by an RMS norm, as a prologue.
template <class Shape> struct NormInput {
  using Compute = typename Shape::Compute;
  const Compute *x;
  struct Statistics {
    RowStatistics norm0;
  };
  template <class Block> Statistics prepare(const Block &block, int row) const {
    return {rmsStatistics(block, Shape::depth, 1e-5f, [&](int column) {
      return toFloat(rowOf(x, row, Shape::depth)[column]);
    })};
  }
  float element(int row, int column, const Statistics &statistics) const {
    return statistics.norm0.normalize(toFloat(rowOf(x, row, Shape::depth)[column]));
  }
};

/// Weights in rows of weightStride elements, zeros past the depth.
template <class Shape> std::vector<typename Shape::Weight> randomWeights() {
  using W = typename Shape::Weight;
  constexpr size_t stride = weightStride<Shape>;
  if constexpr (elementBits<W> >= 16) {
    std::vector<W> weights = randomValues<W>(Shape::columns * stride, 1);
    for (size_t i = 0; i < weights.size(); ++i)
      if (i % stride >= Shape::depth)
        weights[i] = fromFloat<W>(0);
    return weights;
  } else {
    std::mt19937 random(1);
    std::vector<W> weights(Shape::columns * stride * elementBits<W> / 8);
    auto *bytes = reinterpret_cast<unsigned char *>(weights.data());
    for (size_t i = 0; i < weights.size(); ++i) {
      size_t element = i * 8 / elementBits<W> % stride;
      bytes[i] = static_cast<unsigned char>(random());
      if (same<W, e4m3> && (bytes[i] & 0x7f) == 0x7f)
        bytes[i] = 0; // not finite
      if (element >= Shape::depth)
        bytes[i] = 0;
      else if (same<W, i4> && element + 1 == Shape::depth)
        bytes[i] &= 15;
    }
    return weights;
  }
}

template <class Kernel, class Shape, int RowsOfTile> void checkLinear(int rows, bool norm) {
  using W = typename Shape::Weight;
  using C = typename Shape::Compute;
  Aligned<W> weight(randomWeights<Shape>());
  // Of what the products are rounded to.
  const double size = same<W, e4m3> ? 448 : same<W, i8> ? 128 : same<W, i4> ? 8 : 1;
  Aligned<C> x(randomValues<C>(size_t(rows) * Shape::depth, 2));
  for (bool falling : {false, true}) {
    std::vector<float> y(size_t(rows) * Shape::columns, NAN);
    std::vector<int> writes(y.size());
    int blocks = Kernel::columnTiles * ceilDivide(rows, RowsOfTile);
    std::string error =
        emulate(blocks, Kernel::threads, Kernel::sharedBytes, falling, [&](char *shared) {
          StoreAll<Shape> epilogue{y.data(), writes.data()};
          if constexpr (RowsOfTile <= 4) {
            if (norm) {
              Kernel::tile(weight.data(), NormInput<Shape>{x.data()}, epilogue, rows, blockIndex(),
                           shared, GridGate());
              return;
            }
          }
          Kernel::tile(weight.data(), DirectRows<Shape>{x.data()}, epilogue, rows, blockIndex(),
                       shared, GridGate());
        });
    ASSERT_EQ(error, "");
    for (int n = 0; n < rows; ++n) {
      double squares = 0;
      for (int k = 0; k < Shape::depth; ++k)
        squares += std::pow(toFloat(x.data()[n * Shape::depth + k]), 2);
      double scale = norm ? 1 / std::sqrt(squares / Shape::depth + 1e-5) : 1;
      for (int o = 0; o < Shape::columns; ++o) {
        double sum = 0;
        for (int k = 0; k < Shape::depth; ++k)
          sum += double(roundTo<C>(elementOf(weight.data(), o * weightStride<Shape> + k))) * scale *
                 toFloat(x.data()[n * Shape::depth + k]);
        EXPECT_NEAR(y[size_t(n * Shape::columns + o)], sum,
                    size * (norm ? tolerance<C>() : 1e-5) * std::sqrt(double(Shape::depth)))
            << "row " << n << ", column " << o;
        EXPECT_EQ(writes[size_t(n * Shape::columns + o)], 1);
      }
    }
  }
}
} // namespace

TEST(CudaMatvec, Bf16) {
  using Shape = TestShape<bf16, bf16, 4500>;
  checkLinear<Matvec<Shape, 1, 8, 8, 3>, Shape, 1>(1, true);
}
TEST(CudaMatvec, F16OddDepthAndSeveralTilesOfRows) {
  using Shape = TestShape<f16, f16, 173>;
  checkLinear<Matvec<Shape, 4, 8, 8, 2>, Shape, 4>(7, false);
}
TEST(CudaMatvec, F32WithNorm) {
  using Shape = TestShape<float, float, 1030>;
  checkLinear<Matvec<Shape, 4, 4, 8, 2>, Shape, 4>(3, true);
}
TEST(CudaMatvec, F32WeightsRoundedToBf16) {
  using Shape = TestShape<float, bf16, 300>;
  checkLinear<Matvec<Shape, 4, 8, 4, 3>, Shape, 4>(4, false);
}

TEST(CudaMatvec, EveryNumberOfRows) {
  using Shape = TestShape<bf16, bf16, 173>;
  for (int rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 64, 100}) {
    SCOPED_TRACE(rows);
    if (rows < 4)
      checkLinear<Matvec<Shape, 1, 8, 2, 2>, Shape, 1>(rows, false);
    if (rows < 8)
      checkLinear<Matvec<Shape, 2, 8, 2, 2>, Shape, 2>(rows, false);
    if (rows < 16)
      checkLinear<Matvec<Shape, 4, 8, 2, 2>, Shape, 4>(rows, false);
    checkLinear<Matvec<Shape, 8, 8, 2, 2>, Shape, 8>(rows, false);
    checkLinear<Matvec<Shape, 16, 4, 2, 2>, Shape, 16>(rows, false);
  }
}
TEST(CudaMatvec, SixteenRowsOfFloats) {
  using Shape = TestShape<float, float, 300>;
  checkLinear<Matvec<Shape, 16, 8, 4, 2>, Shape, 16>(14, false);
}
TEST(CudaMatvec, EightRowsOfFloatsRoundedToF16) {
  using Shape = TestShape<float, f16, 300>;
  checkLinear<Matvec<Shape, 8, 4, 4, 3>, Shape, 8>(11, false);
}

TEST(CudaTypes, WeightsOfEightAndFourBits) {
  // Codes of e4m3: the smallest, the smallest normal, one, minus one, the largest.
  const std::pair<int, float> codes[] = {{0x00, 0.0f},    {0x01, 0x1p-9f}, {0x07, 7 * 0x1p-9f},
                                         {0x08, 0x1p-6f}, {0x38, 1.0f},    {0xb8, -1.0f},
                                         {0x3c, 1.5f},    {0x7e, 448.0f},  {0xfe, -448.0f}};
  for (auto [code, value] : codes)
    EXPECT_EQ(toFloat(e4m3{static_cast<unsigned char>(code)}), value) << code;
  EXPECT_EQ(toFloat(i8{-128}), -128.0f);
  const i4 pairs[] = {{0x21}, {0x87}, {0xf0}};
  const float values[] = {1, 2, 7, -8, 0, -1};
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(elementOf(pairs, i), values[i]) << i;
  Piece piece = {{0x876543a1, 0, 0, 0xf0000000}};
  float unpacked[32];
  unpack(piece, unpacked, i4{});
  EXPECT_EQ(unpacked[0], 1);
  EXPECT_EQ(unpacked[1], -6);
  EXPECT_EQ(unpacked[7], -8);
  EXPECT_EQ(unpacked[31], -1);
}
TEST(CudaMatvec, WeightsOfEightAndFourBits) {
  checkLinear<Matvec<TestShape<e4m3, bf16, 600>, 1, 8, 2, 3>, TestShape<e4m3, bf16, 600>, 1>(1,
                                                                                             true);
  checkLinear<Matvec<TestShape<i8, f16, 1030>, 2, 8, 2, 2>, TestShape<i8, f16, 1030>, 2>(2, false);
  checkLinear<Matvec<TestShape<i4, bf16, 1100>, 1, 4, 2, 2>, TestShape<i4, bf16, 1100>, 1>(1,
                                                                                           false);
}
TEST(CudaGemm, WeightsOfEightAndFourBits) {
  using Schedule = GemmSchedule<32, 16, 128, 3, 2, 1, 4>;
  checkLinear<Gemm<TestShape<e4m3, f16, 168>, Schedule>, TestShape<e4m3, f16, 168>, 16>(10, false);
  checkLinear<Gemm<TestShape<i8, bf16, 168>, Schedule>, TestShape<i8, bf16, 168>, 16>(5, false);
  checkLinear<Gemm<TestShape<i4, bf16, 352>, Schedule>, TestShape<i4, bf16, 352>, 16>(17, false);
}

TEST(CudaGemm, EveryNumberOfRows) {
  using Shape = TestShape<f16, f16, 168>;
  for (int rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 64, 100}) {
    SCOPED_TRACE(rows);
    checkLinear<Gemm<Shape, GemmSchedule<32, 16, 64, 3, 2, 1, 2>>, Shape, 16>(rows, false);
    if (rows > 16)
      checkLinear<Gemm<Shape, GemmSchedule<128, 128, 64, 3, 2, 4, 1>>, Shape, 128>(rows, false);
  }
}
TEST(CudaGemm, Bf16LargeTiles) {
  using Shape = TestShape<bf16, bf16, 200>;
  checkLinear<Gemm<Shape, GemmSchedule<128, 128, 64, 3, 2, 4, 1>>, Shape, 128>(131, false);
}
TEST(CudaGemm, Bf16SmallTilesWithSplitDepth) {
  using Shape = TestShape<bf16, bf16, 1000>;
  checkLinear<Gemm<Shape, GemmSchedule<32, 16, 256, 3, 2, 1, 4>>, Shape, 16>(9, false);
}
TEST(CudaGemm, F16OddDepth) {
  using Shape = TestShape<f16, f16, 173>;
  checkLinear<Gemm<Shape, GemmSchedule<32, 16, 64, 3, 2, 1, 2>>, Shape, 16>(20, false);
}
TEST(CudaGemm, F32) {
  using Shape = TestShape<float, float, 100>;
  checkLinear<Gemm<Shape, GemmSchedule<128, 64, 32, 3, 8, 1, 1>>, Shape, 64>(70, false);
}
TEST(CudaGemm, F32SmallTiles) {
  using Shape = TestShape<float, float, 172>;
  checkLinear<Gemm<Shape, GemmSchedule<64, 16, 32, 4, 8, 1, 1>>, Shape, 16>(5, false);
}
TEST(CudaGemm, F32WeightsRoundedToF16) {
  using Shape = TestShape<float, f16, 168>;
  checkLinear<Gemm<Shape, GemmSchedule<128, 64, 32, 3, 4, 2, 1>>, Shape, 64>(10, false);
}
TEST(CudaGemm, F32WeightsRoundedToBf16WithSplitDepth) {
  using Shape = TestShape<float, bf16, 168>;
  checkLinear<Gemm<Shape, GemmSchedule<32, 16, 128, 3, 2, 1, 4>>, Shape, 16>(10, false);
}

//===- Attention ------------------------------------------------------------------------------===//

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
void checkAttention(std::vector<typename Config::Result> *results = nullptr) {
  using T = typename Config::Query;
  using Cache = typename Config::Cache;
  using Kernel = Attention<Config, Products, (Splits > 0)>;
  constexpr int d = Cache::headDim;
  TestBatch test(Config::partKeys > 0 || Splits > 8);
  const LlmoptBatch &batch = test.batch;
  std::vector<T> q = randomValues<T>(size_t(batch.tokens) * Config::heads * d, 3);
  std::vector<T> pages = randomValues<T>(test.pageTable.size() * Cache::pageElements, 4);
  // Positions that no sequence has reached hold NaN, which must not be read into a result.
  for (int s = 0; s < batch.sequences; ++s)
    for (int t = test.positions[size_t(test.firstRow[size_t(s) + 1]) - 1] + 1; t < test.context;
         ++t)
      for (int h = 0; h < Cache::heads; ++h)
        for (int i = 0; i < d; ++i) {
          auto at = size_t(Cache::offset(pageOf(batch, s, t / 16), h, t) + i);
          pages[at] = pages[at + Cache::keysOfPage] = fromFloat<T>(NAN);
        }
  Aligned<T> cache(pages);
  for (bool falling : {false, true}) {
    std::vector<T> result(q.size(), fromFloat<T>(NAN));
    int blocks =
        Kernel::tilesOfRows *
        (Splits > 0 ? batch.tokens * Splits : batch.tokens / Kernel::rowsOfTile + batch.sequences);
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
          const T *key =
              cache.data() +
              Cache::offset(pageOf(batch, test.sequenceOf[size_t(n)], t / 16), kvHead, t);
          double s = 0;
          for (int i = 0; i < d; ++i)
            s += double(toFloat(query[i])) * toFloat(key[i]);
          if (Config::alibi)
            s += roundTo<bf16>(Config::slope(h) * roundTo<bf16>(float(t)));
          s *= Config::scale;
          if (Config::softcap > 0)
            s = Config::softcap * std::tanh(s / Config::softcap);
          total += std::exp(s);
          for (int i = 0; i < d; ++i)
            expected[size_t(i)] += std::exp(s) * toFloat(key[Cache::keysOfPage + i]);
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
