//===- attention_tensor.cuh - Attention scores on the tensor cores ----------------------------===//
//
// Products policy of attention.cuh for a cache of bf16 or f16 and a head size that is a multiple of
// 8. A warp has 16 slots, whose scores are the rows of q * transpose(k) and, rounded to the cache's
// type, the left operand of weights * v. Warps are arranged QueryTiles x KeyGroups: those of a key
// group take their own keys of each step (decode: one query tile, all warps on different keys;
// prefill: all warps on the same keys). Keys and values come by asynchronous copies, a step ahead.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_ATTENTION_TENSOR_CUH
#define LLMOPT_CUDA_ATTENTION_TENSOR_CUH

#include "attention.cuh"

namespace llmopt::cuda {

template <class Config, int QueryTiles, int KeyGroups, int KeysOfGroup> struct TensorAttention {
  using Cache = typename Config::Cache;
  using Element = typename Cache::Element;
  static constexpr int threads = 32 * QueryTiles * KeyGroups;
  static constexpr int slots = 16 * QueryTiles;
  static constexpr int keyGroups = KeyGroups;
  static constexpr int step = KeyGroups * KeysOfGroup;
  static constexpr int headDim = Cache::headDim;
  static_assert(headDim % 8 == 0 && KeysOfGroup % 16 == 0, "whole matrices");

  /// The head padded to whole matrices; rows in shared memory are 16 bytes longer, so that the rows
  /// of a matrix lie in different banks.
  static constexpr int paddedDim = (headDim + 15) / 16 * 16;
  static constexpr int rowElements = paddedDim + 8;
  static constexpr int queryBytes = slots * rowElements * 2;
  static constexpr int keyBytes = step * rowElements * 2;
  static constexpr int stageBytes = 2 * keyBytes; ///< keys, then values
  static constexpr int stages = 2;
  static constexpr bool stores = false; ///< results by itself
  static constexpr int resultBytes = keyGroups * slots * (headDim + 2) * 4;
  static constexpr int sharedBytes = queryBytes + stages * stageBytes > resultBytes
                                         ? queryBytes + stages *stageBytes
                                         : resultBytes;

  static constexpr int keyTiles = KeysOfGroup / 8;
  static constexpr int dimTiles = paddedDim / 8;

  static LLMOPT_DEVICE float *compute(const LlmoptBatch &batch, const AttentionTile &tile,
                                      const typename Config::Query *q, const Element *cache,
                                      char *shared) {
    Element *queries = reinterpret_cast<Element *>(shared);
    char *stagesAt = shared + queryBytes;
    loadKeys(batch, tile, cache, tile.begin, stagesAt);
    commitCopies();
    loadQueries(tile, q, queries);

    WarpState state;
    state.firstSlot = warpIndex() % QueryTiles * 16 + laneIndex() / 4;
    state.group = warpIndex() / QueryTiles;
    LLMOPT_UNROLL
    for (int half = 0; half < 2; ++half) {
      int slot = state.firstSlot + 8 * half;
      state.head[half] = tile.head(slot);
      state.position[half] = tile.position(slot);
    }

    int stage = 0;
    for (int t = tile.begin; t < tile.end; t += step) {
      if (t + step < tile.end)
        loadKeys(batch, tile, cache, t + step, stagesAt + (1 - stage) * stageBytes);
      commitCopies();
      waitCopies<1>();
      syncThreads<threads>();
      const Element *keys = reinterpret_cast<const Element *>(stagesAt + stage * stageBytes) +
                            state.group * KeysOfGroup * rowElements;
      state.attend(queries + warpIndex() % QueryTiles * 16 * rowElements, keys,
                   keys + step * rowElements, t + state.group * KeysOfGroup);
      syncThreads<threads>();
      stage = 1 - stage;
    }
    waitCopies<0>();
    syncThreads<threads>();
    float *result = reinterpret_cast<float *>(shared);
    state.store(result);
    syncThreads<threads>();
    return result;
  }

private:
  /// Rows g and g + 8 of a warp's 16 slots, g = lane / 4: positions, softmax so far, outputs as
  /// sums of a matrix product.
  struct WarpState {
    int firstSlot, group;
    int head[2], position[2];
    float maximum[2] = {minusInfinity(), minusInfinity()};
    float total[2] = {0, 0}; ///< of this lane's keys
    float outputs[dimTiles][4] = {};

    LLMOPT_DEVICE void attend(const Element *queries, const Element *keys, const Element *values,
                              int firstKey) {
      float scores[keyTiles][4] = {};
      multiplyKeys(queries, keys, scores);
      softmax(scores, firstKey);
      multiplyValues(scores, values);
    }

    LLMOPT_DEVICE void multiplyKeys(const Element *queries, const Element *keys,
                                    float (&scores)[keyTiles][4]) const {
      int lane = laneIndex();
      LLMOPT_UNROLL
      for (int d = 0; d < paddedDim; d += 16) {
        unsigned left[4];
        loadMatrices(left, queries + lane % 16 * rowElements + d + lane / 16 * 8);
        LLMOPT_UNROLL
        for (int n = 0; n < keyTiles; n += 2) {
          unsigned right[4];
          loadMatrices(right, keys + (n * 8 + lane / 16 * 8 + lane % 8) * rowElements + d +
                                  lane / 8 % 2 * 8);
          unsigned first[2] = {right[0], right[1]}, second[2] = {right[2], right[3]};
          multiplyAdd(scores[n], left, first, Element{});
          multiplyAdd(scores[n + 1], left, second, Element{});
        }
      }
    }

    /// Products become weights; what was added up before is scaled to the new maximum.
    LLMOPT_DEVICE void softmax(float (&scores)[keyTiles][4], int firstKey) {
      int t = laneIndex() % 4 * 2;
      LLMOPT_UNROLL
      for (int half = 0; half < 2; ++half) {
        float highest = maximum[half];
        LLMOPT_UNROLL
        for (int n = 0; n < keyTiles; ++n)
          LLMOPT_UNROLL
        for (int i = 0; i < 2; ++i) {
          float &s = scores[n][2 * half + i];
          s = score<Config>(s, head[half], position[half], firstKey + n * 8 + t + i);
          highest = fmaxf(highest, s);
        }
        highest = fmaxf(highest, shuffleXor(highest, 1));
        highest = fmaxf(highest, shuffleXor(highest, 2));
        float correction = weightOf(maximum[half], highest);
        maximum[half] = highest;
        total[half] *= correction;
        LLMOPT_UNROLL
        for (int n = 0; n < keyTiles; ++n)
          LLMOPT_UNROLL
        for (int i = 0; i < 2; ++i) {
          float &s = scores[n][2 * half + i];
          s = weightOf(s, highest);
          total[half] += s;
        }
        LLMOPT_UNROLL
        for (int n = 0; n < dimTiles; ++n) {
          outputs[n][2 * half] *= correction;
          outputs[n][2 * half + 1] *= correction;
        }
      }
    }

    LLMOPT_DEVICE void multiplyValues(const float (&weights)[keyTiles][4], const Element *values) {
      int lane = laneIndex();
      LLMOPT_UNROLL
      for (int k = 0; k < keyTiles; k += 2) {
        unsigned left[4];
        LLMOPT_UNROLL
        for (int i = 0; i < 2; ++i) {
          left[2 * i] = packPair(weights[k + i][0], weights[k + i][1], Element{});
          left[2 * i + 1] = packPair(weights[k + i][2], weights[k + i][3], Element{});
        }
        LLMOPT_UNROLL
        for (int n = 0; n < dimTiles; n += 2) {
          unsigned right[4];
          loadMatricesTransposed(right, values +
                                            (k * 8 + lane / 8 % 2 * 8 + lane % 8) * rowElements +
                                            n * 8 + lane / 16 * 8);
          unsigned first[2] = {right[0], right[1]}, second[2] = {right[2], right[3]};
          multiplyAdd(outputs[n], left, first, Element{});
          multiplyAdd(outputs[n + 1], left, second, Element{});
        }
      }
    }

    /// result[group][slot]: maximum, sum, weighted values.
    LLMOPT_DEVICE void store(float *result) {
      int t = laneIndex() % 4 * 2;
      LLMOPT_UNROLL
      for (int half = 0; half < 2; ++half) {
        float sum = total[half];
        sum += shuffleXor(sum, 1);
        sum += shuffleXor(sum, 2);
        float *to = result + (group * slots + firstSlot + 8 * half) * (headDim + 2);
        if (t == 0) {
          to[0] = maximum[half];
          to[1] = sum;
        }
        LLMOPT_UNROLL
        for (int n = 0; n < headDim / 8; ++n) {
          to[2 + n * 8 + t] = outputs[n][2 * half];
          to[2 + n * 8 + t + 1] = outputs[n][2 * half + 1];
        }
      }
    }
  };

  static LLMOPT_DEVICE void loadQueries(const AttentionTile &tile, const typename Config::Query *q,
                                        Element *queries) {
    for (int i = threadIndex(); i < slots * paddedDim; i += threads) {
      int slot = i / paddedDim, dim = i % paddedDim;
      float value = 0;
      if (tile.has(slot) && dim < headDim)
        value = toFloat(
            q[((long long)tile.row(slot) * Config::heads + tile.head(slot)) * headDim + dim]);
      queries[slot * rowElements + dim] = fromFloat<Element>(value);
    }
  }

  /// Starts copying a step of keys and values; zeros past the tile's last key and past the head.
  static LLMOPT_DEVICE void loadKeys(const LlmoptBatch &batch, const AttentionTile &tile,
                                     const Element *cache, int first, char *stage) {
    constexpr int pieces = paddedDim / 8;
    Element *keys = reinterpret_cast<Element *>(stage);
    Element *values = keys + step * rowElements;
    for (int i = threadIndex(); i < step * pieces; i += threads) {
      // As they lie in the cache: eight tokens, then the next piece.
      int token = i / (8 * pieces) * 8 + i % 8, dim = i / 8 % pieces * 8;
      int t = first + token;
      bool valid = t < tile.end && dim < headDim;
      const Element *from = cache;
      if (valid)
        from +=
            Cache::offset(pageOf(batch, tile.sequence, t / Cache::pageTokens), tile.kvHead, t, dim);
      copyAsync(keys + token * rowElements + dim, from, valid);
      copyAsync(values + token * rowElements + dim, valid ? from + Cache::keysOfPage : cache,
                valid);
    }
  }
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_ATTENTION_TENSOR_CUH
