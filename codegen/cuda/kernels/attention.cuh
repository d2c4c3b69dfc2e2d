//===- attention.cuh - Paged causal attention: tiles of queries, splits of the cache ----------===//
//
// A Config, a struct of constants, describes one attention:
//
//   struct Config {
//     using Query = bf16;            // type of q
//     using Result = bf16;           // type of the output
//     using Cache = CacheLayout<bf16, /*Heads=*/4, /*HeadDim=*/64>;
//     static constexpr int heads = 32;              // query heads
//     static constexpr float scale = 0.125f;
//     static constexpr int window = 0;              // 0: none
//     static constexpr float softcap = 0;           // 0: none
//     static constexpr bool alibi = false;
//     static LLMOPT_DEVICE float slope(int head);   // if alibi
//     static constexpr int partKeys = 0;            // of FixedParts if there are, else 0
//     static constexpr int parts = 0;               // how many: the last has all keys that follow
//   };
//
// A tile has `Slots` query vectors that share one key-value head: some rows of one sequence times
// the query heads of the group (of a group larger than the tile, a part). Two ways of cutting rows
// into tiles:
//
// - decode: a row per tile, whose keys are divided among several tiles, its splits, in equal parts
//   of whole steps (split-KV: Flash-Decoding, Dao et al., 2023). Whoever launches decides how many
//   splits there are, by the number of tiles; a row with few keys uses some of them. The tile that
//   arrives last adds the parts up in their order, so the result does not depend on which it is.
// - prefill: as many rows of a sequence as fit; keys and values are read once for all. Where the
//   group is no divisor of the tile, the slots of a block of rows are cut into several tiles that
//   begin and end inside a row.
//
// With fixed parts both add up the same parts in the same order, so that a row's result does not
// depend on the rows beside it either: keys that a row does not see have the weight 0, and leave
// its sums as they are. (Not so where a value is infinite: 0 times that is not a number, and
// prefill multiplies it where decode does not.)
//
// Keys go by in steps of `Step`, at multiples of Step from position 0, with an online softmax
// (Milakov and Gimelshein, 2018; Dao et al., 2022) in base 2.
//
// What computes a tile's scores is a policy, Products: attention_exact.cuh (float32 on the FMA
// units, any type) or attention_tensor.cuh (bf16 and f16 on the tensor cores).
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_ATTENTION_CUH
#define LLMOPT_CUDA_ATTENTION_CUH

#include "attention_tile.cuh"
#include "rows.cuh"

