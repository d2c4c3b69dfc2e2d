//===- linear.cuh - What all kernels for y = x * transpose(w) share ---------------------------===//
//
//   y[n, o] = sum over k of x[n, k] * w[o, k]
//
// A Shape, a struct of constants, describes one linear:
//
//   struct Shape {
//     using Weight = bf16;                      // type of the stored weight
//     using Compute = bf16;                     // type of x and of the products
//     static constexpr int depth = 2048;        // K
//     static constexpr int segments = 2;
//     static LLMOPT_DEVICE constexpr Segment segment(int index);   // index < segments
//   };
//
// Weight is Compute, or float that is rounded to Compute as it is read ("mixed" precisions), or a
// type of 8 or 4 bits, whose values Compute has. It lies row-major, its rows padded with zeros to
// 16 bytes (#llm.packed<panel = 1, interleave = 16 bytes>), 16-byte aligned.
//
// Outputs are cut into segments, which the epilogue treats alike, and segments into units: one
// output column, or a pair of columns that the epilogue needs together (gate and up; the two
// elements that a rotary embedding turns). The prologue that makes x is a row function (rows.cuh);
// the generated epilogue takes finished units:
//
//   void operator()(int segment, int row, int unit, float a, float b) const
//
// with the sums of the unit's first and second column (b is 0 without one), once for each (segment,
// row, unit). Neighbouring threads have neighbouring units of a row.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_LINEAR_CUH
#define LLMOPT_CUDA_LINEAR_CUH

#include "rows.cuh"

namespace llmopt::cuda {

/// Column `stream` of unit u is weight row
/// first[stream] + u / group * groupStride + u % group * step.
/// Plain columns: group = units, step = 1. Pairs of rotary heads of d elements, R of them turned:
/// group = R / 2, groupStride = d, and first[1] - first[0] is R / 2 (step 1) or 1 (step 2).
struct Segment {
  int units;
  int streams; ///< columns per unit: 1 or 2
  int first[2];
  int group;
  int groupStride;
  int step;

  LLMOPT_DEVICE constexpr int weightRow(int unit, int stream) const {
    return (stream == 0 ? first[0] : first[1]) + unit / group * groupStride + unit % group * step;
  }
};

/// Some columns of a linear: `Columns` sums per row. Sum i belongs to unit firstUnit + i, or of two
/// streams to unit firstUnit + i % (Columns / 2) and stream i / (Columns / 2).
template <class Shape, int Columns> struct ColumnTile {
  int index; ///< of the segment
  int firstUnit;
  Segment segment;

  static constexpr LLMOPT_DEVICE int unitsPerTile(const Segment &segment) {
    return Columns / segment.streams;
  }
  static constexpr LLMOPT_DEVICE int count() {
    int tiles = 0;
    for (int s = 0; s < Shape::segments; ++s)
      tiles += ceilDivide(Shape::segment(s).units, unitsPerTile(Shape::segment(s)));
    return tiles;
  }

  explicit LLMOPT_DEVICE ColumnTile(int tile) : index(0), firstUnit(0), segment(Shape::segment(0)) {
    LLMOPT_UNROLL
    for (int s = 0; s < Shape::segments; ++s) {
      constexpr int columns = Columns;
      Segment candidate = Shape::segment(s);
      int units = columns / candidate.streams;
      int tiles = ceilDivide(candidate.units, units);
      if (tile >= 0 && tile < tiles) {
        index = s;
        firstUnit = tile * units;
        segment = candidate;
      }
      tile -= tiles;
    }
  }

  /// The weight row of sum i, -1 past the segment's end.
  LLMOPT_DEVICE int weightRow(int i) const {
    int perStream = unitsPerTile(segment);
    int stream = i >= perStream ? 1 : 0;
    int unit = firstUnit + i - stream * perStream;
    return unit < segment.units ? segment.weightRow(unit, stream) : -1;
  }
  /// Gives unit u of the tile to the epilogue, if there is one; sum(i) is sum i.
  template <class Epilogue, class Sum>
  LLMOPT_DEVICE void finish(const Epilogue &epilogue, int row, int u, const Sum &sum) const {
    if (u >= unitsPerTile(segment) || firstUnit + u >= segment.units)
      return;
    float second = segment.streams == 2 ? sum(u + Columns / 2) : 0.0f;
    epilogue(index, row, firstUnit + u, sum(u), second);
  }
};

/// Elements from a stored weight row to the next.
template <class Shape>
inline constexpr int weightStride =
    (Shape::depth + pieceElements<typename Shape::Weight> - 1) /
    pieceElements<typename Shape::Weight> * pieceElements<typename Shape::Weight>;

/// x that exists in memory, rows of `depth` elements of Compute; also a row function (rows.cuh).
template <class Shape> struct DirectRows {
  using Compute = typename Shape::Compute;
  /// Rows can be copied by 16-byte pieces.
  static constexpr bool pieces = Shape::depth % pieceElements<Compute> == 0;
  const Compute *x;

  LLMOPT_DEVICE const Compute *row(int row) const { return rowOf(x, row, Shape::depth); }

  struct Statistics {};
  template <class Block> LLMOPT_DEVICE Statistics prepare(const Block &, int) const { return {}; }
  LLMOPT_DEVICE float element(int row, int column, const Statistics &) const {
    return toFloat(this->row(row)[column]);
  }
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_LINEAR_CUH
