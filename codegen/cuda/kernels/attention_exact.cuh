//===- attention_exact.cuh - Attention scores in float32, for any type ------------------------===//
//
// Products policy of attention.cuh: queries, keys and values widened to float32 in shared memory,
// dot products and weighted sums on the FMA units. A step has `Step` keys; a thread makes some
// scores, then some elements of the output.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_ATTENTION_EXACT_CUH
#define LLMOPT_CUDA_ATTENTION_EXACT_CUH

#include "attention.cuh"

namespace llmopt::cuda {

template <class Config, int Slots, int Step> struct ExactAttention {
  using Cache = typename Config::Cache;
  static constexpr int threads = 128;
  static constexpr int slots = Slots;
  static constexpr int step = Step;
  static constexpr int keyGroups = 1;
  static constexpr bool stores = false; ///< results by itself
  static constexpr int headDim = Cache::headDim;

  /// Shared memory, in floats: queries [slots][headDim], keys [step][headDim + 1] (so that lanes
  /// with neighbouring keys meet different banks), values [step][headDim], scores [slots][step],
  /// and per slot the maximum, the sum and the last step's correction. At the end the result,
  /// [slots][headDim + 2], takes the place of the keys and values.
  static constexpr int keyRow = headDim + 1;
  static constexpr int queriesAt = 0;
  static constexpr int scoresAt = queriesAt + slots * headDim;
  static constexpr int statesAt = scoresAt + slots * step;
  static constexpr int keysAt = statesAt + 3 * slots;
  static constexpr int valuesAt = keysAt + step * keyRow;
  static constexpr int loadedFloats = step * (keyRow + headDim);
  static constexpr int resultFloats = slots * (headDim + 2);
  static constexpr int sharedBytes =
      4 * (keysAt + (loadedFloats > resultFloats ? loadedFloats : resultFloats));

  static constexpr int outputsOfThread = (slots * headDim + threads - 1) / threads;

  static LLMOPT_DEVICE float *compute(const LlmoptBatch &batch, const AttentionTile &tile,
                                      const typename Config::Query *q,
                                      const typename Cache::Element *cache, char *shared) {
    float *memory = reinterpret_cast<float *>(shared);
    float *states = memory + statesAt;
    loadQueries(tile, q, memory + queriesAt);
    for (int slot = threadIndex(); slot < slots; slot += threads) {
      states[slot] = minusInfinity();
      states[slots + slot] = 0;
    }
    float outputs[outputsOfThread] = {};
    for (int t = tile.begin; t < tile.end; t += step) {
      syncThreads<threads>();
      loadKeys(batch, tile, cache, t, memory + keysAt, memory + valuesAt);
      syncThreads<threads>();
      makeScores(tile, t, memory);
      syncThreads<threads>();
      makeWeights(memory + scoresAt, states);
      syncThreads<threads>();
      addValues(memory, outputs);
    }
    syncThreads<threads>();
    float *result = memory + keysAt;
    LLMOPT_UNROLL
    for (int j = 0; j < outputsOfThread; ++j) {
      int i = threadIndex() + j * threads;
      if (i < slots * headDim)
        result[i / headDim * (headDim + 2) + 2 + i % headDim] = outputs[j];
    }
    for (int slot = threadIndex(); slot < slots; slot += threads) {
      result[slot * (headDim + 2)] = states[slot];
      result[slot * (headDim + 2) + 1] = states[slots + slot];
    }
    syncThreads<threads>();
    return result;
  }

private:
  static LLMOPT_DEVICE void loadQueries(const AttentionTile &tile, const typename Config::Query *q,
                                        float *queries) {
    for (int i = threadIndex(); i < slots * headDim; i += threads) {
      int slot = i / headDim;
      queries[i] =
          tile.has(slot)
              ? toFloat(q[((long long)tile.row(slot) * Config::heads + tile.head(slot)) * headDim +
                          i % headDim])
              : 0.0f;
    }
  }

  static LLMOPT_DEVICE void loadKeys(const LlmoptBatch &batch, const AttentionTile &tile,
                                     const typename Cache::Element *cache, int first, float *keys,
                                     float *values) {
    for (int i = threadIndex(); i < step * headDim; i += threads) {
      int token = i / headDim, dim = i % headDim;
      int t = first + token;
      float key = 0, value = 0;
      if (t < tile.end) {
        int page = pageOf(batch, tile.sequence, t / Cache::pageTokens);
        auto *from = cache + Cache::offset(page, tile.kvHead, t, dim);
        key = toFloat(from[0]);
        value = toFloat(from[Cache::keysOfPage]);
      }
      keys[token * keyRow + dim] = key;
      values[i] = value;
    }
  }

  static LLMOPT_DEVICE void makeScores(const AttentionTile &tile, int first, float *memory) {
    for (int i = threadIndex(); i < slots * step; i += threads) {
      int slot = i / step, token = i % step;
      const float *query = memory + queriesAt + slot * headDim;
      const float *key = memory + keysAt + token * keyRow;
      float product = 0;
      LLMOPT_UNROLL
      for (int dim = 0; dim < headDim; ++dim)
        product = fmaf(query[dim], key[dim], product);
      memory[scoresAt + i] =
          score<Config>(product, tile.head(slot), tile.position(slot), first + token);
    }
  }

  /// Scores become weights, a warp for each slot; states: maxima, sums, corrections.
  static LLMOPT_DEVICE void makeWeights(float *scores, float *states) {
    for (int slot = warpIndex(); slot < slots; slot += threads / 32) {
      float *own = scores + slot * step;
      float before = states[slot], maximum = before;
      for (int token = laneIndex(); token < step; token += 32)
        maximum = fmaxf(maximum, own[token]);
      LLMOPT_UNROLL
      for (int mask = 16; mask > 0; mask /= 2)
        maximum = fmaxf(maximum, shuffleXor(maximum, mask));
      float sum = 0;
      for (int token = laneIndex(); token < step; token += 32) {
        own[token] = weightOf(own[token], maximum);
        sum += own[token];
      }
      sum = warpSum(sum);
      syncWarp();
      if (laneIndex() == 0) {
        float correction = weightOf(before, maximum);
        states[slot] = maximum;
        states[slots + slot] = states[slots + slot] * correction + sum;
        states[2 * slots + slot] = correction;
      }
    }
  }

  static LLMOPT_DEVICE void addValues(const float *memory, float (&outputs)[outputsOfThread]) {
    LLMOPT_UNROLL
    for (int j = 0; j < outputsOfThread; ++j) {
      int i = threadIndex() + j * threads;
      if (i >= slots * headDim)
        break;
      const float *weights = memory + scoresAt + i / headDim * step;
      const float *values = memory + valuesAt + i % headDim;
      float sum = outputs[j] * memory[statesAt + 2 * slots + i / headDim];
      for (int token = 0; token < step; ++token)
        sum = fmaf(weights[token], values[token * headDim], sum);
      outputs[j] = sum;
    }
  }
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_ATTENTION_EXACT_CUH
