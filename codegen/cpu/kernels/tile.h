//===- tile.h - The register tile: R rows times P panels of 16 outputs ------------------------===//
//
// The one inner loop of all products: linears, attention scores, and weighted sums of values. Every
// output has one accumulator, which takes its k in rising order, so a result does not depend on R
// or P, nor on where the loop over k was interrupted.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_KERNELS_TILE_H
#define LLMOPT_KERNELS_TILE_H

#include "simd.h"

#include <type_traits>

namespace llmopt::cpu {

/// One step of the inner loop: the weights of 16 outputs, and the x that they all meet. With
/// Compute bf16 a step is a pair of k, else one k in float. Weights are rounded or widened on the
/// way.
template <class Weight, class Compute> struct Step {
  static constexpr int64_t depth = 1;
  static LLMOPT_INLINE Vec weights(const Weight *p) {
    if constexpr (std::is_same_v<Weight, float> && std::is_same_v<Compute, f16>) {
      f16 rounded[lanes];
      store(rounded, load(p));
      return load(rounded);
    } else {
      return load(p);
    }
  }
  static LLMOPT_INLINE Vec input(const float *p) { return broadcast(*p); }
  static LLMOPT_INLINE Vec accumulate(Vec w, Vec x, Vec sum) { return fma(w, x, sum); }
};
template <class Weight> struct Step<Weight, bf16> {
  static constexpr int64_t depth = 2;
  static LLMOPT_INLINE Pairs weights(const Weight *p) {
    if constexpr (std::is_same_v<Weight, bf16>)
      return loadPairs(p);
    else
      return roundPairs(load(p), load(p + lanes));
  }
  static LLMOPT_INLINE Pairs input(const bf16 *p) { return broadcastPair(p); }
  static LLMOPT_INLINE Vec accumulate(Pairs w, Pairs x, Vec sum) { return dotPairs(w, x, sum); }
};

/// The largest register tile. The weights of a step stay in registers, so a step of R rows and P
/// panels loads R + P vectors for R * P products. A few rows leave room for more panels, hence for
/// more streams of weights from memory.
#if defined(LLMOPT_AVX512)
constexpr int tileRows = 12;
constexpr int tilePanels = 2;
constexpr int fewRows = 4;
constexpr int fewRowsPanels = 4;
#else
constexpr int tileRows = 4;
constexpr int tilePanels = 1;
constexpr int fewRows = 1;
constexpr int fewRowsPanels = 2;
#endif

/// sums[r][16 p ..] (+)= x[r] * panel[p], summed over `parts` of `steps` steps each; started from
/// zero if `first`. Step s of part i has its weights at panels[i * P + p] + s * weightStride, and
/// its x in row r at x + r * xStride + (i * steps + s) * (k of a step). Strides are in elements.
///
/// In every step the cache line at ahead[i * P + p] + s * aheadStride bytes is fetched, and the one
/// behind it if mostAhead > 64; `ahead` may be null if mostAhead is 0.
template <class Compute, int R, int P, int mostAhead, class Weight, class X>
LLMOPT_INLINE void multiplyTile(const Weight *const *panels, int64_t weightStride, const X *x,
                                int64_t xStride, int64_t steps, int64_t parts, float *sums,
                                int64_t sumStride, bool first, const char *const *ahead,
                                int64_t aheadStride) {
  using Product = Step<Weight, Compute>;
  Vec sum[R][P];
  LLMOPT_UNROLL
  for (int r = 0; r < R; ++r) {
    LLMOPT_UNROLL
    for (int p = 0; p < P; ++p)
      sum[r][p] = first ? broadcast(0.0f) : load(sums + r * sumStride + p * lanes);
  }
  for (int64_t part = 0; part < parts; ++part, x += steps * Product::depth) {
    const Weight *weights[P];
    const char *fetched[P] = {};
    for (int p = 0; p < P; ++p) {
      weights[p] = panels[part * P + p];
      if (mostAhead > 0)
        fetched[p] = ahead[part * P + p];
    }
    for (int64_t s = 0; s < steps; ++s) {
      decltype(Product::weights(weights[0])) w[P];
      LLMOPT_UNROLL
      for (int p = 0; p < P; ++p) {
        w[p] = Product::weights(weights[p] + s * weightStride);
        if (mostAhead > 0)
          prefetch(fetched[p] + s * aheadStride);
        if (mostAhead > 64)
          prefetch(fetched[p] + s * aheadStride + 64);
      }
      LLMOPT_UNROLL
      for (int r = 0; r < R; ++r) {
        auto input = Product::input(x + r * xStride + s * Product::depth);
        LLMOPT_UNROLL
        for (int p = 0; p < P; ++p)
          sum[r][p] = Product::accumulate(w[p], input, sum[r][p]);
      }
    }
  }
  LLMOPT_UNROLL
  for (int r = 0; r < R; ++r) {
    LLMOPT_UNROLL
    for (int p = 0; p < P; ++p)
      store(sums + r * sumStride + p * lanes, sum[r][p]);
  }
}

/// Splits `rows` into tiles of the sizes that exist, up to `most`, and calls each(R, row) for every
/// tile, R an integral_constant.
template <int most = tileRows, class Each>
LLMOPT_INLINE void forEachRowTile(int64_t rows, const Each &each) {
  int64_t row = 0;
  if constexpr (most >= 12)
    for (; rows - row >= 12; row += 12)
      each(std::integral_constant<int, 12>(), row);
  if constexpr (most >= 8)
    for (; rows - row >= 8; row += 8)
      each(std::integral_constant<int, 8>(), row);
  if constexpr (most >= 4)
    for (; rows - row >= 4; row += 4)
      each(std::integral_constant<int, 4>(), row);
  if constexpr (most >= 2)
    for (; rows - row >= 2; row += 2)
      each(std::integral_constant<int, 2>(), row);
  for (; row < rows; ++row)
    each(std::integral_constant<int, 1>(), row);
}

/// Splits `panels` into groups of `most`, half of it and so on, and calls each(P, panel).
template <int most, class Each>
LLMOPT_INLINE void forEachPanelTile(int64_t panels, const Each &each) {
  int64_t panel = 0;
  for (; panels - panel >= most; panel += most)
    each(std::integral_constant<int, most>(), panel);
  if constexpr (most >= 4)
    for (; panels - panel >= 2; panel += 2)
      each(std::integral_constant<int, 2>(), panel);
  if constexpr (most >= 2)
    for (; panel < panels; ++panel)
      each(std::integral_constant<int, 1>(), panel);
}

} // namespace llmopt::cpu

#endif // LLMOPT_KERNELS_TILE_H
