//===- cache.cuh - The layout of the key-value cache ------------------------------------------===//
//
// A layer's cache is an array of pages. A page holds 16 tokens: keys [heads][16][headDim], then
// values [heads][16][headDim].
//
// Of 16-bit elements and heads of a multiple of 8, the 16 tokens of a head are core matrices of the
// tensor cores: [2][headDim / 8][8 tokens][8 elements]. So what a bulk copy brings, the tokens of a
// page or eight of them, is an operand of wgmma: for keys by rows of tokens, for values transposed
// (K-major and MN-major without a swizzle; PTX ISA, "Shared Memory Matrix Layout").
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_CACHE_CUH
#define LLMOPT_CUDA_CACHE_CUH

#include "types.cuh"

namespace llmopt::cuda {

template <class T, int Heads, int HeadDim> struct CacheLayout {
  using Element = T;
  static constexpr int heads = Heads;
  static constexpr int headDim = HeadDim;
  static constexpr int pageTokens = 16;
  static constexpr int keysOfPage = Heads * pageTokens * HeadDim;
  static constexpr int pageElements = 2 * keysOfPage;

  static constexpr bool cores = sizeof(T) == 2 && HeadDim % 8 == 0;

  /// Element of the keys of a page where element `dim` of `position` of head `head` is; that of the
  /// values is keysOfPage elements later. Elements dim to dim + 7 follow each other if dim is a
  /// multiple of 8; of cores, elements of the next position are 8 later in eight positions.
  static LLMOPT_DEVICE long long offset(int page, int head, int position, int dim) {
    int token = position % pageTokens;
    int at = token * HeadDim + dim;
    if constexpr (cores)
      at = token / 8 * 8 * HeadDim + dim / 8 * 64 + token % 8 * 8 + dim % 8;
    return (long long)page * pageElements + head * pageTokens * HeadDim + at;
  }
};

/// Where the key (values: keysOfPage elements later) of batch row `row`, column `column` of
/// [heads * headDim], is kept.
template <class Layout>
LLMOPT_DEVICE long long cacheOffset(const LlmoptBatch &batch, int row, int column) {
  int position = batch.positions[row];
  int page = batch.pageTable[(long long)batch.sequenceOf[row] * batch.pageTableStride +
                             position / Layout::pageTokens];
  return Layout::offset(page, column / Layout::headDim, position, column % Layout::headDim);
}

template <class Layout>
LLMOPT_DEVICE void appendKey(typename Layout::Element *cache, const LlmoptBatch &batch, int row,
                             int column, float value) {
  cache[cacheOffset<Layout>(batch, row, column)] = fromFloat<typename Layout::Element>(value);
}
template <class Layout>
LLMOPT_DEVICE void appendValue(typename Layout::Element *cache, const LlmoptBatch &batch, int row,
                               int column, float value) {
  cache[cacheOffset<Layout>(batch, row, column) + Layout::keysOfPage] =
      fromFloat<typename Layout::Element>(value);
}

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_CACHE_CUH
