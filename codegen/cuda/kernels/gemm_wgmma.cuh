//===- gemm_wgmma.cuh - Linears of many rows on sm_90a: warpgroups that load, warpgroups that -===//
//                      multiply
//
// A block makes a tile of `columns` outputs of `rows` rows, as gemm.cuh does, with the weights as
// the left (M) operand. Its first warpgroup loads, the others multiply: each makes its share of the
// columns, its sums in registers, its operands straight from shared memory. They meet at two
// barriers for each stage of a ring in shared memory: `full`, when a step of 64 elements of K has
// come, and `empty`, when every warp has done with it.
//
// Weights lie in panels (panels.cuh) and come by bulk copies: a step of eight columns is 1024
// consecutive bytes. x comes by asynchronous copies of 16 bytes into the swizzled layout. Weights
// are static: those of the first stages are under way before the gate.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_GEMM_WGMMA_CUH
#define LLMOPT_CUDA_GEMM_WGMMA_CUH

#include "panels.cuh"

namespace llmopt::cuda {

/// How a block divides its tile: `columns` outputs, 64 or a multiple of 64 for each of `consumers`
/// warpgroups; `rows` is 8, 16, 32, 64, 128 or 256.
template <int TileColumns, int TileRows, int StageCount, int ConsumerGroups> struct WgmmaSchedule {
  static constexpr int columns = TileColumns, rows = TileRows;
  static constexpr int depth = 64; ///< of a step: 128 bytes of each row
  static constexpr int stages = StageCount, consumers = ConsumerGroups;
  static constexpr int loaderThreads = 128, consumerThreads = 128 * consumers;
  static constexpr int threads = loaderThreads + consumerThreads;
  /// Few rows are one tile: no other reads the same weights, so the L2 cache need not keep them.
  static constexpr bool readsOnce = rows <= 64;
};

//===- Loaders --------------------------------------------------------------------------------===//
//
// How the threads of the first warpgroup bring one operand of a step of 64 elements of K: weights
// as core matrices, [panel][8 along K][8 rows][16 bytes]; x swizzled, [row][128 bytes].

/// Weights in panels whose tiles are not whole panels, by pieces.
template <class Shape, class Schedule> struct PanelPieces {
  using Weight = typename Shape::Weight;
  using Panels = WeightPanels<Shape>;
  static constexpr bool bulk = false;
  static constexpr int count = Schedule::columns / 16;
  const Weight *weight;
  StreamPolicy once = makeStreamPolicy();
  int rows[count];

  LLMOPT_DEVICE PanelPieces(const Weight *weight, const ColumnTile<Shape, Schedule::columns> &tile)
      : weight(weight) {
    LLMOPT_UNROLL
    for (int i = 0; i < count; ++i)
      rows[i] = tile.weightRow(threadIndex() / 64 * 8 + threadIndex() % 8 + i * 16);
  }
  LLMOPT_DEVICE void load(int step, char *stage, SharedBarrier &) const {
    int k = step * Schedule::depth + threadIndex() / 8 % 8 * 8;
    LLMOPT_UNROLL
    for (int i = 0; i < count; ++i) {
      bool valid = rows[i] >= 0 && k < Shape::depth;
      char *to = stage + threadIndex() * 16 + i * 2048;
      const Weight *from = valid ? weight + Panels::offset(rows[i], k) : weight;
      if constexpr (Schedule::readsOnce)
        copyAsync(to, from, valid, once);
      else
        copyAsync(to, from, valid);
    }
  }
};

/// Whole panels: a lane of the first warp brings each, 1024 consecutive bytes in a step.
template <class Shape, class Schedule> struct BulkPanels {
  using Weight = typename Shape::Weight;
  static constexpr bool bulk = true;
  PanelOfLane<Shape, Schedule::columns> panel;
  StreamPolicy once = makeStreamPolicy();

  LLMOPT_DEVICE BulkPanels(const Weight *weight, const ColumnTile<Shape, Schedule::columns> &tile)
      : panel(weight, tile) {}
  LLMOPT_DEVICE void load(int step, char *stage, SharedBarrier &full) const {
    if (warpIndex() != 0)
      return;
    if constexpr (Schedule::readsOnce)
      panel.template copy<Schedule::depth>(step * Schedule::depth, stage, full, once);
    else
      panel.template copy<Schedule::depth>(step * Schedule::depth, stage, full);
  }
};

template <class Shape, class Schedule, bool Whole> struct PanelLoaderOf {
  using Type = PanelPieces<Shape, Schedule>;
};
template <class Shape, class Schedule> struct PanelLoaderOf<Shape, Schedule, true> {
  using Type = BulkPanels<Shape, Schedule>;
};

/// The step of x, by pieces where its rows allow, into the swizzled layout; zeros past its end.
template <class Shape, class Schedule, class Rows> struct InputLoader {
  using Compute = typename Shape::Compute;
  const Rows &x;
  int firstRow, rowCount;

  LLMOPT_DEVICE void load(int step, char *stage) const {
    if constexpr (Rows::pieces) {
      int k = step * Schedule::depth + threadIndex() % 8 * 8;
      char *to = stage + swizzledPiece(threadIndex() / 8, threadIndex() % 8);
      LLMOPT_UNROLL
      for (int i = 0; i < (Schedule::rows + 15) / 16; ++i) {
        int row = threadIndex() / 8 + i * 16;
        bool valid = row < rowCount && k < Shape::depth;
        const Compute *from = valid ? x.row(firstRow + row) + k : x.row(firstRow);
        if (Schedule::rows % 16 == 0 || row < Schedule::rows)
          copyAsync(to + i * 2048, from, valid);
      }
    } else {
      for (int i = threadIndex(); i < Schedule::rows * Schedule::depth;
           i += Schedule::loaderThreads) {
        int row = i / Schedule::depth, inner = i % Schedule::depth;
        int k = step * Schedule::depth + inner;
        Compute *piece = reinterpret_cast<Compute *>(stage + swizzledPiece(row, inner / 8));
        bool valid = row < rowCount && k < Shape::depth;
        piece[inner % 8] = valid ? x.row(firstRow + row)[k] : fromFloat<Compute>(0.0f);
      }
    }
  }
};

//===- The product ----------------------------------------------------------------------------===//

template <class Shape, class Schedule> struct WgmmaGemm {
  using Weight = typename Shape::Weight;
  using Compute = typename Shape::Compute;
  using Tile = ColumnTile<Shape, Schedule::columns>;
  using Weights =
      typename PanelLoaderOf<Shape, Schedule, wholePanels<Shape, Schedule::columns>>::Type;
  static_assert(same<Weight, Compute> && sizeof(Weight) == 2, "16-bit operands");
  static constexpr int threads = Schedule::threads;
  static constexpr int stages = Schedule::stages;
  static constexpr int steps = (Shape::depth + Schedule::depth - 1) / Schedule::depth;
  static constexpr int tilesM = Schedule::columns / Schedule::consumers / 64;
  static_assert(tilesM * Schedule::consumers * 64 == Schedule::columns, "whole tiles");
  static_assert(stages >= 2, "a stage to load and one to multiply");

  /// Shared memory, 1024-byte aligned: stages of weights, 128 bytes for each column, and of x, 128
  /// bytes for each row; in the same place afterwards the sums, [rows][columns + 4]; then the
  /// barriers. Rows of sums so long let the lanes of a warp write to different banks.
  static constexpr int weightBytes = Schedule::columns * 128;
  static constexpr int stageBytes = weightBytes + Schedule::rows * 128;
  static constexpr int sumStride = Schedule::columns + 4;
  static constexpr int sumBytes = Schedule::rows * sumStride * 4;
  static constexpr int barrierOffset =
      stages * stageBytes > sumBytes ? stages *stageBytes : sumBytes;
  static constexpr int sharedBytes = barrierOffset + 2 * stages * 8;
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

    SharedBarrier *full = reinterpret_cast<SharedBarrier *>(shared + barrierOffset);
    SharedBarrier *empty = full + stages;
    if (threadIndex() == 0) {
      for (int s = 0; s < stages; ++s) {
        initBarrier(full[s], Schedule::loaderThreads + (Weights::bulk ? 1 : 0));
        initBarrier(empty[s], Schedule::consumerThreads / 32);
      }
      fenceBarriers();
    }
    syncThreads();

    if (threadIndex() < Schedule::loaderThreads) {
      if constexpr (Schedule::consumers > 1)
        lowerRegisters<loaderRegisters>();
      Weights weights(weight, columns);
      load(weights, InputLoader<Shape, Schedule, Rows>{x, firstRow, rowCount}, shared, full, empty,
           gate);
    } else {
      if constexpr (Schedule::consumers > 1)
        raiseRegisters<consumerRegisters>();
      multiply(columns, epilogue, firstRow, rowCount, shared, full, empty, gate);
    }
  }

private:
  /// Of a thread, out of 64K for the block; setmaxnreg moves them from loaders to consumers.
  static constexpr int loaderRegisters = 88;
  static constexpr int consumerRegisters =
      Schedule::consumers < 2 ? 0 : (512 - loaderRegisters) / Schedule::consumers / 8 * 8;
  /// Steps whose copies may be under way when the one after them is started. The consumers give a
  /// stage back when they have begun with the next one, so that has to be full by then.
  static constexpr int pending = smaller(stages / 2, stages - 2);
  /// Products in the last step, which may end before 64 elements.
  static constexpr int innerSteps = Schedule::depth / 16;
  static constexpr int lastInnerSteps = (Shape::depth - (steps - 1) * Schedule::depth + 15) / 16;

