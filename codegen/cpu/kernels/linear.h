//===- linear.h - y = x * transpose(w), for one row or thousands ------------------------------===//
//
//   y[n, o] = sum over k of x[n, k] * w[o, k]
//
// What the emitter needs to know is in this comment and in the declarations down to linear().
//
// Config, a struct of constants, is the shape and the types of one linear:
//
//   struct GateUp {
//     using Weight = bf16;                      // type of the packed weight: bf16, f16, float or
//                                               // Quantized, e.g. Quantized<Code::i4, 32, f16>
//     using Compute = bf16;                     // type of x and of the products, see below
//     static constexpr int64_t depth = 2048;    // K
//     static constexpr int segmentCount = 1;
//     static constexpr Segment segments[] = {{/*columns=*/5632, /*tile=*/64, /*streams=*/2,
//                                             /*first=*/{0, 5632}}};
//   };
//
//   Compute | x           | products                                       | interleave I
//   bf16    | bf16        | bf16 x bf16, summed in float                   | 2
//   f16     | f16         | float, both sides rounded to f16               | 1
//   float   | float       | float                                          | 1
//
// A Weight wider than Compute is rounded to Compute, to nearest even, while it is read ("mixed"
// precisions); a narrower one is widened. Quantized weights are dequantized in float32 and rounded
// to Compute likewise; bf16 weights that hold their values would give the same sums.
//
// Packed weight of O rows and depth K: [ceil(O / 16)][ceil(K / I)][16][I] elements of Weight, a
// panel of 16 outputs after the other. Rows past O and depth past K are zero. 64-byte aligned for
// speed. Quantized weights lie in panels of 16 outputs as well, whatever Compute: see quantized.h.
//
// Prologue, a functor that makes rows of x:
//   static constexpr bool direct            true: x exists already; false: it is made row by row
//   const Compute *rows() const             if direct: x, row-major [rows][depth]
//   void operator()(int64_t row, Compute *x) const   if not: writes the `depth` elements of a row.
//                                           May be called by several threads for the same row, with
//                                           different destinations. `x` is 64-byte aligned.
//   A prologue has only the member that it needs.
//
// Epilogue, a functor that takes finished sums:
//   void operator()(int segment, int64_t row, int64_t column, int64_t columns,
//                   const float *const *sums) const
//   sums[s][i], i < columns, is y of `row` and weight row segments[segment].first[s] + column + i,
//   for each stream s. Called once for each (segment, row, tile), by any one thread. `columns` is
//   the segment's tile, less in its last tile if the tile does not divide the columns. The sums are
//   not aligned, and stay valid during the call only.
//
// The epilogue may not write what the prologue reads: another thread may still be making its rows.
// (The residual may be updated in place only if x was made from another buffer.)
//
// Memory:
//   shared   linearSharedBytes(rows, depth, Compute is bf16 ? 2 : 4) of the arena, 64-byte aligned;
//            contents are of no use before or after
//   team.scratch   linearScratchBytes(depth) bytes of each thread
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_KERNELS_LINEAR_H
#define LLMOPT_KERNELS_LINEAR_H

#include "abi.h"
#include "quantized.h"
#include "tile.h"

