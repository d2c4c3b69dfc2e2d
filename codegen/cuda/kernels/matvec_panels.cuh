//===- matvec_panels.cuh - Linears of few rows on sm_90a: a stream of panels ------------------===//
//
// With few rows the time is that of reading the weights once. They lie in panels (panels.cuh), so
// eight columns' whole depth is one stream. A block makes `Columns` outputs of up to `Rows` rows.
// Its warps split K: in slices of `Depth` elements, warp w takes slices w, w + Warps, ... Each warp
// keeps a queue of `Stages` slices under way, which it alone fills (by bulk copies) and empties, so
// that the main loop has no barrier of the block.
//
// Products are those of the tensor cores, weights as the left (M) operand: a row of x is a column
// of its own, whose sums do not depend on the rows beside it, and arithmetic costs next to nothing.
// Sums are added over the warps in a fixed order.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_MATVEC_PANELS_CUH
#define LLMOPT_CUDA_MATVEC_PANELS_CUH

#include "panels.cuh"

namespace llmopt::cuda {

/// The queue of a warp whose tiles are whole panels: a lane brings the slice of each panel.
template <class Shape, int Columns, int Depth, int Stages> class BulkQueue {
public:
  using Weight = typename Shape::Weight;
  static constexpr int stageBytes = Columns * Depth * 2;

  LLMOPT_DEVICE BulkQueue(const Weight *weight, const ColumnTile<Shape, Columns> &tile, char *queue,
                          SharedBarrier *arrived)
      : panel(weight, tile), queue(queue), arrived(arrived) {
    if (laneIndex() == 0) {
      for (int s = 0; s < Stages; ++s)
        initBarrier(arrived[s], 1);
      fenceBarriers();
    }
    syncWarp();
  }
  /// Starts the copies of the slice at `k` to a stage that the warp has done with.
  LLMOPT_DEVICE void start(int k, int stage) const {
    panel.template copy<Depth>(k, queue + stage * stageBytes, arrived[stage], policy);
  }
  LLMOPT_DEVICE void endStart() const {}
  /// Returns when the slice that was started `round` times before to this stage is there.
  LLMOPT_DEVICE void wait(int stage, int round) const { waitBarrier(arrived[stage], round % 2); }

private:
  PanelOfLane<Shape, Columns> panel;
  char *queue;
  SharedBarrier *arrived;
  StreamPolicy policy = makeStreamPolicy();
};

/// The queue where they are not: by pieces of 16 bytes, in groups of asynchronous copies.
template <class Shape, int Columns, int Depth, int Stages> class PieceQueue {
public:
  using Weight = typename Shape::Weight;
  static constexpr int stageBytes = Columns * Depth * 2;
  static constexpr int pieces = Columns * Depth / 8 / 32;

  LLMOPT_DEVICE PieceQueue(const Weight *weight, const ColumnTile<Shape, Columns> &tile,
                           char *queue, SharedBarrier *)
      : weight(weight), tile(tile), queue(queue) {}
  LLMOPT_DEVICE void start(int k, int stage) const {
    LLMOPT_UNROLL
    for (int i = 0; i < pieces; ++i) {
      int index = laneIndex() + i * 32; // panel, piece along K, row
      int row = tile.weightRow(index / Depth * 8 + index % 8), at = k + index % Depth / 8 * 8;
      bool valid = row >= 0 && at < Shape::depth;
      copyAsync(queue + stage * stageBytes + index * 16,
                valid ? weight + WeightPanels<Shape>::offset(row, at) : weight, valid, policy);
    }
  }
  /// Ends a group, empty or not: one follows each slice.
  LLMOPT_DEVICE void endStart() const { commitCopies(); }
  LLMOPT_DEVICE void wait(int, int) const {
    waitCopies<Stages - 1>();
    syncWarp();
  }

private:
  const Weight *weight;
  ColumnTile<Shape, Columns> tile;
  char *queue;
  StreamPolicy policy = makeStreamPolicy();
};

template <class Shape, int Columns, int Depth, int Stages, bool Whole> struct PanelQueueOf {
  using Type = PieceQueue<Shape, Columns, Depth, Stages>;
};
template <class Shape, int Columns, int Depth, int Stages>
struct PanelQueueOf<Shape, Columns, Depth, Stages, true> {
  using Type = BulkQueue<Shape, Columns, Depth, Stages>;
};

template <class Shape, int Rows, int Columns, int Depth, int Warps, int Stages> struct PanelMatvec {
  using Weight = typename Shape::Weight;
  using Compute = typename Shape::Compute;
  using Queue =
      typename PanelQueueOf<Shape, Columns, Depth, Stages, wholePanels<Shape, Columns>>::Type;
  static_assert(same<Weight, Compute> && sizeof(Weight) == 2, "16-bit operands");
  static_assert(Columns % 16 == 0 && Depth % 32 == 0, "whole products");
  static constexpr int threads = 32 * Warps;
  static constexpr int slices = (Shape::depth + Depth - 1) / Depth;
  static constexpr int productDepth = (Shape::depth + 15) / 16 * 16;
  static constexpr int tilesM = Columns / 16, tilesN = (Rows + 7) / 8;

  /// Shared memory: the queues of the warps; x, [Rows][depth + padding], whose rows the lanes of a
  /// load read from different banks; the sums of the warps, [warp][row][column]; the barriers.
  static constexpr int queueBytes = Warps * Stages * Queue::stageBytes;
  static constexpr int xStride = (Shape::depth + 63) / 64 * 64 + 8;
  static constexpr int xBytes = Rows * xStride * int(sizeof(Compute));
  static constexpr int sumBytes = Warps * Columns * Rows * 4;
  static constexpr int sharedBytes = queueBytes + xBytes + sumBytes + Warps * Stages * 8;
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

    char *queueMemory = shared + warpIndex() * Stages * Queue::stageBytes;
    Compute *x = reinterpret_cast<Compute *>(shared + queueBytes);
    float *partial = reinterpret_cast<float *>(shared + queueBytes + xBytes);
    SharedBarrier *barriers =
        reinterpret_cast<SharedBarrier *>(shared + queueBytes + xBytes + sumBytes);
    Queue queue(weight, columns, queueMemory, barriers + warpIndex() * Stages);

    int ownSlices = (slices - warpIndex() + Warps - 1) / Warps;
    for (int s = 0; s < Stages; ++s) {
      if (s < ownSlices)
        queue.start(depthOf(s), s);
      queue.endStart();
    }

    gate.wait();
    loadX(prologue, firstRow, rowCount, x, partial);

    float sums[tilesM][tilesN][4] = {};
    int stage = 0, round = 0;
    for (int s = 0; s < ownSlices; ++s) {
      queue.wait(stage, round);
      int k = depthOf(s);
      multiplySlice(queueMemory + stage * Queue::stageBytes, x + k, productDepth - k, sums);
      syncWarp();
      if (s + Stages < ownSlices)
        queue.start(depthOf(s + Stages), stage);
      queue.endStart();
      if (++stage == Stages) {
        stage = 0;
        ++round;
      }
    }
    store(columns, epilogue, firstRow, rowCount, sums, partial);
  }

private:
  /// First element of K of the warp's slice `s`.
  static LLMOPT_DEVICE int depthOf(int s) { return (s * Warps + warpIndex()) * Depth; }