  template <class Input, class Gate>
  static LLMOPT_DEVICE void load(const Weights &weights, const Input &input, char *shared,
                                 SharedBarrier *full, SharedBarrier *empty, const Gate &gate) {
    constexpr int first = stages < steps ? stages : steps;
    for (int s = 0; s < first; ++s)
      weights.load(s, shared + s * stageBytes, full[s]);
    gate.wait();
    int stage = 0, round = 0;
    for (int s = 0; s < steps; ++s) {
      char *to = shared + stage * stageBytes;
      if (s >= first) {
        waitBarrier(empty[stage], (round - 1) % 2);
        weights.load(s, to, full[stage]);
      }
      input.load(s, to + weightBytes);
      commitCopies();
      if (s >= pending) {
        waitCopies<pending>();
        fenceAsyncSide();
        arrive(full[stage < pending ? stage - pending + stages : stage - pending]);
      }
      if (++stage == stages) {
        stage = 0;
        ++round;
      }
    }
    finish<pending - 1>(full);
  }

  /// The last steps, `Left` copies before the end.
  template <int Left> static LLMOPT_DEVICE void finish(SharedBarrier *full) {
    if constexpr (Left >= 0) {
      if constexpr (steps > Left) {
        waitCopies<Left>();
        fenceAsyncSide();
        arrive(full[(steps - 1 - Left) % stages]);
      }
      finish<Left - 1>(full);
    }
  }

