//===- matvec_panels.cuh - Linears of few rows on sm_90a: a stream of panels ------------------===//
//
// With few rows the time is that of reading the weights once. They lie in panels (panels.cuh), so
// eight columns' whole depth is one stream. A tile is `Columns` outputs of up to `Rows` rows, and a
// block makes one tile after the other: a loader warp streams their weights (stream.cuh) in slices
// of `Depth` elements of K, without a pause between tiles, `Stages` of them under way. `Warps`
// warps multiply, each its part of every slice.
//
// Products are those of the tensor cores, weights as the left (M) operand: a row of x is a column
// of its own, whose sums do not depend on the rows beside it, and arithmetic costs next to nothing.
// Sums are added over the warps in a fixed order.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_MATVEC_PANELS_CUH
#define LLMOPT_CUDA_MATVEC_PANELS_CUH

#include "panels.cuh"
#include "stream.cuh"

namespace llmopt::cuda {

/// Brings slices of tiles that are whole panels: a lane of the loader warp for each panel.
template <class Shape, int Columns, int Depth> class PanelSlices {
public:
  using Weight = typename Shape::Weight;

  LLMOPT_DEVICE PanelSlices(const Weight *weight, const ColumnTile<Shape, Columns> &tile)
      : panel(weight, tile) {}
  /// Starts the copies of the slice at `k`, or of what is left of it, to the stream's next stage.
  template <class Stream> LLMOPT_DEVICE void start(int k, const Stream &stream) const {
    char *stage = stream.acquire();
    panel.template copy<Depth>(k, stage, stream.arrived(), policy);
    if constexpr (Stream::arrivals > 1)
      if (laneIndex() != 0)
        arrive(stream.arrived());
  }

private:
  PanelOfLane<Shape, Columns> panel;
  StreamPolicy policy = makeStreamPolicy();
};

/// Brings slices of tiles that are not, by pieces of 16 bytes, zeros past the depth.
template <class Shape, int Columns, int Depth> class PieceSlices {
public:
  using Weight = typename Shape::Weight;
  static constexpr int pieces = Columns * Depth / 8;

  LLMOPT_DEVICE PieceSlices(const Weight *weight, const ColumnTile<Shape, Columns> &tile)
      : weight(weight), tile(tile) {}
  template <class Stream> LLMOPT_DEVICE void start(int k, const Stream &stream) const {
    static_assert(Stream::arrivals == 32, "each lane tells of its copies");
    char *stage = stream.acquire();
    for (int index = laneIndex(); index < pieces; index += 32) { // panel, piece along K, row
      int row = tile.weightRow(index / Depth * 8 + index % 8), at = k + index % Depth / 8 * 8;
      bool valid = row >= 0 && at < Shape::depth;
      copyAsync(stage + index * 16, valid ? weight + WeightPanels<Shape>::offset(row, at) : weight,
                valid, policy);
    }
    arriveAfterCopies(stream.arrived());
  }

private:
  const Weight *weight;
  ColumnTile<Shape, Columns> tile;
  StreamPolicy policy = makeStreamPolicy();
};

template <class Shape, int Columns, int Depth, bool Whole> struct SlicesOf {
  using Type = PieceSlices<Shape, Columns, Depth>;
};
template <class Shape, int Columns, int Depth> struct SlicesOf<Shape, Columns, Depth, true> {
  using Type = PanelSlices<Shape, Columns, Depth>;
};

/// At most `Blocks` blocks for each multiprocessor share the tiles.
template <class Shape, int Rows, int Columns, int Depth, int Warps, int Stages, int Blocks = 1>
struct PanelMatvec {
  using Weight = typename Shape::Weight;
  using Compute = typename Shape::Compute;
  using Tile = ColumnTile<Shape, Columns>;
  static constexpr bool whole = wholePanels<Shape, Columns>;
  using Slices = typename SlicesOf<Shape, Columns, Depth, whole>::Type;
  using Stream = WeightStream<Columns * Depth * 2, Stages, whole ? 1 : 32>;
  static_assert(same<Weight, Compute> && sizeof(Weight) == 2, "16-bit operands");
  static_assert(Columns % 16 == 0 && Depth % (32 * Warps) == 0, "whole products");
  static constexpr int consumers = 32 * Warps; ///< threads that multiply
  static constexpr int threads = consumers + 32;
  static constexpr int part = Depth / Warps; ///< of a slice, a warp's
  static constexpr int slices = (Shape::depth + Depth - 1) / Depth;
  static constexpr int productDepth = (Shape::depth + 15) / 16 * 16;
  static constexpr int tilesM = Columns / 16, tilesN = (Rows + 7) / 8;

  /// The consumers' shared memory: x, [Rows][depth + padding], whose rows the lanes of a load read
  /// from different banks; the sums of the warps, [tile % 2][warp][row][column].
  static constexpr int xStride = (Shape::depth + 63) / 64 * 64 + 8;
  static constexpr int xBytes = Rows * xStride * int(sizeof(Compute));
  static constexpr int sums = Warps * Rows * Columns; ///< of a tile
  static constexpr int workBytes = xBytes + 2 * sums * 4;
  static constexpr int sharedBytes = Stream::sharedBytes + workBytes;
  static constexpr int columnTiles = Tile::count();

  static LLMOPT_DEVICE int tileCount(int rows) { return columnTiles * ceilDivide(rows, Rows); }