  /// Makes all of x in shared memory, in Compute, zeros past the depth.
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
    syncThreads();
  }

  /// Adds the products of a slice; `left` elements of K remain. Rows past the last are the last one
  /// again: their sums are not used.
  static LLMOPT_DEVICE void multiplySlice(const char *stage, const Compute *x, int left,
                                          float (&sums)[tilesM][tilesN][4]) {
    int lane = laneIndex();
    LLMOPT_UNROLL
    for (int k = 0; k < Depth; k += 32) {
      if (productDepth % Depth != 0 && k >= left)
        break;
      unsigned right[tilesN][4];
      LLMOPT_UNROLL
      for (int n = 0; n < tilesN; ++n)
        loadMatrices(right[n],
                     x + smaller(n * 8 + lane % 8, Rows - 1) * xStride + k + lane / 8 * 8);
      LLMOPT_UNROLL
      for (int half = 0; half < 2; ++half) {
        if (productDepth % Depth != 0 && k + half * 16 >= left)
          break;
        LLMOPT_UNROLL
        for (int m = 0; m < tilesM; ++m) {
          unsigned weights[4];
          loadMatrices(weights, stage + (m * 2 + lane / 8 % 2) * Depth * 16 +
                                    ((k + half * 16) / 8 + lane / 16) * 128 + lane % 8 * 16);
          LLMOPT_UNROLL
          for (int n = 0; n < tilesN; ++n) {
            unsigned columns[2] = {right[n][half * 2], right[n][half * 2 + 1]};
            multiplyAdd(sums[m][n], weights, columns, Compute{});
          }
        }
      }
    }
  }

  template <class Epilogue>
  static LLMOPT_DEVICE void store(const ColumnTile<Shape, Columns> &columns,
                                  const Epilogue &epilogue, int firstRow, int rowCount,
                                  const float (&sums)[tilesM][tilesN][4], float *partial) {
    int g = laneIndex() / 4, t = laneIndex() % 4;
    float *own = partial + warpIndex() * Rows * Columns;
    LLMOPT_UNROLL
    for (int m = 0; m < tilesM; ++m)
      LLMOPT_UNROLL
    for (int n = 0; n < tilesN; ++n)
      LLMOPT_UNROLL
    for (int i = 0; i < 4; ++i) {
      int row = n * 8 + 2 * t + i % 2;
      if (row < Rows)
        own[row * Columns + m * 16 + g + i / 2 * 8] = sums[m][n][i];
    }
    syncThreads();
    for (int i = threadIndex(); i < Columns * rowCount; i += threads) {
      int row = i / Columns;
      columns.finish(epilogue, firstRow + row, i % Columns, [&](int column) {
        float sum = 0;
        LLMOPT_UNROLL
        for (int warp = 0; warp < Warps; ++warp)
          sum += partial[(warp * Rows + row) * Columns + column];
        return sum;
      });
    }
  }
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_MATVEC_PANELS_CUH
