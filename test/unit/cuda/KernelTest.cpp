//===- KernelTest.cpp - The kernel templates, run on a CPU ------------------------------------===//
//
// Instances as the emitter writes them, held against plain loops in double. Blocks run in both
// orders.
//
//===------------------------------------------------------------------------------------------===//

#include "codegen/cuda/kernels/gemm.cuh"
#include "codegen/cuda/kernels/matvec.cuh"
#include "test/unit/cuda/Emulate.h"
#include "test/unit/cuda/TestValues.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

using namespace llmopt::cuda;

namespace {
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