  template <class Epilogue, class Gate>
  static LLMOPT_DEVICE void multiply(const Tile &columns, const Epilogue &epilogue, int firstRow,
                                     int rowCount, char *shared, SharedBarrier *full,
                                     SharedBarrier *empty, const Gate &gate) {
    int thread = threadIndex() - Schedule::loaderThreads;
    int firstColumn = thread / 128 * tilesM * 64;
    float sums[tilesM][Schedule::rows / 2] = {};
    int stage = 0, parity = 0;
    for (int s = 0; s < steps; ++s) {
      waitBarrier(full[stage], parity);
      const char *from = shared + stage * stageBytes;
      MatrixDescriptor left = describeCores(from + firstColumn * 128, 128, 1024);
      MatrixDescriptor right = describeSwizzled(from + weightBytes, 1024);
      fenceProducts();
      LLMOPT_UNROLL
      for (int inner = 0; inner < innerSteps; ++inner)
        if (inner < lastInnerSteps || s < steps - 1)
          LLMOPT_UNROLL
      for (int m = 0; m < tilesM; ++m)
        multiplyGroup(sums[m], left.after(inner * 256 + m * 64 * 128), right.after(inner * 32),
                      Compute{});
      commitProducts();
      waitProducts<1>();
      if (s > 0 && laneIndex() == 0)
        arrive(empty[stage == 0 ? stages - 1 : stage - 1]);
      if (++stage == stages) {
        stage = 0;
        parity ^= 1;
      }
    }
    waitProducts<0>();
    LLMOPT_UNROLL
    for (int m = 0; m < tilesM; ++m)
      keepSums(sums[m]);

    gate.wait();
    float *staged = reinterpret_cast<float *>(shared);
    syncNamed(1, Schedule::consumerThreads);
    stageSums(sums, staged, firstColumn + thread / 32 % 4 * 16);
    syncNamed(1, Schedule::consumerThreads);
    for (int i = thread; i < Schedule::columns * rowCount; i += Schedule::consumerThreads) {
      int row = i / Schedule::columns;
      columns.finish(epilogue, firstRow + row, i % Schedule::columns,
                     [&](int column) { return staged[row * sumStride + column]; });
    }
  }

  /// Writes a warp's sums, 16 columns of each tile of 64, to staged[row][column].
  static LLMOPT_DEVICE void stageSums(const float (&sums)[tilesM][Schedule::rows / 2],
                                      float *staged, int firstColumn) {
    int g = laneIndex() / 4, t = laneIndex() % 4;
    LLMOPT_UNROLL
    for (int m = 0; m < tilesM; ++m)
      LLMOPT_UNROLL
    for (int n = 0; n < Schedule::rows / 8; ++n) {
      float *to = staged + (n * 8 + 2 * t) * sumStride + firstColumn + m * 64 + g;
      to[0] = sums[m][4 * n];
      to[sumStride] = sums[m][4 * n + 1];
      to[8] = sums[m][4 * n + 2];
      to[sumStride + 8] = sums[m][4 * n + 3];
    }
  }
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_GEMM_WGMMA_CUH
