//===- tile.h - The register tile: R rows times P panels of 16 outputs -----------------------===//
//
// The one inner loop of all products: linears, attention scores, and weighted sums of values. Every
// output has one accumulator, which takes its k in rising order, so a result does not depend on R
// or P, nor on where the loop over k was interrupted.
//
//===-----------------------------------------------------------------------------------------===//

#ifndef LLMOPT_KERNELS_TILE_H
#define LLMOPT_KERNELS_TILE_H

#include "simd.h"

#include <type_traits>

namespace llmopt::cpu {

/// One step of the inner loop: the weights of 16 outputs, and the x that they all meet. With bf16
/// products a step is a pair of k; with float x it is one k, and narrow weights are widened on the
/// way.
template <class Weight, class X> struct Step {
  static constexpr int64_t depth = 1;
  static LLMOPT_INLINE Vec weights(const Weight *p) { return load(p); }
  static LLMOPT_INLINE Vec input(const float *p) { return broadcast(*p); }
  static LLMOPT_INLINE Vec accumulate(Vec w, Vec x, Vec sum) { return fma(w, x, sum); }
};
template <> struct Step<bf16, bf16> {
  static constexpr int64_t depth = 2;
  static LLMOPT_INLINE Pairs weights(const bf16 *p) { return loadPairs(p); }
  static LLMOPT_INLINE Pairs input(const bf16 *p) { return broadcastPair(p); }
  static LLMOPT_INLINE Vec accumulate(Pairs w, Pairs x, Vec sum) { return dotPairs(w, x, sum); }
};

/// How many rows a register tile has at most. Weights of a step are held in registers, so with two
/// panels a step of R rows loads R + 2 vectors for 2 R products.
#if defined(LLMOPT_AVX512)
constexpr int tileRows = 12;
constexpr int tilePanels = 2;
#else
constexpr int tileRows = 4;
constexpr int tilePanels = 1;
#endif

/// sums[r][16 p ..] (+)= sum over `steps` of x[r] * panel[p]; started from zero if `first`.
/// The weights of step s begin at panel[p] + s * weightStride; row r of x at x + r * xStride
/// (elements). For each step one cache line behind ahead[p] is prefetched if Ahead.
template <int R, int P, bool Ahead, class Weight, class X>
LLMOPT_INLINE void multiplyTile(const Weight *const *panel, int64_t weightStride, const X *x,
                                int64_t xStride, int64_t steps, float *sums, int64_t sumStride,
                                bool first, const char *const *ahead = nullptr) {
  using Operand = Step<Weight, X>;
  Vec sum[R][P];
  if (first) {
    LLMOPT_UNROLL
    for (int r = 0; r < R; ++r)
      LLMOPT_UNROLL
    for (int p = 0; p < P; ++p)
      sum[r][p] = broadcast(0.0f);
  } else {
    LLMOPT_UNROLL
    for (int r = 0; r < R; ++r)
      LLMOPT_UNROLL
    for (int p = 0; p < P; ++p)
      sum[r][p] = load(sums + r * sumStride + p * lanes);
  }
  for (int64_t s = 0; s < steps; ++s) {
    decltype(Operand::weights(panel[0])) w[P];
    LLMOPT_UNROLL
    for (int p = 0; p < P; ++p) {
      w[p] = Operand::weights(panel[p] + s * weightStride);
      if (Ahead)
        prefetch(ahead[p] + s * 64);
    }
    LLMOPT_UNROLL
    for (int r = 0; r < R; ++r) {
      auto input = Operand::input(x + r * xStride + s * Operand::depth);
      LLMOPT_UNROLL
      for (int p = 0; p < P; ++p)
        sum[r][p] = Operand::accumulate(w[p], input, sum[r][p]);
    }
  }
  LLMOPT_UNROLL
  for (int r = 0; r < R; ++r)
    LLMOPT_UNROLL
  for (int p = 0; p < P; ++p)
    store(sums + r * sumStride + p * lanes, sum[r][p]);
}

/// Splits `rows` into tiles of the sizes that exist and calls each<R>(row) for every tile.
template <class Each> LLMOPT_INLINE void forEachRowTile(int64_t rows, const Each &each) {
  int64_t row = 0;
  if constexpr (tileRows >= 12) {
    for (; rows - row >= 12; row += 12)
      each(std::integral_constant<int, 12>(), row);
    for (; rows - row >= 8; row += 8)
      each(std::integral_constant<int, 8>(), row);
  }
  for (; rows - row >= 4; row += 4)
    each(std::integral_constant<int, 4>(), row);
  for (; rows - row >= 2; row += 2)
    each(std::integral_constant<int, 2>(), row);
  if (rows > row)
    each(std::integral_constant<int, 1>(), row);
}

} // namespace llmopt::cpu

#endif // LLMOPT_KERNELS_TILE_H
