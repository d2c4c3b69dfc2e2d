//===- attention_wgmma.cuh - Attention scores on sm_90a: a warp that loads, warpgroups that
//-----===//
//                          multiply
//
// Products policy of attention.cuh for many rows, a cache of bf16 or f16 in cores (cache.cuh) and
// head sizes that wgmma takes; after FlashAttention-3 (Shah et al., 2024). Its first warpgroup
// gives its registers to the other two. One warp of it loads, by bulk copies of eight tokens, into
// a ring in shared memory of which keys and values have stages of their own. The others have 64
// slots each: scores = q * transpose(k) from shared memory; the weights, rounded to the cache's
// type, are the left operand of weights * v where they are, in registers.
//
// The two take turns at the tensor cores: while one multiplies its weights and makes its next
// scores, the other makes weights.
//
// Only steps that not all of a thread's slots see whole are masked.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_ATTENTION_WGMMA_CUH
#define LLMOPT_CUDA_ATTENTION_WGMMA_CUH

#include "attention.cuh"
#include "intrinsics_sm90.cuh"

namespace llmopt::cuda {

template <class Config, int Keys, int StageCount> struct WgmmaAttention {
  using Cache = typename Config::Cache;
  using Element = typename Cache::Element;
  using Output = typename Config::Result;
  static constexpr int consumers = 2;
  static constexpr int threads = 128 * (1 + consumers);
  static constexpr int slots = 64 * consumers;
  static constexpr int step = Keys;
  static constexpr int stages = StageCount;
  static constexpr int keyGroups = 1;
  static constexpr int headDim = Cache::headDim;
  static constexpr bool stores = true; ///< results by itself
  static_assert(Cache::cores && headDim % 16 == 0 && Keys % 16 == 0, "whole matrices");
  static_assert(Keys <= 8 * 32, "a lane for each eight tokens");
  static_assert(same<typename Config::Query, Element> && sizeof(Output) == 2, "16-bit operands");
  static_assert(Config::scale > 0, "the largest product has the largest score");

  /// Shared memory: queries as cores, [8 slots][8 of the head][8 slots][16 bytes]; stages of keys,
  /// then values, [8 tokens][8 of the head][8 tokens][16 bytes]; the barriers. At the end a
  /// warpgroup's results take the place of its queries, [slot][headDim] in pieces, of which piece p
  /// of a slot is at p ^ (slot % 8).
  static constexpr int queryBytes = slots * headDim * 2;
  static constexpr int keyBytes = Keys * headDim * 2;
  static constexpr int stageBytes = 2 * keyBytes;
  static constexpr int barrierOffset = queryBytes + stages * stageBytes;
  static constexpr int sharedBytes = barrierOffset + 4 * stages * 8;
  static constexpr int pieces = headDim / 8;   ///< of 16 bytes, in a head
  static constexpr int coreRow = headDim * 16; ///< bytes of eight tokens or slots

  static LLMOPT_DEVICE void attend(const LlmoptBatch &batch, const AttentionTile &tile,
                                   const Element *q, const Element *cache, Output *result,
                                   char *shared) {
    Ring ring(shared);
    if (threadIndex() == 0) {
      ring.init();
      fenceBarriers();
    }
    syncThreads<threads>();
    if (threadIndex() < 128) {
      lowerRegisters<loaderRegisters>();
      if (warpIndex() == 0)
        load(batch, tile, cache, ring);
    } else {
      raiseRegisters<consumerRegisters>();
      Consumer consumer(tile);
      consumer.loadQueries(tile, q, shared);
      consumer.run(tile, ring);
      consumer.store(tile, result, shared);
    }
  }

private:
  /// Of a thread, out of 64K for the block.
  static constexpr int loaderRegisters = 24, consumerRegisters = 240;

  /// The stages and their barriers: keys[s], values[s], and when they may be loaded again.
  struct Ring {
    char *memory;
    SharedBarrier *fullKeys, *fullValues, *emptyKeys, *emptyValues;

    LLMOPT_DEVICE explicit Ring(char *shared)
        : memory(shared + queryBytes),
          fullKeys(reinterpret_cast<SharedBarrier *>(shared + barrierOffset)),
          fullValues(fullKeys + stages), emptyKeys(fullValues + stages),
          emptyValues(emptyKeys + stages) {}
    LLMOPT_DEVICE void init() const {
      for (int s = 0; s < stages; ++s) {
        initBarrier(fullKeys[s], 32);
        initBarrier(fullValues[s], 32);
        initBarrier(emptyKeys[s], consumers * 4);
        initBarrier(emptyValues[s], consumers * 4);
      }
    }
    LLMOPT_DEVICE char *keys(int stage) const { return memory + stage * stageBytes; }
    LLMOPT_DEVICE char *values(int stage) const { return keys(stage) + keyBytes; }
  };

  //===- Loading ------------------------------------------------------------------------------===//

  static LLMOPT_DEVICE void load(const LlmoptBatch &batch, const AttentionTile &tile,
                                 const Element *cache, const Ring &ring) {
    int stage = 0, round = 0;
    for (int t = tile.begin; t < tile.end; t += step) {
      // A lane brings eight tokens.
      int first = t + laneIndex() * 8;
      int tokens = laneIndex() < Keys / 8 ? smaller(8, larger(0, tile.end - first)) : 0;
      const Element *from = cache;
      if (tokens > 0)
        from += Cache::offset(pageOf(batch, tile.sequence, first / Cache::pageTokens), tile.kvHead,
                              first, 0);
      if (round > 0)
        waitBarrier(ring.emptyKeys[stage], (round - 1) % 2);
      bring(from, tokens, ring.keys(stage), ring.fullKeys[stage]);
      if (round > 0)
        waitBarrier(ring.emptyValues[stage], (round - 1) % 2);
      bring(from + (tokens > 0 ? Cache::keysOfPage : 0), tokens, ring.values(stage),
            ring.fullValues[stage]);
      if (++stage == stages) {
        stage = 0;
        ++round;
      }
    }
  }

  /// A lane's `tokens` of eight; the others are 0, since what is in their place may not be a
  /// number.
  static LLMOPT_DEVICE void bring(const Element *from, int tokens, char *stage,
                                  SharedBarrier &full) {
    char *to = stage + laneIndex() * coreRow;
    if (laneIndex() < Keys / 8 && tokens < 8) {
      for (int piece = 0; piece < pieces; ++piece)
        for (int token = tokens; token < 8; ++token)
          *reinterpret_cast<Piece *>(to + piece * 128 + token * 16) = Piece{};
      fenceAsyncSide();
    }
    arriveExpecting(full, tokens * headDim * 2);
    if (tokens == 8)
      copyBulk(to, from, coreRow, full);
    else if (tokens > 0)
      for (int piece = 0; piece < pieces; ++piece)
        copyBulk(to + piece * 128, from + piece * 64, tokens * 16, full);
  }

  //===- Multiplying --------------------------------------------------------------------------===//

  /// A thread of a warpgroup that multiplies. It has rows g and g + 8 of its warp's 16 slots, g =
  /// lane / 4; of these, elements 2 t and 2 t + 1 of every eight, t = lane % 4.
  struct Consumer {
    int group, firstSlot; ///< warpgroup; first of the thread's two slots
    int head[2], position[2];
    float maximum[2] = {minusInfinity(), minusInfinity()};
    float total[2] = {0, 0}; ///< of this lane's keys
    float outputs[headDim / 2] = {};
    float scores[Keys / 2];
    unsigned weights[Keys / 16][4];

    LLMOPT_DEVICE explicit Consumer(const AttentionTile &tile)
        : group(threadIndex() / 128 - 1),
          firstSlot(group * 64 + warpIndex() % 4 * 16 + laneIndex() / 4) {
      LLMOPT_UNROLL
      for (int half = 0; half < 2; ++half) {
        int slot = firstSlot + 8 * half;
        head[half] = tile.head(slot);
        // An empty slot has a row's place, so that its steps need no mask.
        position[half] = tile.has(slot) ? tile.position(slot) : tile.positions[0];
      }
    }

    LLMOPT_DEVICE void syncGroup() const { syncNamed(1 + group, 128); }
    /// The tensor cores are this warpgroup's, or the other's from here on. A turn begins when the
    /// weights are made: the compiler would make them behind the barrier, as late as it can, if
    /// its number did not follow from their sum, which is never negative.
    LLMOPT_DEVICE void takeTurn() const {
      syncNamed(3 + group + (total[0] + total[1] < 0 ? 8 : 0), 256);
    }
    LLMOPT_DEVICE void giveTurn() const { arriveNamed(4 - group, 256); }

    LLMOPT_DEVICE void loadQueries(const AttentionTile &tile, const Element *q,
                                   char *shared) const {
      for (int i = threadIndex() % 128; i < 64 * pieces; i += 128) {
        int slot = group * 64 + i / pieces, piece = i % pieces;
        bool valid = tile.has(slot);
        const Element *from = q;
        if (valid)
          from +=
              ((long long)tile.row(slot) * Config::heads + tile.head(slot)) * headDim + piece * 8;
        copyAsync(shared + slot / 8 * coreRow + piece * 128 + slot % 8 * 16, from, valid);
      }
      commitCopies();
      waitCopies<0>();
      fenceAsyncSide();
      syncGroup();
    }

    LLMOPT_DEVICE void run(const AttentionTile &tile, const Ring &ring) {
      MatrixDescriptor queries =
          describeCores(ring.memory - queryBytes + group * 8 * coreRow, 128, coreRow);
      if (group == 1)
        giveTurn();
      takeTurn();
      makeScores(queries, ring, 0, 0);
      giveTurn();
      waitProducts<0>();
      keepSums(scores);
      free(ring.emptyKeys[0]);
      int stage = 0, parity = 0;
      for (int t = tile.begin; t < tile.end; t += step) {
        makeWeights(t);
        const bool last = t + step >= tile.end;
        const int nextStage = stage + 1 == stages ? 0 : stage + 1;
        const int nextParity = nextStage == 0 ? parity ^ 1 : parity;
        takeTurn();
        addValues(ring, stage, parity);
        if (!last)
          makeScores(queries, ring, nextStage, nextParity);
        // The first to begin has nobody to wait for it at the end.
        if (!last || group == 0)
          giveTurn();
        waitProducts<0>();
        keepSums(outputs);
        free(ring.emptyValues[stage]);
        if (!last) {
          keepSums(scores);
          free(ring.emptyKeys[nextStage]);
        }
        stage = nextStage;
        parity = nextParity;
      }
    }

    LLMOPT_DEVICE void free(SharedBarrier &empty) const {
      if (laneIndex() == 0)
        arrive(empty);
    }

    LLMOPT_DEVICE void makeScores(MatrixDescriptor queries, const Ring &ring, int stage,
                                  int parity) {
      waitBarrier(ring.fullKeys[stage], parity);
      MatrixDescriptor keys = describeCores(ring.keys(stage), 128, coreRow);
      fenceProducts();
      LLMOPT_UNROLL
      for (int d = 0; d < headDim / 16; ++d)
        if (d == 0)
          startGroup(scores, queries, keys, Element{});
        else
          multiplyGroup(scores, queries.after(d * 256), keys.after(d * 256), Element{});
      commitProducts();
    }

    LLMOPT_DEVICE void addValues(const Ring &ring, int stage, int parity) {
      waitBarrier(ring.fullValues[stage], parity);
      MatrixDescriptor values = describeCores(ring.values(stage), coreRow, 128);
      fenceProducts();
      LLMOPT_UNROLL
      for (int k = 0; k < Keys / 16; ++k)
        multiplyGroupTransposed(outputs, weights[k], values.after(k * 2 * coreRow), Element{});
      commitProducts();
    }

    /// Whether scores are products but for a factor: then they need not be made one by one.
    static constexpr bool linear = !Config::alibi && Config::softcap == 0;
    static constexpr float factor = linear ? Config::scale * log2OfE : 1.0f;

    /// Of the scores: a thread's key 2 i + j of eight in `firstKey` on, at scores[4 n + 2 half +
    /// j].
    LLMOPT_DEVICE void mask(int firstKey, int half) {
      int t = firstKey + laneIndex() % 4 * 2;
      LLMOPT_UNROLL
      for (int n = 0; n < Keys / 8; ++n)
        LLMOPT_UNROLL
      for (int j = 0; j < 2; ++j) {
        float &s = scores[4 * n + 2 * half + j];
        int key = t + n * 8 + j;
        bool seen = key <= position[half];
        if constexpr (Config::window > 0)
          seen = seen && key > position[half] - Config::window;
        if constexpr (linear)
          s = seen ? s : minusInfinity();
        else
          s = score<Config>(s, head[half], position[half], key);
      }
    }

    /// Scores become weights; what was added up before is scaled to the new maximum.
    LLMOPT_DEVICE void makeWeights(int firstKey) {
      LLMOPT_UNROLL
      for (int half = 0; half < 2; ++half) {
        bool whole = firstKey + Keys - 1 <= position[half];
        if constexpr (Config::window > 0)
          whole = whole && firstKey > position[half] - Config::window;
        if (!linear || !whole)
          mask(firstKey, half);
        float highest = maximum[half];
        LLMOPT_UNROLL
        for (int n = 0; n < Keys / 8; ++n)
          highest = fmaxf(highest, fmaxf(scores[4 * n + 2 * half], scores[4 * n + 2 * half + 1]));
        highest = fmaxf(highest, shuffleXor(highest, 1));
        highest = fmaxf(highest, shuffleXor(highest, 2));
        // Of nothing seen yet every weight is 0.
        float base = highest == minusInfinity() ? 0.0f : highest * factor;
        float correction = fastExp2(fmaf(maximum[half], factor, -base));
        maximum[half] = highest;
        float sum = total[half] * correction;
        LLMOPT_UNROLL
        for (int n = 0; n < Keys / 8; ++n) {
          float first = fastExp2(fmaf(scores[4 * n + 2 * half], factor, -base));
          float second = fastExp2(fmaf(scores[4 * n + 2 * half + 1], factor, -base));
          sum += first + second;
          weights[n / 2][n % 2 * 2 + half] = packPair(first, second, Element{});
        }
        total[half] = sum;
        LLMOPT_UNROLL
        for (int n = 0; n < pieces; ++n) {
          outputs[4 * n + 2 * half] *= correction;
          outputs[4 * n + 2 * half + 1] *= correction;
        }
      }
    }

    //===- Results ----------------------------------------------------------------------------===//

    /// By way of shared memory, so that whole pieces are written.
    LLMOPT_DEVICE void store(const AttentionTile &tile, Output *result, char *shared) {
      syncGroup(); // nobody reads queries any more
      int t = laneIndex() % 4;
      LLMOPT_UNROLL
      for (int half = 0; half < 2; ++half) {
        float sum = total[half];
        sum += shuffleXor(sum, 1);
        sum += shuffleXor(sum, 2);
        float share = 1.0f / sum;
        int slot = firstSlot + 8 * half;
        LLMOPT_UNROLL
        for (int n = 0; n < pieces; ++n)
          *reinterpret_cast<unsigned *>(shared + resultAt(slot, n) + t * 4) = packPair(
              outputs[4 * n + 2 * half] * share, outputs[4 * n + 2 * half + 1] * share, Output{});
      }
      syncWarp();
      int first = group * 64 + warpIndex() % 4 * 16;
      for (int i = laneIndex(); i < 16 * pieces; i += 32) {
        int slot = first + i / pieces, piece = i % pieces;
        if (tile.has(slot))
          *reinterpret_cast<Piece *>(
              result + ((long long)tile.row(slot) * Config::heads + tile.head(slot)) * headDim +
              piece * 8) = *reinterpret_cast<const Piece *>(shared + resultAt(slot, piece));
      }
    }

    /// A warp's 16 slots stay in its 16 slots of the queries.
    static LLMOPT_DEVICE int resultAt(int slot, int piece) {
      return slot * headDim * 2 + (pieces % 8 == 0 ? piece ^ slot % 8 : piece) * 16;
    }
  };
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_ATTENTION_WGMMA_CUH
