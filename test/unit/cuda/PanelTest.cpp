//===- PanelTest.cpp - The kernels for weights in panels, run on a CPU ------------------------===//
//
// matvec_panels.cuh and gemm_wgmma.cuh as the emitter instantiates them, held against plain loops
// in double, in several orders of blocks and threads.
//
//===------------------------------------------------------------------------------------------===//

#include "codegen/cuda/kernels/gemm_wgmma.cuh"
#include "codegen/cuda/kernels/matvec_panels.cuh"
#include "test/unit/cuda/Emulate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

using namespace llmopt::cuda;

namespace {
/// Bytes that begin at a multiple of 16.
template <class T> class Aligned {
public:
  explicit Aligned(size_t count) : storage(count + 8) {
    first = reinterpret_cast<T *>((reinterpret_cast<uintptr_t>(storage.data()) + 15) / 16 * 16);
  }
  T *data() { return first; }

private:
  std::vector<T> storage;
  T *first;
};

/// Whole panels: heads of 16 turned whole, then columns of their own, then gate and up; the last
/// tiles of all are not full.
template <class T, int Depth> struct WholeShape {
  using Weight = T;
  using Compute = T;
  static constexpr int depth = Depth;
  static constexpr int segments = 3;
  static constexpr int columns = 3 * 16 + 24 + 2 * 40;
  static constexpr Segment segment(int index) {
    if (index == 0)
      return Segment{24, 2, {0, 8}, 8, 16, 1};
    if (index == 1)
      return Segment{24, 1, {48, 0}, 24, 0, 1};
    return Segment{40, 2, {72, 112}, 40, 0, 1};
  }
};

/// No whole panels: heads turned in half, turned interleaved, and 20 columns of gate and up.
template <class T, int Depth> struct BrokenShape {
  using Weight = T;
  using Compute = T;
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
static_assert(wholePanels<WholeShape<bf16, 64>, 16> && wholePanels<WholeShape<bf16, 64>, 128>);
static_assert(!wholePanels<BrokenShape<bf16, 64>, 16> && !wholePanels<WholeShape<bf16, 40>, 16>);

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

template <class Shape> struct Operands {
  using T = typename Shape::Weight;
  static constexpr int depth = Shape::depth, columns = Shape::columns;
  int rows;
  Aligned<T> weight{size_t((columns + 7) / 8 * WeightPanels<Shape>::offset(8, 0))};
  Aligned<T> x;
  std::vector<double> expected;

  explicit Operands(int rows)
      : rows(rows), x(size_t(rows * depth)), expected(size_t(rows * columns)) {
    std::mt19937 generator(1);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (int o = 0; o < columns; ++o)
      for (int k = 0; k < depth; ++k)
        weight.data()[WeightPanels<Shape>::offset(o, k)] = fromFloat<T>(uniform(generator));
    for (int i = 0; i < rows * depth; ++i)
      x.data()[i] = fromFloat<T>(uniform(generator));
    for (int n = 0; n < rows; ++n)
      for (int o = 0; o < columns; ++o)
        for (int k = 0; k < depth; ++k)
          expected[size_t(n * columns + o)] +=
              double(toFloat(weight.data()[WeightPanels<Shape>::offset(o, k)])) *
              toFloat(x.data()[n * depth + k]);
  }
};

struct BlockOrder {
  bool falling;
  uint64_t seed;
};
constexpr BlockOrder orders[] = {{false, 0}, {true, 0}, {false, 1}, {false, 2}};

/// run(y, writes, rows, shared) is the kernel, in `blocks` blocks.
template <class Kernel, class Shape, class Run> void check(int blocks, int rows, const Run &run) {
  Operands<Shape> operands(rows);
  for (BlockOrder order : orders) {
    std::vector<float> y(size_t(rows) * Shape::columns, NAN);
    std::vector<int> writes(y.size());
    std::string error = emulate(
        blocks, Kernel::threads, Kernel::sharedBytes, order.falling,
        [&](char *shared) { run(operands, StoreAll<Shape>{y.data(), writes.data()}, shared); },
        order.seed);
    ASSERT_EQ(error, "");
    for (size_t i = 0; i < y.size(); ++i) {
      EXPECT_NEAR(y[i], operands.expected[i], 1e-5 * std::sqrt(double(Shape::depth)))
          << "row " << i / Shape::columns << ", column " << i % Shape::columns;
      EXPECT_EQ(writes[i], 1);
    }
  }
}

/// A block for each tile.
template <class Kernel, class Shape, int RowsOfTile> void check(int rows) {
  check<Kernel, Shape>(Kernel::columnTiles * ceilDivide(rows, RowsOfTile), rows,
                       [&](Operands<Shape> &operands, const StoreAll<Shape> &store, char *shared) {
                         Kernel::tile(operands.weight.data(), DirectRows<Shape>{operands.x.data()},
                                      store, rows, blockIndex(), shared, GridGate());
                       });
}

/// `blocks` blocks, which share the tiles.
template <class Kernel, class Shape> void checkStream(int blocks, int rows) {
  check<Kernel, Shape>(blocks, rows,
                       [&](Operands<Shape> &operands, const StoreAll<Shape> &store, char *shared) {
                         Tiles tiles{blockIndex(), blocks, Kernel::tileCount(rows)};
                         Kernel::run(operands.weight.data(), DirectRows<Shape>{operands.x.data()},
                                     store, rows, tiles, shared, GridGate());
                       });
}
} // namespace

//===- Few rows -------------------------------------------------------------------------------===//

TEST(PanelMatvec, OneRow) {
  using Shape = WholeShape<bf16, 4160>;
  checkStream<PanelMatvec<Shape, 1, 16, 512, 8, 3>, Shape>(3, 1);
}
TEST(PanelMatvec, ABlockForEachTile) {
  using Shape = WholeShape<bf16, 512>;
  using Kernel = PanelMatvec<Shape, 4, 16, 256, 8, 4>;
  checkStream<Kernel, Shape>(Kernel::columnTiles, 4);
}
TEST(PanelMatvec, OneBlock) {
  using Shape = WholeShape<f16, 256>;
  checkStream<PanelMatvec<Shape, 1, 16, 256, 4, 2>, Shape>(1, 1);
}
TEST(PanelMatvec, SeveralTilesOfRows) {
  using Shape = WholeShape<f16, 272>;
  checkStream<PanelMatvec<Shape, 4, 16, 128, 2, 2>, Shape>(5, 7);
}
TEST(PanelMatvec, SixteenRows) {
  using Shape = WholeShape<bf16, 1024>;
  checkStream<PanelMatvec<Shape, 16, 32, 128, 4, 2>, Shape>(2, 13);
}
TEST(PanelMatvec, OneStage) {
  using Shape = WholeShape<bf16, 64>;
  checkStream<PanelMatvec<Shape, 1, 16, 256, 8, 1>, Shape>(4, 1);
}
TEST(PanelMatvec, BrokenPanels) {
  using Shape = BrokenShape<bf16, 1024>;
  checkStream<PanelMatvec<Shape, 8, 16, 128, 4, 2>, Shape>(3, 5);
}
TEST(PanelMatvec, BrokenPanelsAndOddDepth) {
  using Shape = BrokenShape<f16, 173>;
  checkStream<PanelMatvec<Shape, 1, 16, 128, 2, 3>, Shape>(6, 2);
}

//===- Many rows ------------------------------------------------------------------------------===//

TEST(WgmmaGemm, LargeTiles) {
  using Shape = WholeShape<bf16, 448>;
  check<WgmmaGemm<Shape, WgmmaSchedule<128, 256, 4, 2>>, Shape, 256>(259);
}
TEST(WgmmaGemm, TwoTilesOfColumnsForAConsumer) {
  using Shape = WholeShape<bf16, 192>;
  check<WgmmaGemm<Shape, WgmmaSchedule<256, 64, 3, 2>>, Shape, 64>(40);
}
TEST(WgmmaGemm, FewStepsAndADepthOfPairsOfCores) {
  using Shape = WholeShape<f16, 48>;
  check<WgmmaGemm<Shape, WgmmaSchedule<64, 64, 8, 1>>, Shape, 64>(64);
}
TEST(WgmmaGemm, SixteenRows) {
  using Shape = WholeShape<f16, 656>;
  check<WgmmaGemm<Shape, WgmmaSchedule<64, 16, 8, 1>>, Shape, 16>(20);
}
TEST(WgmmaGemm, EightRows) {
  using Shape = WholeShape<bf16, 128>;
  check<WgmmaGemm<Shape, WgmmaSchedule<64, 8, 2, 1>>, Shape, 8>(3);
}
TEST(WgmmaGemm, BrokenPanels) {
  using Shape = BrokenShape<bf16, 320>;
  check<WgmmaGemm<Shape, WgmmaSchedule<128, 128, 3, 2>>, Shape, 128>(130);
}
TEST(WgmmaGemm, BrokenPanelsAndOddDepth) {
  using Shape = BrokenShape<f16, 173>;
  check<WgmmaGemm<Shape, WgmmaSchedule<64, 32, 2, 1>>, Shape, 32>(33);
}
