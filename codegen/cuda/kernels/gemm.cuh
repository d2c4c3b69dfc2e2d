//===- gemm.cuh - Linears of many rows: tiles of a matrix product -----------------------------===//
//
// A block makes a tile of `Columns` outputs of `Rows` rows. K goes by in steps of `Depth`, through
// a ring of `Stages` asynchronous copies of both operands in shared memory. Weights are the left
// (M) operand of the tensor-core product, so rows of x are its independent columns. Warps are
// arranged WarpColumns x WarpRows x WarpDepths; the last split each step of K, and their sums are
// added in order at the end. Float products take the cores' FMA units (FloatProduct) instead of
// the tensor cores (TensorProduct).
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_GEMM_CUH
#define LLMOPT_CUDA_GEMM_CUH

#include "linear.cuh"

namespace llmopt::cuda {

/// How a block divides its tile.
template <int TileColumns, int TileRows, int StepDepth, int StageCount, int WarpsOfColumns,
          int WarpsOfRows, int WarpsOfDepth>
struct GemmSchedule {
  static constexpr int columns = TileColumns, rows = TileRows, depth = StepDepth;
  static constexpr int stages = StageCount;
  static constexpr int warpColumns = WarpsOfColumns, warpRows = WarpsOfRows;
  static constexpr int warpDepths = WarpsOfDepth;
  static constexpr int threads = 32 * WarpsOfColumns * WarpsOfRows * WarpsOfDepth;
  /// Few rows are one tile: no other reads the same weights, so the L2 cache need not keep them.
  static constexpr bool readsOnce = rows <= 16;
};

/// Products on the tensor cores: 16 outputs x 8 rows x 16 of K at a time.
template <class Weight, class Compute, class Schedule> struct TensorProduct {
  static constexpr bool mixed = !same<Weight, Compute>;
  /// Elements after a row in shared memory, so that the lanes of a load meet different banks: 16
  /// bytes for the 16-bit rows of loadMatrices, 32 for pairs of floats, and a piece of less wide
  /// weights, whose rows stay aligned.
  static constexpr int weightPadding = larger(8, pieceElements<Weight>), xPadding = 8;
  static constexpr int tilesM = Schedule::columns / Schedule::warpColumns / 16;
  static constexpr int tilesN = Schedule::rows / Schedule::warpRows / 8;
  static constexpr int ownDepth = Schedule::depth / Schedule::warpDepths;
  static constexpr int splits = Schedule::warpDepths;
  static_assert(tilesM * Schedule::warpColumns * 16 == Schedule::columns, "whole tiles");
  static_assert(tilesN * Schedule::warpRows * 8 == Schedule::rows && tilesN % 2 == 0,
                "whole pairs of tiles");
  static_assert(ownDepth % 16 == 0, "whole steps");

  float sums[tilesM][tilesN][4] = {};
  int column, row, split;

  LLMOPT_DEVICE TensorProduct() {
    int warp = warpIndex();
    column = warp % Schedule::warpColumns * tilesM * 16;
    row = warp / Schedule::warpColumns % Schedule::warpRows * tilesN * 8;
    split = warp / (Schedule::warpColumns * Schedule::warpRows);
  }

  LLMOPT_DEVICE void step(const Weight *weights, int weightStride, const Compute *x, int xStride) {
    int lane = laneIndex();
    LLMOPT_UNROLL
    for (int inner = 0; inner < ownDepth; inner += 16) {
      int k = split * ownDepth + inner;
      unsigned left[tilesM][4];
      LLMOPT_UNROLL
      for (int m = 0; m < tilesM; ++m)
        readWeights(left[m], weights, (column + m * 16) * weightStride + k, weightStride);
      LLMOPT_UNROLL
      for (int n = 0; n < tilesN; n += 2) {
        unsigned right[4];
        loadMatrices(right,
                     x + (row + n * 8 + lane / 16 * 8 + lane % 8) * xStride + k + lane / 8 % 2 * 8);
        unsigned first[2] = {right[0], right[1]}, second[2] = {right[2], right[3]};
        LLMOPT_UNROLL
        for (int m = 0; m < tilesM; ++m) {
          multiplyAdd(sums[m][n], left[m], first, Compute{});
          multiplyAdd(sums[m][n + 1], left[m], second, Compute{});
        }
      }
    }
  }

  /// Writes the sums to staged[split][row][column].
  LLMOPT_DEVICE void stage(float *staged, int rowStride) const {
    int g = laneIndex() / 4, t = laneIndex() % 4;
    float *own = staged + split * Schedule::rows * rowStride;
    LLMOPT_UNROLL
    for (int m = 0; m < tilesM; ++m)
      LLMOPT_UNROLL
    for (int n = 0; n < tilesN; ++n) {
      float *to = own + (row + n * 8 + 2 * t) * rowStride + column + m * 16 + g;
      to[0] = sums[m][n][0];
      to[rowStride] = sums[m][n][1];
      to[8] = sums[m][n][2];
      to[rowStride + 8] = sums[m][n][3];
    }
  }

private:
  /// The 16 x 16 weights from element `first` on.
  static LLMOPT_DEVICE void readWeights(unsigned (&to)[4], const Weight *weights, int first,
                                        int stride) {
    int lane = laneIndex();
    if constexpr (mixed) {
      auto pair = [&](int row, int k) {
        int at = first + (lane / 4 + row) * stride + lane % 4 * 2 + k;
        return packPair(elementOf(weights, at), elementOf(weights, at + 1), Compute{});
      };
      to[0] = pair(0, 0);
      to[1] = pair(8, 0);
      to[2] = pair(0, 8);
      to[3] = pair(8, 8);
    } else {
      loadMatrices(to, weights + first + lane % 16 * stride + lane / 16 * 8);
    }
  }
};

/// Products of floats on the FMA units: a thread makes a grid of outputs, 16 lanes to each side.
template <class Schedule> struct FloatProduct {
  static constexpr int weightPadding = 4, xPadding = 4;
  static constexpr int splits = 1;
  static constexpr int sideM = Schedule::threads / 16; ///< threads along the columns
  static constexpr int sideN = 16;                     ///< threads along the rows
  static constexpr int tilesM = Schedule::columns / sideM;
  static constexpr int tilesN = Schedule::rows / sideN;
  static_assert(tilesM * sideM == Schedule::columns && tilesN * sideN == Schedule::rows &&
                    Schedule::depth % 4 == 0,
                "whole tiles");

  float sums[tilesM][tilesN] = {};

  LLMOPT_DEVICE void step(const float *weights, int weightStride, const float *x, int xStride) {
    int m0 = threadIndex() / sideN, n0 = threadIndex() % sideN;
    LLMOPT_UNROLL
    for (int k = 0; k < Schedule::depth; k += 4) {
      float left[tilesM][4];
      LLMOPT_UNROLL
      for (int m = 0; m < tilesM; ++m)
        unpack(*reinterpret_cast<const Piece *>(weights + (m0 + m * sideM) * weightStride + k),
               left[m], 0.0f);
      LLMOPT_UNROLL
      for (int n = 0; n < tilesN; ++n) {
        float right[4];
        unpack(*reinterpret_cast<const Piece *>(x + (n0 + n * sideN) * xStride + k), right, 0.0f);
        LLMOPT_UNROLL
        for (int m = 0; m < tilesM; ++m)
          LLMOPT_UNROLL
        for (int i = 0; i < 4; ++i)
          sums[m][n] = fmaf(left[m][i], right[i], sums[m][n]);
      }
    }
  }

  LLMOPT_DEVICE void stage(float *staged, int rowStride) const {
    int m0 = threadIndex() / sideN, n0 = threadIndex() % sideN;
    LLMOPT_UNROLL
    for (int m = 0; m < tilesM; ++m)
      LLMOPT_UNROLL
    for (int n = 0; n < tilesN; ++n)
      staged[(n0 + n * sideN) * rowStride + m0 + m * sideM] = sums[m][n];
  }
};

template <class Weight, class Compute, class Schedule> struct ProductOf {
  using Type = TensorProduct<Weight, Compute, Schedule>;
};
template <class Schedule> struct ProductOf<float, float, Schedule> {
  using Type = FloatProduct<Schedule>;
};

template <class Shape, class Schedule> struct Gemm {
  using Weight = typename Shape::Weight;
  using Compute = typename Shape::Compute;
  using Product = typename ProductOf<Weight, Compute, Schedule>::Type;
  using Tile = ColumnTile<Shape, Schedule::columns>;
  static constexpr int threads = Schedule::threads;
  static constexpr int steps = (Shape::depth + Schedule::depth - 1) / Schedule::depth;
  static constexpr int stride = weightStride<Shape>;

  /// Shared memory: stages of [columns][depth + padding] weights and [rows][depth + padding] x;
  /// afterwards the sums, [splits][rows][columns + 1].
  static constexpr int weightRow = Schedule::depth + Product::weightPadding;
  static constexpr int xRow = Schedule::depth + Product::xPadding;
  static constexpr int weightBytes = Schedule::columns * weightRow * elementBits<Weight> / 8;
  static constexpr int xBytes = Schedule::rows * xRow * int(sizeof(Compute));
  static constexpr int stageBytes = weightBytes + xBytes;
  static constexpr int sumStride = Schedule::columns + 1;
  static constexpr int sumBytes = Product::splits * Schedule::rows * sumStride * 4;
  static constexpr int sharedBytes =
      Schedule::stages * stageBytes > sumBytes ? Schedule::stages *stageBytes : sumBytes;
  static constexpr int columnTiles = Tile::count();

  /// Tile `index` of columnTiles * ceil(rows / Schedule::rows); tiles of the same columns follow
  /// each other. `x` is a DirectRows.
  template <class Rows, class Epilogue, class Gate>
  static LLMOPT_DEVICE void tile(const Weight *weight, const Rows &x, const Epilogue &epilogue,
                                 int rows, int index, char *shared, const Gate &gate) {
    int rowTiles = ceilDivide(rows, Schedule::rows);
    Tile columns(index / rowTiles);
    int firstRow = index % rowTiles * Schedule::rows;
    int rowCount = smaller(Schedule::rows, rows - firstRow);

    int weightRows[piecesOfThread];
    findRows(columns, weightRows);
    StreamPolicy once = makeStreamPolicy();

    // The first group of copies has the weights of all first stages: they come before the wait.
    LLMOPT_UNROLL
    for (int s = 0; s < Schedule::stages - 1; ++s)
      if (s < steps)
        loadWeights(weight, weightRows, s, shared + s * stageBytes, once);
    gate.wait();
    LLMOPT_UNROLL
    for (int s = 0; s < Schedule::stages - 1; ++s) {
      if (s < steps)
        loadRows(x, firstRow, rowCount, s, shared + s * stageBytes + weightBytes);
      commitCopies();
    }

    Product product;
    int stage = 0;
    for (int s = 0; s < steps; ++s) {
      waitCopies<Schedule::stages - 2>();
      syncThreads<threads>();
      int ahead = s + Schedule::stages - 1;
      char *aheadStage = shared + (stage == 0 ? Schedule::stages - 1 : stage - 1) * stageBytes;
      if (ahead < steps) {
        loadWeights(weight, weightRows, ahead, aheadStage, once);
        loadRows(x, firstRow, rowCount, ahead, aheadStage + weightBytes);
      }
      commitCopies();
      char *now = shared + stage * stageBytes;
      product.step(reinterpret_cast<const Weight *>(now), weightRow,
                   reinterpret_cast<const Compute *>(now + weightBytes), xRow);
      stage = stage == Schedule::stages - 1 ? 0 : stage + 1;
    }
    waitCopies<0>();
    syncThreads<threads>();

    float *sums = reinterpret_cast<float *>(shared);
    product.stage(sums, sumStride);
    syncThreads<threads>();
    store(columns, epilogue, firstRow, rowCount, sums);
  }

private:
  static constexpr int piece = pieceElements<Weight>;
  static constexpr int piecesOfRow = Schedule::depth / piece;
  static constexpr int piecesOfThread = (Schedule::columns * piecesOfRow + threads - 1) / threads;

  /// The weight rows of the pieces that this thread copies in each step, -1 for none.
  static LLMOPT_DEVICE void findRows(const Tile &columns, int (&weightRows)[piecesOfThread]) {
    LLMOPT_UNROLL
    for (int i = 0; i < piecesOfThread; ++i) {
      int column = (threadIndex() + i * threads) / piecesOfRow;
      weightRows[i] = column < Schedule::columns ? columns.weightRow(column) : -1;
    }
  }

  static LLMOPT_DEVICE void loadWeights(const Weight *weight,
                                        const int (&weightRows)[piecesOfThread], int step,
                                        char *shared, StreamPolicy once) {
    Weight *to = reinterpret_cast<Weight *>(shared);
    LLMOPT_UNROLL
    for (int i = 0; i < piecesOfThread; ++i) {
      int index = threadIndex() + i * threads;
      int column = index / piecesOfRow, inner = index % piecesOfRow * piece;
      int k = step * Schedule::depth + inner;
      bool valid = weightRows[i] >= 0 && k < Shape::depth;
      const Weight *from =
          valid ? elementAt(weight, (long long)weightRows[i] * stride + k) : weight;
      if (column >= Schedule::columns)
        continue;
      if constexpr (Schedule::readsOnce)
        copyAsync(elementAt(to, column * weightRow + inner), from, valid, once);
      else
        copyAsync(elementAt(to, column * weightRow + inner), from, valid);
    }
  }

  template <class Rows>
  static LLMOPT_DEVICE void loadRows(const Rows &x, int firstRow, int rowCount, int step,
                                     char *shared) {
    Compute *to = reinterpret_cast<Compute *>(shared);
    if constexpr (Rows::pieces) {
      constexpr int piece = pieceElements<Compute>;
      constexpr int pieces = Schedule::depth / piece;
      LLMOPT_UNROLL
      for (int i = threadIndex(); i < Schedule::rows * pieces; i += threads) {
        int row = i / pieces, inner = i % pieces * piece;
        int k = step * Schedule::depth + inner;
        bool valid = row < rowCount && k < Shape::depth;
        const Compute *from = valid ? x.row(firstRow + row) + k : x.row(firstRow);
        copyAsync(to + row * xRow + inner, from, valid);
      }
    } else {
      for (int i = threadIndex(); i < Schedule::rows * Schedule::depth; i += threads) {
        int row = i / Schedule::depth, inner = i % Schedule::depth;
        int k = step * Schedule::depth + inner;
        bool valid = row < rowCount && k < Shape::depth;
        to[row * xRow + inner] = valid ? x.row(firstRow + row)[k] : fromFloat<Compute>(0.0f);
      }
    }
  }

  template <class Epilogue>
  static LLMOPT_DEVICE void store(const Tile &columns, const Epilogue &epilogue, int firstRow,
                                  int rowCount, const float *sums) {
    for (int i = threadIndex(); i < Schedule::columns * rowCount; i += threads) {
      int row = i / Schedule::columns;
      columns.finish(epilogue, firstRow + row, i % Schedule::columns, [&](int column) {
        float sum = 0;
        LLMOPT_UNROLL
        for (int split = 0; split < Product::splits; ++split)
          sum += sums[(split * Schedule::rows + row) * sumStride + column];
        return sum;
      });
    }
  }
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_GEMM_CUH
