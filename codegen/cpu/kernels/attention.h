//===- attention.h - Causal attention over the paged cache ------------------------------------===//
//
//   out[n, h] = sum over t of softmax over t (score[n, h, t]) * v[t, g]
//   score[n, h, t] = cap(scale * (q[n, h] . k[t, g] + bf16(slope[h] * bf16(t))))
//
// for first(n) <= t <= position(n), where g = h / (heads / kvHeads), without ALiBi no slope,
// cap(s) = softCap * tanh(s / softCap) where softCap > 0, and first(n) = position(n) - window
// + 1 where window > 0, else 0.
//
// Config, a struct of constants:
//
//   struct Attention {
//     using Type = bf16;                        // of q and out: [tokens][heads * headDim],
//     row-major using Cache = bf16;                       // of keys and values static constexpr
//     int64_t heads = 32, kvHeads = 4, headDim = 64; static constexpr float scale = 0.125f; static
//     constexpr bool alibi = false;      // whether slopes[heads] are given and added static
//     constexpr int64_t window = 0;      // keys that a query sees; 0: all static constexpr float
//     softCap = 0;       // 0: none
//   };
//
// Page of 16 tokens of one layer: keys [kvHeads][headDim][16], then values [kvHeads][16][headDim].
// Physical page p begins at cache + p * cachePageBytes<Config>(). Position t of sequence s lies in
// page batch.pageTable[s * pageTableStride + t / 16]. Keys and values of the batch's own tokens
// must have been appended before (by an earlier launch).
//
// The softmax is the online one (Milakov and Gimelshein 2018) over blocks of 64 keys that begin at
// multiples of 64, in rising order: a row's result does not depend on what is computed beside it.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_KERNELS_ATTENTION_H
#define LLMOPT_KERNELS_ATTENTION_H

#include "abi.h"
#include "pointwise.h"
#include "tile.h"

#include <limits>

