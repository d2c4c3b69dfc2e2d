//===- matvec.cuh - Linears of few rows: a stream of weights ----------------------------------===//
//
// With a handful of rows the time is that of reading the weights once. A block makes `Columns`
// outputs of up to `Rows` rows. Its warps split K: in slices of 512 bytes of each weight row, warp
// w takes slices w, w + Warps, ... A lane reads 16 bytes of each row and slice, through a queue of
// `Stages` asynchronous copies in shared memory, which it alone fills and empties, so that the main
// loop has no barrier. Sums are added over lanes, then over warps, in a fixed order.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_MATVEC_CUH
#define LLMOPT_CUDA_MATVEC_CUH

#include "linear.cuh"

namespace llmopt::cuda {

/// Adds `Count` (a power of two) values over the lanes of a warp: each of two halves of lanes keeps
/// half of the values, and so on. Afterwards values[i], i < max(1, Count / 32), of lane l is the
/// sum number firstSum(l) + i; with fewer than 32 sums, 32 / Count lanes have the same.
template <int Count> struct WarpSums {
  static constexpr int perLane = Count > 32 ? Count / 32 : 1;
  static constexpr int lanesPerSum = Count > 32 ? 1 : 32 / Count;
  static LLMOPT_DEVICE int firstSum(int lane) { return lane / lanesPerSum * perLane; }

  template <int Size, int Mask> static LLMOPT_DEVICE void reduce(float (&values)[Count]) {
    if constexpr (Mask > 0) {
      if constexpr (Size > 1) {
        constexpr int half = Size / 2;
        bool upper = (laneIndex() & Mask) != 0;
        LLMOPT_UNROLL
        for (int i = 0; i < half; ++i) {
          float kept = upper ? values[i + half] : values[i];
          float given = upper ? values[i] : values[i + half];
          values[i] = kept + shuffleXor(given, Mask);
        }
        reduce<half, Mask / 2>(values);
      } else {
        values[0] += shuffleXor(values[0], Mask);
        reduce<1, Mask / 2>(values);
      }
    }
  }
};

template <class Shape, int Rows, int Columns, int Warps, int Stages> struct Matvec {
  using Weight = typename Shape::Weight;
  using Compute = typename Shape::Compute;
  static constexpr int threads = 32 * Warps;
  static constexpr int piece = pieceElements<Weight>;
  static constexpr int slice = 32 * piece; ///< elements of K
  static constexpr int slices = (Shape::depth + slice - 1) / slice;
  static constexpr int stride = weightStride<Shape>;
  static constexpr int queueBytes = Warps * Stages * Columns * 32 * 16;
  static constexpr int xStride = roundUp(Shape::depth, larger(16, piece));
  static constexpr int xBytes = Rows * xStride * int(sizeof(Compute));
  static constexpr int sumBytes = Warps * Columns * Rows * 4;
  static constexpr int sharedBytes = queueBytes + xBytes + sumBytes;
  static constexpr int columnTiles = ColumnTile<Shape, Columns>::count();

  /// Tile `index` of columnTiles * ceil(rows / Rows); tiles of the same columns follow each other.
  template <class Prologue, class Epilogue, class Gate>
  static LLMOPT_DEVICE void tile(const Weight *weight, const Prologue &prologue,
                                 const Epilogue &epilogue, int rows, int index, char *shared,
                                 const Gate &gate) {
    int rowTiles = ceilDivide(rows, Rows);
    ColumnTile<Shape, Columns> columns(index / rowTiles);
    int firstRow = index % rowTiles * Rows;
    int rowCount = smaller(Rows, rows - firstRow);

    Piece *queue = reinterpret_cast<Piece *>(shared) + warpIndex() * Stages * Columns * 32;
    Compute *x = reinterpret_cast<Compute *>(shared + queueBytes);
    float *partial = reinterpret_cast<float *>(shared + queueBytes + xBytes);

    int ownSlices = (slices - warpIndex() + Warps - 1) / Warps;
    StreamPolicy policy = makeStreamPolicy();
    int weightRows[Columns];
    LLMOPT_UNROLL
    for (int c = 0; c < Columns; ++c)
      weightRows[c] = columns.weightRow(c);
    LLMOPT_UNROLL
    for (int s = 0; s < Stages - 1; ++s) {
      if (s < ownSlices)
        loadSlice(weight, weightRows, s, queue + s * Columns * 32, policy);
      commitCopies();
    }

    gate.wait();
    loadX(prologue, firstRow, rowCount, x, partial);

    float sums[Columns * Rows] = {};
    int stage = 0;
    for (int s = 0; s < ownSlices; ++s) {
      int ahead = s + Stages - 1;
      int aheadStage = stage == 0 ? Stages - 1 : stage - 1;
      if (ahead < ownSlices)
        loadSlice(weight, weightRows, ahead, queue + aheadStage * Columns * 32, policy);
      commitCopies();
      waitCopies<Stages - 1>();
      int k = depthOf(s);
      if (k < Shape::depth)
        multiplySlice(queue + stage * Columns * 32, x + k, sums);
      stage = stage == Stages - 1 ? 0 : stage + 1;
    }
    waitCopies<0>();

    store(columns, epilogue, firstRow, rowCount, sums, partial);
  }

private:
  /// First element of K of this lane's piece of the warp's slice `s`.
  static LLMOPT_DEVICE int depthOf(int s) {
    return (s * Warps + warpIndex()) * slice + laneIndex() * piece;
  }

  static LLMOPT_DEVICE void loadSlice(const Weight *weight, const int (&weightRows)[Columns], int s,
                                      Piece *stage, StreamPolicy policy) {
    int k = depthOf(s);
    if (k >= Shape::depth)
      return;
    LLMOPT_UNROLL
    for (int c = 0; c < Columns; ++c) {
      int row = weightRows[c];
      const Weight *from = elementAt(weight, (long long)(row < 0 ? 0 : row) * stride + k);
      copyAsync(stage + c * 32 + laneIndex(), from, row >= 0, policy);
    }
  }

  /// Makes all of x in shared memory, in Compute, zeros past the depth and past the last row.
  template <class Prologue>
  static LLMOPT_DEVICE void loadX(const Prologue &prologue, int firstRow, int rowCount, Compute *x,
                                  float *scratch) {
    RowBlock<threads> block{scratch};
    for (int r = 0; r < rowCount; ++r) {
      auto statistics = prologue.prepare(block, firstRow + r);
      block.forEach(xStride, [&](int k) {
        float value = k < Shape::depth ? prologue.element(firstRow + r, k, statistics) : 0.0f;
        x[r * xStride + k] = fromFloat<Compute>(value);
      });
    }
    block.forEach((Rows - rowCount) * xStride,
                  [&](int i) { x[rowCount * xStride + i] = fromFloat<Compute>(0.0f); });
    syncThreads<threads>();
  }

  /// As many consecutive x as a piece has weights, as floats.
  static LLMOPT_DEVICE void readX(const Compute *x, float (&to)[piece]) {
    if constexpr (piece == pieceElements<Compute>) {
      unpack(*reinterpret_cast<const Piece *>(x), to, Compute{});
    } else {
      LLMOPT_UNROLL
      for (int i = 0; i < piece; ++i)
        to[i] = toFloat(x[i]);
    }
  }

  static LLMOPT_DEVICE void readWeights(const Piece *stage, int column, float (&to)[piece]) {
    unpack(stage[column * 32 + laneIndex()], to, Weight{});
    if constexpr (!same<Weight, Compute>) {
      LLMOPT_UNROLL
      for (int i = 0; i < piece; ++i)
        to[i] = roundTo<Compute>(to[i]);
    }
  }

  /// Of the two operands the one with fewer vectors is held in registers.
  static LLMOPT_DEVICE void multiplySlice(const Piece *stage, const Compute *x,
                                          float (&sums)[Columns * Rows]) {
    constexpr bool holdInputs = Rows <= Columns;
    float held[holdInputs ? Rows : Columns][piece], other[piece];
    LLMOPT_UNROLL
    for (int i = 0; i < (holdInputs ? Rows : Columns); ++i) {
      if constexpr (holdInputs)
        readX(x + i * xStride, held[i]);
      else
        readWeights(stage, i, held[i]);
    }
    LLMOPT_UNROLL
    for (int j = 0; j < (holdInputs ? Columns : Rows); ++j) {
      if constexpr (holdInputs)
        readWeights(stage, j, other);
      else
        readX(x + j * xStride, other);
      LLMOPT_UNROLL
      for (int i = 0; i < (holdInputs ? Rows : Columns); ++i) {
        float &sum = sums[holdInputs ? i * Columns + j : j * Columns + i];
        LLMOPT_UNROLL
        for (int k = 0; k < piece; ++k)
          sum = fmaf(held[i][k], other[k], sum);
      }
    }
  }

  /// partial[warp][row][column] holds the sums of the warps.
  template <class Epilogue>
  static LLMOPT_DEVICE void store(const ColumnTile<Shape, Columns> &columns,
                                  const Epilogue &epilogue, int firstRow, int rowCount,
                                  float (&sums)[Columns * Rows], float *partial) {
    constexpr int count = Columns * Rows;
    using Reduction = WarpSums<count>;
    Reduction::template reduce<count, 16>(sums);
    if (laneIndex() % Reduction::lanesPerSum == 0)
      LLMOPT_UNROLL
    for (int i = 0; i < Reduction::perLane; ++i)
      partial[warpIndex() * count + Reduction::firstSum(laneIndex()) + i] = sums[i];
    syncThreads<threads>();
    for (int i = threadIndex(); i < Columns * rowCount; i += threads) {
      int row = i / Columns;
      columns.finish(epilogue, firstRow + row, i % Columns, [&](int column) {
        float sum = 0;
        LLMOPT_UNROLL
        for (int warp = 0; warp < Warps; ++warp)
          sum += partial[warp * count + row * Columns + column];
        return sum;
      });
    }
  }
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_MATVEC_CUH
