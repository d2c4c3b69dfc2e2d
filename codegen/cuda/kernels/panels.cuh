//===- panels.cuh - Weights that tensor cores read as they lie --------------------------------===//
//
// On sm_90a a weight of 16-bit elements lies in panels of eight rows:
//
//   [ceil(rows / 8)][ceil(depth / 8)][8 rows][8 elements]      #llm.packed<panel = 8, interleave =
//   8>
//
// Each eight rows x 16 bytes are a core matrix of the tensor cores' operands, 128 consecutive
// bytes: what a bulk copy brings into shared memory is what ldmatrix and wgmma read, with no bank
// conflict. And eight rows' whole depth is one stream of consecutive bytes: the same weight serves
// few rows, where the time is that of reading it, and many, where tiles are read again and again.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_PANELS_CUH
#define LLMOPT_CUDA_PANELS_CUH

#include "intrinsics_sm90.cuh"
#include "linear.cuh"

namespace llmopt::cuda {

/// Where a Shape's weight has its elements; Shape::panel is 8.
template <class Shape> struct WeightPanels {
  /// Elements of a row, and of a panel.
  static constexpr int depth = (Shape::depth + 7) / 8 * 8;
  static constexpr LLMOPT_DEVICE long long offset(int row, int k) {
    return packedOffset<8, 8, depth>(row, k);
  }
};

/// Whether every tile of `Columns` sums is whole panels, of whole pairs of core matrices along K,
/// so that bulk copies can bring it.
template <class Shape, int Columns> constexpr LLMOPT_DEVICE bool computeWholePanels() {
  for (int s = 0; s < Shape::segments; ++s) {
    Segment segment = Shape::segment(s);
    bool groups =
        segment.group >= segment.units || (segment.group % 8 == 0 && segment.groupStride % 8 == 0);
    if (Columns / segment.streams % 8 != 0 || segment.step != 1 || !groups ||
        segment.first[0] % 8 != 0 || (segment.streams == 2 && segment.first[1] % 8 != 0))
      return false;
  }
  return Shape::depth % 16 == 0;
}
template <class Shape, int Columns>
inline constexpr bool wholePanels = computeWholePanels<Shape, Columns>();

/// The whole panels of a tile, one for each of the first lanes of a warp, which brings them.
template <class Shape, int Columns> struct PanelOfLane {
  using Weight = typename Shape::Weight;
  static constexpr int count = Columns / 8;
  static_assert(count <= 32, "a lane for each panel");
  const Weight *panel = nullptr; ///< null in the other lanes

  LLMOPT_DEVICE PanelOfLane(const Weight *weight, const ColumnTile<Shape, Columns> &tile) {
    LLMOPT_UNROLL
    for (int i = 0; i < count; ++i) {
      // Past the segment's end the first panel once more: nobody looks at its sums.
      int row = tile.weightRow(i * 8);
      if (laneIndex() == i)
        panel = weight + WeightPanels<Shape>::offset(row < 0 ? tile.weightRow(0) : row, 0);
    }
  }
  /// The warp starts the copies of Depth elements of K from `k` on, or of what is left, to
  /// [panel][Depth / 8][8 rows][16 bytes]; they complete on `barrier`, at which one lane arrives.
  template <int Depth, class... Policy>
  LLMOPT_DEVICE void copy(int k, char *to, SharedBarrier &barrier, Policy... policy) const {
    int bytes = smaller(Depth, WeightPanels<Shape>::depth - k) * 16;
    if (laneIndex() == 0)
      arriveExpecting(barrier, count * bytes);
    syncWarp();
    if (panel)
      copyBulk(to + laneIndex() * Depth * 16, panel + k * 8, bytes, barrier, policy...);
  }
};

/// The byte of 16-byte piece `piece` of row `row` in the swizzled layout of MatrixDescriptor.
LLMOPT_DEVICE int swizzledPiece(int row, int piece) { return row * 128 + (piece ^ row % 8) * 16; }

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_PANELS_CUH