namespace llmopt::cpu {

/// A range of output columns that the epilogue treats alike. It has one stream, or two that the
/// epilogue combines (gate and up). Neither first, nor columns, nor tile need be multiples of 16,
/// but work is wasted where a tile does not begin and end at a panel of the packed weight.
struct Segment {
  int64_t columns;  ///< per stream
  int64_t tile;     ///< columns of one epilogue call (whole heads for rope); at most 1024 / streams
  int32_t streams;  ///< 1 or 2
  int64_t first[2]; ///< weight row of column 0, per stream
};

/// x is kept in blocks of 512 bytes of depth: with the weights that they meet they fit the first
/// cache.
constexpr int64_t depthBlockBytes = 512;

/// Bytes of `shared`: rows * roundUp(depth, 256) * elementBytes; 2 for bf16 products, else 4.
constexpr int64_t linearSharedBytes(int64_t rows, int64_t depth, int64_t elementBytes) {
  return rows * roundUp(depth, 256) * elementBytes;
}

/// Bytes of a thread's scratch: 192 KiB + 8 * roundUp(depth, 256).
constexpr int64_t linearScratchBytes(int64_t depth) { return 192 * 1024 + 8 * roundUp(depth, 256); }

template <class Config, class Prologue, class Epilogue>
void linear(const LlmoptTeam &team, int64_t rows, const typename Config::Weight *weight,
            void *shared, const Prologue &prologue, const Epilogue &epilogue);

//===------------------------------------------------------------------------------------------===//
// Work
//===------------------------------------------------------------------------------------------===//

namespace detail {

/// Most rows and panels whose sums are kept at a time; their product is what scratch has room for.
constexpr int64_t groupRows = 128;
constexpr int64_t groupPanels = 16;
constexpr int64_t tilePanelsLimit = 68; // 2 streams x 512 columns, each off a panel's edge
constexpr int64_t sumBytes = groupRows * groupPanels * lanes * 4;

/// Bytes of a thread's scratch for weights that were made ready: 2 panels of a depth block, or more
/// of a part of it.
constexpr int64_t stageBytes = 32 * 1024;

/// Where depth lies in a packed panel, in elements of Weight.
template <class Weight, int64_t depth, int64_t interleave> struct LinearPanel {
  static constexpr int64_t elements = roundUp(depth, interleave) * lanes;
  /// Parts of the depth begin at multiples of it.
  static constexpr int64_t unit = interleave;
  /// What a part that begins at k is read from.
  static constexpr int64_t at(int64_t k) { return k * lanes; }
  /// What the inner loop has to fetch of the next part, per step.
  static constexpr int64_t stepBytes = interleave * lanes * int64_t(sizeof(Weight));
};
template <Code code, int64_t group, class Scale, int64_t depth, int64_t interleave>
struct LinearPanel<Quantized<code, group, Scale>, depth, interleave> {
  using Layout = QuantizedPanel<Quantized<code, group, Scale>, depth>;
  static constexpr int64_t elements = Layout::bytes;
  static constexpr int64_t unit = Layout::stepDepth;
  static constexpr int64_t at(int64_t k) { return Layout::at(k); }
  static constexpr int64_t stepBytes = 0; // dequantize() fetches.
};

/// The types and sizes that follow from a Config.
template <class Config> struct LinearTraits {
  using Weight = typename Config::Weight;
  using Compute = typename Config::Compute;
  static constexpr bool pairs = std::is_same_v<Compute, bf16>;
  /// What the inner loop multiplies.
  using Operand = std::conditional_t<pairs, bf16, float>;
  static constexpr int64_t interleave = pairs ? 2 : 1;
  static constexpr bool inPlaceWeight =
      std::is_same_v<Weight, Operand> && !std::is_same_v<Compute, f16>;
  static constexpr bool inPlaceX = std::is_same_v<Compute, Operand>;

  static constexpr int64_t depth = Config::depth;
  static constexpr int64_t depthBlock = depthBlockBytes / int64_t(sizeof(Operand));
  static constexpr int64_t depthBlocks = ceilDivide(depth, depthBlock);
  using Panel = LinearPanel<Weight, depth, interleave>;

  static constexpr int64_t tiles() {
    int64_t count = 0;
    for (const Segment &segment : Config::segments)
      count += ceilDivide(segment.columns, segment.tile);
    return count;
  }
};

/// A tile of a segment, and where its sums lie in the group's.
struct LinearTile {
  int segment;
  int64_t column, columns;
  int64_t sums[2];
};

/// Tiles that one thread computes together, as panels.
template <class Weight> struct LinearGroup {
  int tileCount = 0, panelCount = 0;
  LinearTile tiles[groupPanels];
  const Weight *panels[tilePanelsLimit];
};

/// Which of `tiles` is tile `index` of the Config.
template <class Config> LinearTile linearTile(int64_t index) {
  for (int s = 0; s < Config::segmentCount; ++s) {
    const Segment &segment = Config::segments[s];
    int64_t count = ceilDivide(segment.columns, segment.tile);
    if (index < count) {
      int64_t column = index * segment.tile;
      return {s, column, smaller(segment.tile, segment.columns - column), {0, 0}};
    }
    index -= count;
  }
  return {0, 0, 0, {0, 0}};
}

/// The first tile that begins at or after a share part / parts of all columns of all streams.
template <class Config> int64_t firstTile(int64_t part, int64_t parts) {
  int64_t all = 0, index = 0;
  for (const Segment &segment : Config::segments)
    all += segment.columns * segment.streams;
  int64_t share = all * part / parts;
  for (const Segment &segment : Config::segments) {
    int64_t columns = segment.columns * segment.streams;
    if (share < columns)
      return index + ceilDivide(share, segment.tile * segment.streams);
    share -= columns;
    index += ceilDivide(segment.columns, segment.tile);
  }
  return index;
}

/// Adds the tile to the group, unless the group is full.
template <class Config>
bool addTile(LinearGroup<typename Config::Weight> &group, LinearTile tile,
             const typename Config::Weight *weight) {
  const Segment &segment = Config::segments[tile.segment];
  int64_t begin[2] = {}, end[2] = {};
  int64_t needed = 0;
  for (int s = 0; s < segment.streams; ++s) {
    begin[s] = (segment.first[s] + tile.column) / lanes;
    end[s] = ceilDivide(segment.first[s] + tile.column + tile.columns, lanes);
    needed += end[s] - begin[s];
  }
  if (group.tileCount > 0 &&
      (group.panelCount + needed > groupPanels || group.tileCount == groupPanels))
    return false;
  for (int s = 0; s < segment.streams; ++s) {
    int64_t offset = segment.first[s] + tile.column - begin[s] * lanes;
    tile.sums[s] = group.panelCount * lanes + offset;
    for (int64_t panel = begin[s]; panel < end[s]; ++panel)
      group.panels[group.panelCount++] = weight + panel * LinearTraits<Config>::Panel::elements;
  }
  group.tiles[group.tileCount++] = tile;
  return true;
}

/// Reads `count` weights (a multiple of 16, of 32 for pairs) as the inner loop wants them.
template <class Compute, class Weight, class Operand>
LLMOPT_INLINE void stageWeights(const Weight *from, Operand *to, int64_t count) {
  using Product = Step<Weight, Compute>;
  for (int64_t i = 0; i < count; i += lanes * Product::depth) {
    if constexpr (Product::depth == 2)
      storePairs(to + i, load(from + i), load(from + i + lanes));
    else
      store(to + i, Product::weights(from + i));
  }
}

/// Copies one row of x into its depth blocks: block b of row r begins at (b * rows + r) *
/// depthBlock.
template <class Config>
void placeRow(const typename Config::Compute *from, int64_t row, int64_t rows,
              typename LinearTraits<Config>::Operand *blocks) {
  using Traits = LinearTraits<Config>;
  for (int64_t b = 0; b < Traits::depthBlocks; ++b) {
    auto *to = blocks + (b * rows + row) * Traits::depthBlock;
    const auto *source = from + b * Traits::depthBlock;
    int64_t count = smaller(Traits::depthBlock, Traits::depth - b * Traits::depthBlock);
    if constexpr (Traits::inPlaceX) {
      std::memcpy(to, source, size_t(count) * sizeof(*to));
    } else {
      int64_t whole = count / lanes * lanes;
      for (int64_t i = 0; i < whole; i += lanes)
        store(to + i, load(source + i));
      for (int64_t i = whole; i < count; ++i)
        to[i] = toFloat(source[i]);
    }
    if (count % Traits::interleave) // The second of the last pair; its weight is zero.
      std::memset(to + count, 0, sizeof(*to));
  }
}

/// All rows of x in depth blocks. One row is made by each thread for itself, which is cheaper than
/// a barrier; more are shared.
template <class Config, class Prologue>
const typename LinearTraits<Config>::Operand *prepareX(const LlmoptTeam &team, int64_t rows,
                                                       void *shared, char *rowScratch,
                                                       const Prologue &prologue) {
  using Traits = LinearTraits<Config>;
  using Compute = typename Config::Compute;
  using Operand = typename Traits::Operand;
  constexpr bool evenDepth = Traits::depth % Traits::interleave == 0;
  if constexpr (Prologue::direct && Traits::inPlaceX && evenDepth)
    if (rows == 1)
      return prologue.rows();
  Compute *made = reinterpret_cast<Compute *>(rowScratch);
  Operand *blocks = rows == 1
                        ? reinterpret_cast<Operand *>(rowScratch + 4 * roundUp(Traits::depth, 256))
                        : static_cast<Operand *>(shared);
  int64_t begin = rows == 1 ? 0 : rows * team.thread / team.threads;
  int64_t end = rows == 1 ? 1 : rows * (team.thread + 1) / team.threads;
  for (int64_t row = begin; row < end; ++row) {
    if constexpr (Prologue::direct) {
      placeRow<Config>(prologue.rows() + row * Traits::depth, row, rows, blocks);
    } else {
      prologue(row, made);
      placeRow<Config>(made, row, rows, blocks);
    }
  }
  if (rows > 1)
    team.barrier(team.context, team.thread);
  return blocks;
}

/// sums[rows][panelCount * 16] of a group, for rows [firstRow, firstRow + rows) of the `allRows` in
/// x.
///
/// Some panels at a time are read from end to end: by parts of their depth, each of which meets all
/// rows while it is in the first cache and while the next one is fetched from memory.
template <class Config> class GroupProduct {
public:
  using Traits = LinearTraits<Config>;
  using Weight = typename Traits::Weight;
  using Compute = typename Traits::Compute;
  using Operand = typename Traits::Operand;
  using Panel = typename Traits::Panel;

  GroupProduct(const LinearGroup<Weight> &group, const Operand *x, int64_t allRows,
               int64_t firstRow, int64_t rows, float *sums, Operand *stage)
      : group(group), x(x), allRows(allRows), firstRow(firstRow), rows(rows), sums(sums),
        stage(stage) {}

  void run() {
    if (rows <= fewRows)
      multiplyPanels<fewRows, fewRowsPanels, fetchedAhead>();
    else if (rows <= tileRows)
      multiplyPanels<tileRows, tilePanels, fetchedAhead>();
    else
      multiplyPanels<tileRows, tilePanels, tilePanels * blockBytes>();
  }

private:
  static constexpr bool quantized = isQuantized<Weight>;
  /// Bytes of a depth block of a panel, as the rows read it: quantized weights once dequantized.
  static constexpr int64_t blockBytes =
      Traits::depthBlock * lanes * int64_t(quantized ? sizeof(Operand) : sizeof(Weight));
  /// One tile of rows waits for memory, so the next weights are fetched just early enough: much
  /// more pushes out of the first cache what is not used yet, and reads 10 to 20 % slower. For
  /// quantized weights it is what they become that has to stay there.
  static constexpr int64_t fetchedAhead = quantized ? 8192 : 4096;

  static constexpr int64_t weightStride = lanes * Traits::interleave;

  /// With at most maxRows x maxPanels in a register tile, `bytes` of all panels at a time.
  template <int maxRows, int maxPanels, int64_t bytes> void multiplyPanels() {
    constexpr int64_t parts = larger(1, maxPanels * blockBytes / bytes);
    constexpr int64_t partDepth = Traits::depthBlock / parts;
    static_assert(Traits::depthBlock % parts == 0 && partDepth % Panel::unit == 0);
    forEachPanelTile<maxPanels>(group.panelCount, [&](auto panels, int64_t panel) {
      constexpr int P = decltype(panels)::value;
      const Weight *weights[P], *next[P];
      for (int p = 0; p < P; ++p)
        weights[p] = group.panels[panel + p];
      for (int64_t k = 0; k < Traits::depth; k += partDepth) {
        bool last = k + partDepth >= Traits::depth;
        for (int p = 0; p < P; ++p)
          next[p] = last ? panelAfter(panel + p, P)
                         : weights[p] + (Panel::at(k + partDepth) - Panel::at(k));
        int64_t depth = smaller(partDepth, Traits::depth - k);
        multiplyPart<maxRows, P, partDepth>(panel, k, depth, weights, next);
        for (int p = 0; p < P; ++p)
          weights[p] = next[p];
      }
    });
  }

  /// The panel `count` panels further. Past the group's last one there lies, as a rule, the next
  /// group.
  const Weight *panelAfter(int64_t panel, int64_t count) const {
    int64_t last = group.panelCount - 1, wanted = panel + count;
    return wanted <= last ? group.panels[wanted]
                          : group.panels[last] + (wanted - last) * Panel::elements;
  }

  template <int maxRows, int P, int64_t partDepth>
  void multiplyPart(int64_t panel, int64_t k, int64_t depth, const Weight *const *weights,
                    const Weight *const *next) {
    // Weights of another type are made ready once for all row tiles. If there is only one tile,
    // they are while it reads them, unless that takes a whole step of codes.
    constexpr bool staged = quantized || (!Traits::inPlaceWeight && maxRows > fewRows);
    if constexpr (staged) {
      constexpr int64_t panelStage = partDepth * lanes;
      static_assert(P * panelStage * int64_t(sizeof(Operand)) <= stageBytes);
      const Operand *operands[P];
      for (int p = 0; p < P; ++p) {
        operands[p] = stage + p * panelStage;
        if constexpr (quantized)
          dequantize<Compute, typename Panel::Layout>(group.panels[panel + p], k, depth,
                                                      stage + p * panelStage, next[p]);
        else
          stageWeights<Compute>(weights[p], stage + p * panelStage, stepsOf(depth) * weightStride);
      }
      multiplyRows<Operand, maxRows, P>(panel, k, depth, operands, next);
    } else {
      multiplyRows<Compute, maxRows, P>(panel, k, depth, weights, next);
    }
  }

  /// All rows times `depth` of P panels from k on, within a depth block. Each row tile prefetches
  /// its share of the next weights. Rounded: what the weights are rounded to; the Operand itself
  /// if they are rounded already.
  template <class Rounded, int maxRows, int P, class W>
  void multiplyRows(int64_t panel, int64_t k, int64_t depth, const W *const *weights,
                    const Weight *const *next) {
    int64_t steps = stepsOf(depth);
    int64_t bytesPerStep = ceilDivide(Panel::stepBytes, ceilDivide(rows, maxRows));
    const char *ahead[P];
    for (int p = 0; p < P; ++p)
      ahead[p] = reinterpret_cast<const char *>(next[p]);
    const Operand *partX = x + (k / Traits::depthBlock * allRows + firstRow) * Traits::depthBlock +
                           k % Traits::depthBlock;
    forEachRowTile<maxRows>(rows, [&](auto tile, int64_t row) {
      multiplyTile<Rounded, decltype(tile)::value, P, Panel::stepBytes>(
          weights, weightStride, partX + row * Traits::depthBlock, Traits::depthBlock, steps, 1,
          sums + (row * group.panelCount + panel) * lanes, group.panelCount * lanes, k == 0, ahead,
          bytesPerStep);
      for (int p = 0; p < P; ++p)
        ahead[p] += steps * bytesPerStep;
    });
  }

  static int64_t stepsOf(int64_t depth) { return ceilDivide(depth, Traits::interleave); }

  const LinearGroup<Weight> &group;
  const Operand *x;
  const int64_t allRows, firstRow, rows;
  float *sums;
  Operand *stage;
};

} // namespace detail

/// Threads divide the tiles in contiguous ranges, and the rows too where there are more threads
/// than tiles. A thread takes a group of tiles at a time: weights of a group are read once for 128
/// rows.
template <class Config, class Prologue, class Epilogue>
void linear(const LlmoptTeam &team, int64_t rows, const typename Config::Weight *weight,
            void *shared, const Prologue &prologue, const Epilogue &epilogue) {
  using namespace detail;
  using Traits = LinearTraits<Config>;
  using Operand = typename Traits::Operand;
  if (rows <= 0)
    return;

  char *scratch = static_cast<char *>(team.scratch);
  float *sums = reinterpret_cast<float *>(scratch);
  Operand *stage = reinterpret_cast<Operand *>(scratch + sumBytes);
  char *rowScratch = scratch + (sumBytes + stageBytes);
  const Operand *x = prepareX<Config>(team, rows, shared, rowScratch, prologue);

  constexpr int64_t tiles = Traits::tiles();
  int64_t rowParts = larger(1, smaller(team.threads / tiles, ceilDivide(rows, tileRows)));
  int64_t columnParts = team.threads / rowParts;
  int64_t rowPart = team.thread / columnParts, columnPart = team.thread % columnParts;
  if (rowPart >= rowParts)
    return;
  int64_t rowBegin = rows * rowPart / rowParts, rowEnd = rows * (rowPart + 1) / rowParts;
  int64_t tile = firstTile<Config>(columnPart, columnParts);
  int64_t tileEnd = firstTile<Config>(columnPart + 1, columnParts);

  while (tile < tileEnd) {
    LinearGroup<typename Config::Weight> group;
    while (tile < tileEnd && addTile<Config>(group, linearTile<Config>(tile), weight))
      ++tile;
    int64_t sumStride = group.panelCount * lanes;
    int64_t rowsAtOnce = smaller(groupRows, sumBytes / (sumStride * 4));
    for (int64_t row = rowBegin; row < rowEnd; row += rowsAtOnce) {
      int64_t count = smaller(rowsAtOnce, rowEnd - row);
      GroupProduct<Config>(group, x, rows, row, count, sums, stage).run();
      for (int t = 0; t < group.tileCount; ++t)
        for (int64_t r = 0; r < count; ++r) {
          const LinearTile &done = group.tiles[t];
          const float *streams[2] = {sums + r * sumStride + done.sums[0],
                                     sums + r * sumStride + done.sums[1]};
          epilogue(done.segment, row + r, done.column, done.columns, streams);
        }
    }
  }
}

} // namespace llmopt::cpu

#endif // LLMOPT_KERNELS_LINEAR_H