namespace llmopt::cpu {

constexpr int64_t pageTokens = lanes;

template <class Config> constexpr int64_t cachePageBytes() {
  return 2 * Config::kvHeads * Config::headDim * pageTokens *
         int64_t(sizeof(typename Config::Cache));
}

/// Bytes of a thread's scratch: 256 * roundUp(headDim, 16) + 16 KiB.
constexpr int64_t attentionScratchBytes(int64_t headDim) {
  return 256 * roundUp(headDim, 16) + 16 * 1024;
}

/// q and out may be the same buffer. `slopes` is read only if Config::alibi.
template <class Config>
void attention(const LlmoptTeam &team, const LlmoptBatch &batch, const typename Config::Type *q,
               typename Config::Type *out, const void *cache, const float *slopes);

/// Writes key features [column, column + columns) of kvHeads * headDim of the batch's `row`.
template <class Config>
void appendKeys(void *cache, const LlmoptBatch &batch, int64_t row, int64_t column, int64_t columns,
                const float *keys);
/// The same for values.
template <class Config>
void appendValues(void *cache, const LlmoptBatch &batch, int64_t row, int64_t column,
                  int64_t columns, const float *values);

//===------------------------------------------------------------------------------------------===//
// Cache
//===------------------------------------------------------------------------------------------===//

/// The page that holds position `position` of a sequence.
template <class Config, class Void>
auto *cachePage(Void *cache, const LlmoptBatch &batch, int64_t sequence, int64_t position) {
  using Byte = std::conditional_t<std::is_const_v<Void>, const char, char>;
  using Element = std::conditional_t<std::is_const_v<Void>, const typename Config::Cache,
                                     typename Config::Cache>;
  int64_t page = batch.pageTable[sequence * batch.pageTableStride + position / pageTokens];
  return reinterpret_cast<Element *>(static_cast<Byte *>(cache) + page * cachePageBytes<Config>());
}

template <class Config>
void appendKeys(void *cache, const LlmoptBatch &batch, int64_t row, int64_t column, int64_t columns,
                const float *keys) {
  int64_t position = batch.positions[row];
  auto *page = cachePage<Config>(cache, batch, batch.sequenceOf[row], position);
  auto *to = page + column * pageTokens + position % pageTokens;
  for (int64_t i = 0; i < columns; ++i)
    to[i * pageTokens] = fromFloat<typename Config::Cache>(keys[i]);
}

template <class Config>
void appendValues(void *cache, const LlmoptBatch &batch, int64_t row, int64_t column,
                  int64_t columns, const float *values) {
  int64_t position = batch.positions[row];
  auto *page = cachePage<Config>(cache, batch, batch.sequenceOf[row], position) +
               Config::kvHeads * Config::headDim * pageTokens;
  for (int64_t i = 0; i < columns; ++i) {
    int64_t head = (column + i) / Config::headDim, feature = (column + i) % Config::headDim;
    page[(head * pageTokens + position % pageTokens) * Config::headDim + feature] =
        fromFloat<typename Config::Cache>(values[i]);
  }
}

//===------------------------------------------------------------------------------------------===//
// Attention of some rows and some heads that share a kv head
//===------------------------------------------------------------------------------------------===//

namespace detail {

constexpr int64_t keyBlock = 64;
constexpr int64_t blockPages = keyBlock / pageTokens;
/// Queries (rows times heads) that one thread treats at a time; they share each load of the cache.
constexpr int64_t queryBlock = 32;

/// What a thread keeps for its queries. Queries are numbered row by row: (row - firstRow) * heads +
/// head.
template <class Config> struct AttentionScratch {
  static constexpr int64_t headWidth = roundUp(Config::headDim, lanes);
  float q[queryBlock][headWidth];
  float sums[queryBlock][headWidth];  ///< of values, to be divided by `weights`
  float scores[queryBlock][keyBlock]; ///< then exp(score - highest)
  float weights[queryBlock][lanes];   ///< sum of the exponentials, per lane
  float highest[queryBlock];          ///< highest score so far
  float values[keyBlock][lanes];      ///< the last features of a block of values, if not 16
};

/// The rows and heads of a task, all of one sequence.
struct AttentionTask {
  int64_t sequence, firstRow, rows, kvHead, firstHead, heads;
};

template <class Config> class AttentionRun {
public:
  using Cache = typename Config::Cache;
  using Scratch = AttentionScratch<Config>;
  static constexpr int64_t headDim = Config::headDim;

  AttentionRun(const LlmoptBatch &batch, const void *cache, const float *slopes, Scratch &scratch,
               const AttentionTask &task)
      : batch(batch), cache(cache), slopes(slopes), scratch(scratch), task(task) {}

  void run(const typename Config::Type *q, typename Config::Type *out) {
    loadQueries(q);
    int64_t begin = firstKey(0) / keyBlock * keyBlock;
    int64_t end = position(task.rows - 1) + 1;
    for (int64_t key = begin; key < end; key += keyBlock) {
      int64_t row = 0, rowEnd = task.rows; // Rows that see a key of this block.
      while (position(row) < key)
        ++row;
      while (firstKey(rowEnd - 1) >= key + keyBlock)
        --rowEnd;
      scoreBlock(key, end, row, rowEnd);
      for (int64_t r = row; r < rowEnd; ++r)
        for (int64_t h = 0; h < task.heads; ++h)
          softmaxBlock(key, r, h);
      addValues(key, end, row, rowEnd);
    }
    storeQueries(out);
  }

private:
  /// Positions rise by one from row to row of a sequence.
  int64_t position(int64_t row) const { return batch.positions[task.firstRow + row]; }
  int64_t firstKey(int64_t row) const {
    return Config::window > 0 ? larger(0, position(row) - Config::window + 1) : 0;
  }
  int64_t query(int64_t row, int64_t head) const { return row * task.heads + head; }
  int64_t element(int64_t row, int64_t head) const {
    return ((task.firstRow + row) * Config::heads + task.firstHead + head) * headDim;
  }

  void loadQueries(const typename Config::Type *q) {
    for (int64_t r = 0; r < task.rows; ++r)
      for (int64_t h = 0; h < task.heads; ++h) {
        int64_t i = query(r, h);
        for (int64_t d = 0; d < headDim; ++d)
          scratch.q[i][d] = toFloat(q[element(r, h) + d]);
        std::memset(scratch.sums[i], 0, sizeof(scratch.sums[i]));
        std::memset(scratch.weights[i], 0, sizeof(scratch.weights[i]));
        scratch.highest[i] = -std::numeric_limits<float>::infinity();
      }
  }

  /// Keys and values of one page, for this kv head.
  const Cache *pageKeys(int64_t position) const {
    return cachePage<Config>(cache, batch, task.sequence, position) +
           task.kvHead * headDim * pageTokens;
  }
  const Cache *pageValues(int64_t position) const {
    return pageKeys(position) + Config::kvHeads * headDim * pageTokens;
  }

  /// Calls each(most rows of a tile, P, panel) as suits the number of queries.
  template <class Each>
  LLMOPT_INLINE void forEachPanel(int64_t queries, int64_t panels, const Each &each) {
    if (queries <= fewRows)
      forEachPanelTile<fewRowsPanels>(panels, [&](auto count, int64_t panel) {
        each(std::integral_constant<int, fewRows>(), count, panel);
      });
    else
      forEachPanelTile<tilePanels>(panels, [&](auto count, int64_t panel) {
        each(std::integral_constant<int, tileRows>(), count, panel);
      });
  }

  /// scores = q . k for the queries of rows [row, rowEnd) and the keys of the block, up to `end`.
  /// Lanes past a row's position hold whatever the page holds; softmaxBlock masks them. The values
  /// of the block are fetched meanwhile.
  LLMOPT_NOINLINE void scoreBlock(int64_t key, int64_t end, int64_t row, int64_t rowEnd) {
    int64_t queries = (rowEnd - row) * task.heads, first = query(row, 0);
    int64_t pages = smaller(blockPages, ceilDivide(end - key, pageTokens));
    const Cache *keys[blockPages];
    const char *ahead[blockPages];
    for (int64_t page = 0; page < pages; ++page) {
      keys[page] = pageKeys(key + page * pageTokens);
      ahead[page] = reinterpret_cast<const char *>(pageValues(key + page * pageTokens));
    }
    forEachPanel(queries, pages, [&](auto rows, auto count, int64_t page) {
      forEachRowTile<decltype(rows)::value>(queries, [&](auto tile, int64_t offset) {
        multiplyTile<float, decltype(tile)::value, decltype(count)::value, 1>(
            keys + page, pageTokens, scratch.q[first + offset], Scratch::headWidth, headDim, 1,
            &scratch.scores[first + offset][page * pageTokens], keyBlock, true, ahead + page,
            pageTokens * int64_t(sizeof(Cache)));
      });
    });
  }

  static Vec roundToBf16(Vec x) {
    bf16 rounded[lanes];
    store(rounded, x);
    return load(rounded);
  }

  /// Turns the scores of a query into exponentials and brings its sums to the new highest score.
  LLMOPT_NOINLINE void softmaxBlock(int64_t key, int64_t row, int64_t head) {
    int64_t i = query(row, head);
    float *scores = scratch.scores[i];
    Vec low = broadcast(float(firstKey(row) - key)),
        high = broadcast(float(position(row) + 1 - key));
    Vec hidden = broadcast(-std::numeric_limits<float>::infinity());
    Vec slope = broadcast(Config::alibi ? slopes[task.firstHead + head] : 0.0f);
    Vec score[blockPages];
    Vec blockHighest = hidden;
    for (int64_t page = 0; page < blockPages; ++page) {
      Vec t = laneNumbers() + broadcast(float(page * pageTokens));
      Vec s = load(scores + page * pageTokens);
      if (Config::alibi)
        s = s + roundToBf16(slope * roundToBf16(t + broadcast(float(key))));
      s = s * broadcast(Config::scale);
      if (Config::softCap > 0)
        s = tanh(s * broadcast(1.0f / Config::softCap)) * broadcast(Config::softCap);
      s = selectLess(t, low, hidden, selectLess(t, high, s, hidden));
      score[page] = s;
      blockHighest = max(blockHighest, s);
    }
    float before = scratch.highest[i];
    float highest = max(before, reduceMax(blockHighest));
    float rescale = exp(before - highest);
    Vec weights = load(scratch.weights[i]) * broadcast(rescale);
    for (int64_t page = 0; page < blockPages; ++page) {
      Vec e = exp(score[page] - broadcast(highest));
      store(scores + page * pageTokens, e);
      weights = weights + e;
    }
    store(scratch.weights[i], weights);
    scratch.highest[i] = highest;
    if (rescale != 1.0f)
      for (int64_t d = 0; d < Scratch::headWidth; d += lanes)
        store(scratch.sums[i] + d, load(scratch.sums[i] + d) * broadcast(rescale));
  }

  /// Adds the values of the block at `key`. Tokens that a row does not see are left out, not
  /// multiplied by zero: nobody may have written them.
  void addValues(int64_t key, int64_t end, int64_t row, int64_t rowEnd) {
    auto seesFrom = [&](int64_t r) { return larger(0, firstKey(r) - key); };
    auto seesTo = [&](int64_t r) { return smaller(keyBlock, position(r) + 1 - key); };
    while (row < rowEnd) {
      int64_t from = seesFrom(row), to = seesTo(row), next = row + 1;
      while (next < rowEnd && seesFrom(next) == from && seesTo(next) == to)
        ++next;
      while (from < to) { // Whole pages at once; a part of a page alone.
        int64_t pages = larger(1, from % pageTokens ? 0 : (to - from) / pageTokens);
        int64_t tokens = smaller(pageTokens - from % pageTokens, to - from);
        addTokens(key, from, tokens, pages, end, row, next);
        from += tokens * pages;
      }
      row = next;
    }
  }

  /// Adds `tokens` tokens of each of `pages` pages, from token `from` of the block on, to the sums
  /// of rows [row, rowEnd). The keys of the next block are fetched meanwhile.
  LLMOPT_NOINLINE void addTokens(int64_t key, int64_t from, int64_t tokens, int64_t pages,
                                 int64_t end, int64_t row, int64_t rowEnd) {
    int64_t queries = (rowEnd - row) * task.heads, first = query(row, 0);
    const Cache *values[blockPages];
    const char *nextKeys[blockPages];
    for (int64_t page = 0; page < pages; ++page) {
      int64_t at = key + from + page * pageTokens, next = at + keyBlock;
      values[page] = pageValues(at) + at % pageTokens * headDim;
      nextKeys[page] = reinterpret_cast<const char *>(pageKeys(next < end ? next : at));
    }
    auto multiply = [&](const auto *const *panels, auto rows, auto count, int64_t stride,
                        const char *const *ahead, int64_t feature) {
      forEachRowTile<decltype(rows)::value>(queries, [&](auto tile, int64_t offset) {
        multiplyTile<float, decltype(tile)::value, decltype(count)::value, 1>(
            panels, stride, &scratch.scores[first + offset][from], keyBlock, tokens, pages,
            &scratch.sums[first + offset][feature], Scratch::headWidth, false, ahead,
            headDim * int64_t(sizeof(Cache)));
      });
    };
    forEachPanel(queries, headDim / lanes, [&](auto rows, auto count, int64_t panel) {
      constexpr int P = decltype(count)::value;
      const Cache *panels[blockPages * P];
      const char *ahead[blockPages * P];
      for (int64_t page = 0; page < pages; ++page)
        for (int p = 0; p < P; ++p) {
          panels[page * P + p] = values[page] + (panel + p) * lanes;
          ahead[page * P + p] = nextKeys[page] + (panel + p) * lanes * int64_t(sizeof(Cache));
        }
      multiply(panels, rows, count, headDim, ahead, panel * lanes);
    });
    if constexpr (headDim % lanes != 0) {
      constexpr int64_t feature = headDim / lanes * lanes;
      const float *panels[blockPages];
      for (int64_t page = 0; page < pages; ++page) {
        panels[page] = scratch.values[page * pageTokens];
        for (int64_t t = 0; t < tokens; ++t)
          store(scratch.values[page * pageTokens + t],
                loadPartial(values[page] + t * headDim + feature, headDim - feature));
      }
      multiply(panels, std::integral_constant<int, tileRows>(), std::integral_constant<int, 1>(),
               lanes, nextKeys, feature);
    }
  }

  void storeQueries(typename Config::Type *out) {
    for (int64_t r = 0; r < task.rows; ++r)
      for (int64_t h = 0; h < task.heads; ++h) {
        int64_t i = query(r, h);
        float scale = 1.0f / reduceAdd(load(scratch.weights[i]));
        for (int64_t d = 0; d < headDim; ++d)
          out[element(r, h) + d] = fromFloat<typename Config::Type>(scratch.sums[i][d] * scale);
      }
  }

  const LlmoptBatch &batch;
  const void *cache;
  const float *slopes;
  Scratch &scratch;
  const AttentionTask &task;
};

} // namespace detail

/// Tasks are blocks of rows of a sequence times parts of the query heads of a kv head; threads take
/// them in turn.
template <class Config>
void attention(const LlmoptTeam &team, const LlmoptBatch &batch, const typename Config::Type *q,
               typename Config::Type *out, const void *cache, const float *slopes) {
  using namespace detail;
  static_assert(Config::heads % Config::kvHeads == 0, "kv heads must divide the query heads");
  static_assert(sizeof(AttentionScratch<Config>) <= attentionScratchBytes(Config::headDim), "");
  auto &scratch = *static_cast<AttentionScratch<Config> *>(team.scratch);

  constexpr int64_t group = Config::heads / Config::kvHeads;
  int64_t parts = ceilDivide(group, queryBlock / 2);
  if (batch.sequences * Config::kvHeads < team.threads)
    parts = smaller(group, roundUp(parts, team.threads));
  int64_t rowsAtOnce = queryBlock / ceilDivide(group, parts);

  int64_t index = 0;
  for (int64_t sequence = 0; sequence < batch.sequences; ++sequence) {
    int64_t rowEnd = batch.firstRow[sequence + 1];
    for (int64_t row = batch.firstRow[sequence]; row < rowEnd; row += rowsAtOnce)
      for (int64_t kvHead = 0; kvHead < Config::kvHeads; ++kvHead)
        for (int64_t part = 0; part < parts; ++part) {
          if (index++ % team.threads != team.thread)
            continue;
          int64_t firstHead = kvHead * group + group * part / parts;
          int64_t heads = kvHead * group + group * (part + 1) / parts - firstHead;
          AttentionTask task = {sequence, row,       smaller(rowsAtOnce, rowEnd - row),
                                kvHead,   firstHead, heads};
          AttentionRun<Config>(batch, cache, slopes, scratch, task).run(q, out);
        }
  }
}

} // namespace llmopt::cpu

#endif // LLMOPT_KERNELS_ATTENTION_H