namespace llmopt::cuda {

/// Rows of `group` slots each that fill tiles of `slots`, but for one slot in 32.
constexpr LLMOPT_DEVICE int rowsFilling(int slots, int group) {
  int rows = larger(1, slots / group);
  while (roundUp(rows * group, slots) - rows * group > roundUp(rows * group, slots) / 32)
    ++rows;
  return rows;
}

template <class Config, class Products, bool Decode> struct Attention {
  using Cache = typename Config::Cache;
  static constexpr int threads = Products::threads;
  static constexpr int slots = Products::slots;
  static constexpr int headDim = Cache::headDim;
  static constexpr bool decode = Decode;
  static constexpr int group = Config::heads / Cache::heads;
  static constexpr int headsOfTile = !decode || group < slots ? group : slots;
  static constexpr int rowsOfBlock = decode ? 1 : rowsFilling(slots, group);
  /// Tiles of a key-value head, of a row (decode, each once for every split) or of a block of rows.
  static constexpr int headTiles =
      decode ? (group + headsOfTile - 1) / headsOfTile : (rowsOfBlock * group + slots - 1) / slots;
  static constexpr int tilesOfRows = Cache::heads * headTiles;
  static constexpr bool fixedParts = Config::partKeys > 0;
  static_assert(!fixedParts || Config::partKeys % Products::step == 0, "whole steps");
  /// Shared memory: that of Products; where a tile adds up fixed parts, what it has so far.
  static constexpr int sharedBytes =
      Products::sharedBytes + (fixedParts && !decode ? slots * (headDim + 2) * 4 : 0);

  /// What a tile leaves for the last one: for each of its heads the maximum, the sum and the
  /// weighted values, float32.
  static constexpr int partialFloats = headDim + 2;
  static constexpr int partialFloatsOfTile = headsOfTile * partialFloats;

  /// Tile `index` of `count`: of tilesOfRows * rows * splits (decode), or of tilesOfRows * (rows /
  /// rowsOfBlock + sequences) (prefill). With several splits, `workspace` has partialFloatsOfTile
  /// for each tile, and `arrivals` a counter for all splits of a tile, [tilesOfRows * rows], 0
  /// before and after. With fixed parts there are Config::parts splits.
  template <class Gate>
  static LLMOPT_DEVICE void
  tile(const LlmoptBatch &batch, const typename Config::Query *q,
       const typename Cache::Element *cache, typename Config::Result *result, float *workspace,
       unsigned *arrivals, int index, int count, char *shared, const Gate &gate) {
    gate.wait();
    if (!decode)
      index = count - 1 - index; // later rows see more keys: those first that take longest
    int splits = decode ? count / (tilesOfRows * batch.tokens) : 1;
    int whole = index / splits, split = index % splits;
    AttentionTile tile;
    int part = whole % tilesOfRows % headTiles;
    if (!findRows(batch, whole / tilesOfRows, part, tile))
      return;
    tile.kvHead = whole % tilesOfRows / headTiles;
    tile.headsOfTile = headsOfTile;
    tile.firstHead = tile.kvHead * group + (decode ? part * headsOfTile : 0);
    tile.heads = decode ? smaller(headsOfTile, group - part * headsOfTile) : group;

    if constexpr (fixedParts && !decode) {
      addParts(batch, tile, q, cache, result, shared);
      return;
    }
    int parts = findKeys(tile, split, splits);
    if (split >= parts)
      return;
    if constexpr (Products::stores) {
      static_assert(!decode, "results are not parts");
      Products::attend(batch, tile, q, cache, result, shared);
    } else {
      float *sums = Products::compute(batch, tile, q, cache, shared);
      if (parts <= 1)
        store(tile, result, sums);
      else
        combine(tile, split, parts, result,
                workspace + (long long)(index - split) * partialFloatsOfTile, arrivals + whole,
                sums, shared);
    }
  }

private:
  /// Part `part` of block `index` of rows. In prefill the blocks of sequence s are numbered from
  /// firstRow[s] / rowsOfBlock + s on, which leaves room for each sequence's last, partly filled
  /// block.
  static LLMOPT_DEVICE bool findRows(const LlmoptBatch &batch, int index, int part,
                                     AttentionTile &tile) {
    tile.skipped = 0;
    if constexpr (decode) {
      if (index >= batch.tokens)
        return false;
      tile.sequence = batch.sequenceOf[index];
      tile.firstRow = index;
      tile.rows = 1;
    } else {
      int low = 0, high = batch.sequences - 1;
      while (low < high) {
        int middle = (low + high + 1) / 2;
        if (batch.firstRow[middle] / rowsOfBlock + middle <= index)
          low = middle;
        else
          high = middle - 1;
      }
      int begin = batch.firstRow[low], end = batch.firstRow[low + 1];
      int block = begin + (index - begin / rowsOfBlock - low) * rowsOfBlock;
      end = smaller(end, block + rowsOfBlock);
      int first = part * slots, last = first + slots - 1;
      tile.sequence = low;
      tile.firstRow = block + first / group;
      tile.skipped = first % group;
      tile.rows = smaller(end, block + last / group + 1) - tile.firstRow;
      if (tile.rows <= 0)
        return false;
    }
    tile.positions = batch.positions + tile.firstRow;
    return true;
  }

  /// Sets begin and end for this split; returns the number of parts, at most `splits`: those
  /// splits have keys.
  static LLMOPT_DEVICE int findKeys(AttentionTile &tile, int split, int splits) {
    int begin = 0, end = tile.positions[tile.rows - 1] + 1;
    if constexpr (Config::window > 0)
      begin = larger(0, tile.positions[0] - Config::window + 1) / Products::step * Products::step;
    tile.begin = begin;
    tile.end = end;
    if constexpr (fixedParts) {
      using Parts = FixedParts<larger(1, Config::partKeys)>;
      int first = smaller(Parts::partOf(begin), Config::parts - 1), part = first + split;
      tile.begin = larger(begin, Parts::begin(part));
      if (part < Config::parts - 1)
        tile.end = smaller(end, Parts::begin(part + 1));
      return smaller(Parts::partOf(end - 1), Config::parts - 1) - first + 1;
    }
    if (splits <= 1)
      return 1;
    int steps = ceilDivide(end - begin, Products::step);
    int stepsOfPart = leastSteps(steps, smaller(splits, mostParts));
    tile.begin = begin + split * stepsOfPart * Products::step;
    tile.end = smaller(end, tile.begin + stepsOfPart * Products::step);
    return ceilDivide(steps, stepsOfPart);
  }

  /// Parts whose weights there is room for when they are added up.
  static constexpr int mostParts = (Products::sharedBytes - 16) / (headsOfTile * 4);
  static constexpr int stepBytes =
      2 * Products::step * headDim * int(sizeof(typename Cache::Element));

  /// Steps of a part: enough for so many keys, which are on their way in less time than it takes to
  /// meet. And a block reads its part while others read theirs, but one alone adds up all parts:
  /// with bytes k of keys and values in all and m of a part's results, k / parts + parts * m is
  /// least for parts = sqrt(k / m).
  static constexpr int leastKeys = 128;
  static LLMOPT_DEVICE int leastSteps(int steps, int splits) {
    int least = larger(ceilDivide(steps, splits), ceilDivide(leastKeys, Products::step));
    while ((long long)least * least * stepBytes < (long long)steps * partialFloatsOfTile * 4)
      ++least;
    return least;
  }

  /// A softmax over some keys: its maximum, the sum of weights, and one weighted value.
  struct Part {
    float maximum, total, value;
  };

  /// Both as if of one. Written so that every caller rounds alike, whatever is inlined into it.
  static LLMOPT_DEVICE Part add(const Part &a, const Part &b) {
    float maximum = fmaxf(a.maximum, b.maximum);
    float factorA = weightOf(a.maximum, maximum), factorB = weightOf(b.maximum, maximum);
    return {maximum, fmaf(factorB, b.total, factorA * a.total),
            fmaf(factorB, b.value, factorA * a.value)};
  }

  /// Element `dim` of `count` parts, added in their order. read(i) reads float i; a part has the
  /// maximum, the sum and headDim weighted values, parts are `stride` floats apart.
  template <class Read>
  static LLMOPT_DEVICE Part merge(int count, int stride, int dim, const Read &read) {
    Part whole = {minusInfinity(), 0, 0};
    for (int i = 0; i < count; ++i)
      whole = add(whole, {read(i * stride), read(i * stride + 1), read(i * stride + 2 + dim)});
    return whole;
  }

  /// Merges what the groups of warps left in shared memory.
  static LLMOPT_DEVICE Part mergeGroups(const float *sums, int slot, int dim) {
    return merge(Products::keyGroups, slots * partialFloats, dim,
                 [&](int i) { return sums[slot * partialFloats + i]; });
  }

  template <class Visit>
  static LLMOPT_DEVICE void forEachElement(const AttentionTile &tile, const Visit &visit) {
    for (int i = threadIndex(); i < slots * headDim; i += threads)
      if (tile.has(i / headDim))
        visit(i / headDim, i % headDim);
  }

  static LLMOPT_DEVICE void storeElement(const AttentionTile &tile, int slot, int dim,
                                         const Part &part, typename Config::Result *result) {
    result[((long long)tile.row(slot) * Config::heads + tile.head(slot)) * headDim + dim] =
        fromFloat<typename Config::Result>(part.value / part.total);
  }

  /// `sums` is [Products::keyGroups][slots][partialFloats].
  static LLMOPT_DEVICE void store(const AttentionTile &tile, typename Config::Result *result,
                                  const float *sums) {
    forEachElement(tile, [&](int slot, int dim) {
      storeElement(tile, slot, dim, mergeGroups(sums, slot, dim), result);
    });
  }

  /// Prefill with fixed parts: one after the other, added up in shared memory.
  static LLMOPT_DEVICE void addParts(const LlmoptBatch &batch, AttentionTile &tile,
                                     const typename Config::Query *q,
                                     const typename Cache::Element *cache,
                                     typename Config::Result *result, char *shared) {
    float *whole = reinterpret_cast<float *>(shared + Products::sharedBytes);
    for (int i = threadIndex(); i < slots * partialFloats; i += threads)
      whole[i] = i % partialFloats == 0 ? minusInfinity() : 0.0f;
    for (int part = 0; part < findKeys(tile, part, Config::parts); ++part) {
      const float *sums = Products::compute(batch, tile, q, cache, shared);
      auto added = [&](int slot, int dim) {
        const float *before = whole + slot * partialFloats;
        return add({before[0], before[1], before[2 + dim]}, mergeGroups(sums, slot, dim));
      };
      forEachElement(tile, [&](int slot, int dim) {
        whole[slot * partialFloats + 2 + dim] = added(slot, dim).value;
      });
      syncThreads<threads>();
      forEachElement(tile, [&](int slot, int dim) {
        if (dim > 0)
          return;
        Part state = added(slot, dim);
        whole[slot * partialFloats] = state.maximum;
        whole[slot * partialFloats + 1] = state.total;
      });
      syncThreads<threads>();
    }
    forEachElement(tile, [&](int slot, int dim) {
      const float *sums = whole + slot * partialFloats;
      storeElement(tile, slot, dim, {sums[0], sums[1], sums[2 + dim]}, result);
    });
  }

  /// Leaves the part; the last of `parts` to come adds all up. `partials` are theirs, in order.
  static LLMOPT_DEVICE void combine(const AttentionTile &tile, int split, int parts,
                                    typename Config::Result *result, float *partials,
                                    unsigned *arrived, const float *sums, char *shared) {
    forEachElement(tile, [&](int slot, int dim) {
      Part part = mergeGroups(sums, slot, dim);
      float *to = partials + split * partialFloatsOfTile + slot * partialFloats;
      to[2 + dim] = part.value;
      if (dim == 0) {
        to[0] = part.maximum;
        to[1] = part.total;
      }
    });
    fenceDevice();
    syncThreads<threads>();
    int *last = reinterpret_cast<int *>(shared);
    if (threadIndex() == 0) {
      *last = atomicIncrement(arrived) == unsigned(parts - 1);
      if (*last)
        *arrived = 0;
    }
    syncThreads<threads>();
    if (!*last)
      return;
    fenceDevice();
    if constexpr (fixedParts)
      forEachElement(tile, [&](int slot, int dim) {
        const float *from = partials + slot * partialFloats;
        Part whole =
            merge(parts, partialFloatsOfTile, dim, [&](int i) { return loadFresh(from + i); });
        storeElement(tile, slot, dim, whole, result);
      });
    else
      addUp(tile, parts, result, partials, reinterpret_cast<float *>(shared + 16));
  }

  /// The sum of parts weighted, as merge() makes it but without a chain of dependent steps, and its
  /// loads in groups. `weights` is [headsOfTile][parts], in shared memory.
  static LLMOPT_DEVICE void addUp(const AttentionTile &tile, int parts,
                                  typename Config::Result *result, const float *partials,
                                  float *weights) {
    for (int slot = warpIndex(); slot < tile.heads; slot += threads / 32)
      weighParts(partials + slot * partialFloats, parts, weights + slot * parts);
    syncThreads<threads>();
    constexpr int elements = 4, together = 8; ///< of a thread, and of their parts
    int count = tile.heads * headDim;
    for (int first = threadIndex(); first < count; first += elements * threads) {
      float values[elements] = {};
      for (int part = 0; part < parts; part += together) {
        float loaded[elements][together];
        LLMOPT_UNROLL
        for (int e = 0; e < elements; ++e)
          LLMOPT_UNROLL
        for (int p = 0; p < together; ++p) {
          int i = first + e * threads;
          loaded[e][p] = 0;
          if (i < count && part + p < parts)
            loaded[e][p] = loadFresh(partials + (part + p) * partialFloatsOfTile +
                                     i / headDim * partialFloats + 2 + i % headDim);
        }
        LLMOPT_UNROLL
        for (int e = 0; e < elements; ++e)
          LLMOPT_UNROLL
        for (int p = 0; p < together; ++p) {
          int i = first + e * threads;
          if (i < count && part + p < parts)
            values[e] = fmaf(weights[i / headDim * parts + part + p], loaded[e][p], values[e]);
        }
      }
      LLMOPT_UNROLL
      for (int e = 0; e < elements; ++e)
        if (int i = first + e * threads; i < count)
          storeElement(tile, i / headDim, i % headDim, {0, 1, values[e]}, result);
    }
  }

  /// A warp makes the weights of a slot's parts, which add up to one.
  static LLMOPT_DEVICE void weighParts(const float *partials, int parts, float *weights) {
    float maximum = minusInfinity();
    for (int part = laneIndex(); part < parts; part += 32) {
      weights[part] = loadFresh(partials + part * partialFloatsOfTile);
      maximum = fmaxf(maximum, weights[part]);
    }
    LLMOPT_UNROLL
    for (int mask = 16; mask > 0; mask /= 2)
      maximum = fmaxf(maximum, shuffleXor(maximum, mask));
    float total = 0;
    for (int part = laneIndex(); part < parts; part += 32) {
      weights[part] = weightOf(weights[part], maximum);
      total = fmaf(weights[part], loadFresh(partials + part * partialFloatsOfTile + 1), total);
    }
    total = warpSum(total);
    for (int part = laneIndex(); part < parts; part += 32)
      weights[part] /= total;
  }
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_ATTENTION_CUH
