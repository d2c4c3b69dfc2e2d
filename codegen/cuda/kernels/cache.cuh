//===- cache.cuh - The layout of the key-value cache ------------------------------------------===//
//
// A layer's cache is an array of pages. A page holds 16 tokens: keys [heads][16][headDim], then
// values [heads][16][headDim].
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

  /// Element of the keys of a page where `position` of head `head` begins; its values begin
  /// keysOfPage elements later.
  static LLMOPT_DEVICE long long offset(int page, int head, int position) {
    return (long long)page * pageElements + (head * pageTokens + position % pageTokens) * HeadDim;
  }
};

/// Where the key (values: keysOfPage elements later) of batch row `row`, column `column` of
/// [heads * headDim], is kept.
template <class Layout>
LLMOPT_DEVICE long long cacheOffset(const LlmoptBatch &batch, int row, int column) {
  int position = batch.positions[row];
  int page = batch.pageTable[(long long)batch.sequenceOf[row] * batch.pageTableStride +
                             position / Layout::pageTokens];
  return Layout::offset(page, column / Layout::headDim, position) + column % Layout::headDim;
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