  /// The tiles of this block, of tileCount(rows); those of the same columns follow each other.
  template <class Prologue, class Epilogue, class Gate>
  static LLMOPT_DEVICE void run(const Weight *weight, const Prologue &prologue,
                                const Epilogue &epilogue, int rows, Tiles tiles, char *shared,
                                const Gate &gate) {
    Stream stream(shared);
    if (threadIndex() == 0)
      stream.start(Warps);
    syncThreads<threads>();
    if (threadIndex() >= consumers)
      load(weight, rows, tiles, stream);
    else
      multiply(prologue, epilogue, rows, tiles, shared + Stream::sharedBytes, stream, gate);
  }

  /// What the loader warp does. The stream's stages may be larger than these slices.
  template <class AnyStream>
  static LLMOPT_DEVICE void load(const Weight *weight, int rows, Tiles tiles, AnyStream &stream) {
    static_assert(AnyStream::stageBytes >= Stream::stageBytes, "room for a slice");
    int rowTiles = ceilDivide(rows, Rows);
    for (int tile = tiles.first; tile < tiles.end; tile += tiles.stride) {
      Slices tileSlices(weight, Tile(tile / rowTiles));
      for (int s = 0; s < slices; ++s) {
        tileSlices.start(s * Depth, stream);
        stream.next();
      }
    }
  }

  /// What the consumers do. x is made once for all tiles of the same rows.
  template <class Prologue, class Epilogue, class AnyStream, class Gate>
  static LLMOPT_DEVICE void multiply(const Prologue &prologue, const Epilogue &epilogue, int rows,
                                     Tiles tiles, char *work, AnyStream &stream, const Gate &gate) {
    Compute *x = reinterpret_cast<Compute *>(work);
    float *partial = reinterpret_cast<float *>(work + xBytes);
    int rowTiles = ceilDivide(rows, Rows), loadedRow = -1, turn = 0;
    for (int tile = tiles.first; tile < tiles.end; tile += tiles.stride, ++turn) {
      int firstRow = tile % rowTiles * Rows, rowCount = smaller(Rows, rows - firstRow);
      gate.wait(tile);
      if (firstRow != loadedRow) {
        if (loadedRow >= 0)
          syncThreads<consumers>();
        loadX(prologue, firstRow, rowCount, x, partial + turn % 2 * sums);
        loadedRow = firstRow;
      }
      float tileSums[tilesM][tilesN][4] = {};
      for (int s = 0; s < slices; ++s) {
        int k = s * Depth + warpIndex() * part;
        multiplySlice(stream.wait() + warpIndex() * part * 16, x + k, productDepth - k, tileSums);
        stream.release();
        stream.next();
      }
      // The sums of the tile before may still be read: these have another place.
      float *own = partial + turn % 2 * sums;
      stage(tileSums, own + warpIndex() * Rows * Columns);
      syncThreads<consumers>();
      if (warpIndex() == turn % Warps) {
        finish(Tile(tile / rowTiles), epilogue, firstRow, rowCount, own);
        gate.done(tile);
      }
    }
  }

private:
  /// Makes all of x in shared memory, in Compute, zeros past the depth.
  template <class Prologue>
  static LLMOPT_DEVICE void loadX(const Prologue &prologue, int firstRow, int rowCount, Compute *x,
                                  float *scratch) {
    RowBlock<consumers> block{scratch};
    for (int r = 0; r < rowCount; ++r) {
      auto statistics = prologue.prepare(block, firstRow + r);
      block.forEach(xStride, [&](int k) {
        float value = k < Shape::depth ? prologue.element(firstRow + r, k, statistics) : 0.0f;
        x[r * xStride + k] = fromFloat<Compute>(value);
      });
    }
    block.forEach((Rows - rowCount) * xStride,
                  [&](int i) { x[rowCount * xStride + i] = fromFloat<Compute>(0.0f); });
    syncThreads<consumers>();
  }

  /// Adds the products of the warp's part of a slice; `left` elements of K remain. Rows past the
  /// last are the last one again: their sums are not used.
  static LLMOPT_DEVICE void multiplySlice(const char *slice, const Compute *x, int left,
                                          float (&sums)[tilesM][tilesN][4]) {
    int lane = laneIndex();
    LLMOPT_UNROLL
    for (int k = 0; k < part; k += 32) {
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
          loadMatrices(weights, slice + (m * 2 + lane / 8 % 2) * Depth * 16 +
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

  /// Writes a warp's sums to own[row][column].
  static LLMOPT_DEVICE void stage(const float (&tileSums)[tilesM][tilesN][4], float *own) {
    int g = laneIndex() / 4, t = laneIndex() % 4;
    LLMOPT_UNROLL
    for (int m = 0; m < tilesM; ++m)
      LLMOPT_UNROLL
    for (int n = 0; n < tilesN; ++n)
      LLMOPT_UNROLL
    for (int i = 0; i < 4; ++i) {
      int row = n * 8 + 2 * t + i % 2;
      if (row < Rows)
        own[row * Columns + m * 16 + g + i / 2 * 8] = tileSums[m][n][i];
    }
  }

  /// A warp adds up the sums of all and gives them to the epilogue.
  template <class Epilogue>
  static LLMOPT_DEVICE void finish(const Tile &columns, const Epilogue &epilogue, int firstRow,
                                   int rowCount, const float *partial) {
    for (int i = laneIndex(); i < Columns * rowCount; i += 32) {
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
