//===- sampling.cuh - From logits to the next token -------------------------------------------===//
//
// What runtime/engine/Sampler.h says, on the device: softmax(logits / temperature), cut to the
// top_k most probable tokens, then to the fewest most probable that have the share top_p; of those
// kept, in the order of their ids, the first whose probabilities add up to more than a random
// number. Nothing is sorted.
//
// Weights of tokens are integers, exp((logit - reference) / temperature) in units of 2^-40, so a
// sum of them is the same in any order, and no token that is as good as impossible is ever chosen.
// A token's order is a number, unlike all others, that rises with its logit and falls with its id:
// what a cut keeps are the tokens from some order on, which is found by bisection.
//
// All blocks of a row scan it, by strips of 128 logits, a warp each: the largest, and the sum of
// weights relative to it. The block that arrives last chooses:
//
// - temperature 0: the largest;
// - nothing cut: a strip by the weights of strips, in it a token;
// - else candidates are gathered: no token below the k-th largest of the strips' largest is among
//   the top k, and tokens of less than (1 - p) / vocabulary of the whole are not in the nucleus.
//   They are a small part of the strips, unless the distribution is next to flat; where they are
//   too many for shared memory, the block goes over the whole row for each step of the bisection.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_SAMPLING_CUH
#define LLMOPT_CUDA_SAMPLING_CUH

#include "launch.cuh"

namespace llmopt::cuda {

using Wide = unsigned long long;

/// Where a logit stands among floats: rises with it. The two zeros are one.
LLMOPT_DEVICE unsigned orderOf(float logit) {
  unsigned bits = logit == 0.0f ? 0u : floatToBits(logit);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}
/// The order of a token.
LLMOPT_DEVICE Wide orderOf(float logit, int id) {
  return Wide(orderOf(logit)) << 32 | ~unsigned(id);
}

/// Uniform in [0, 1): of uniformRandom in runtime/engine/Sampler.cpp the same bits.
LLMOPT_DEVICE Wide mixBits(Wide x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}
LLMOPT_DEVICE double uniformRandom(Wide seed, Wide stream, Wide position) {
  Wide bits = mixBits(mixBits(mixBits(seed) ^ stream) ^ position);
  return double(bits >> 11) * 0x1p-53;
}

/// The sum over a warp, in every lane; it is below 2^59.
LLMOPT_DEVICE Wide warpSum(Wide value) {
  constexpr int half = 27;
  Wide low = warpSum(unsigned(value & ((1u << half) - 1)));
  return low + (Wide(warpSum(unsigned(value >> half))) << half);
}

/// The largest logit of several and its id; of equal ones the first.
struct LargestLogit {
  static constexpr unsigned nobody = 0xfffffffeu;
  static constexpr unsigned notANumber = 0xffffffffu; ///< one of them is a NaN

  float logit;
  unsigned id;

  static LLMOPT_DEVICE LargestLogit none() { return {minusInfinity(), nobody}; }

  LLMOPT_DEVICE LargestLogit with(LargestLogit other) const {
    if (id == notANumber || other.id == notANumber)
      return {logit, notANumber};
    bool own = logit != other.logit ? logit > other.logit : id < other.id;
    return own ? *this : other;
  }
  /// That of a warp, in every lane.
  LLMOPT_DEVICE LargestLogit ofWarp() const {
    LargestLogit best = *this;
    LLMOPT_UNROLL
    for (int mask = 16; mask > 0; mask /= 2) {
      float logit = shuffleXor(best.logit, mask);
      best = best.with({logit, shuffleXor(best.id, mask)});
    }
    return best;
  }
  LLMOPT_DEVICE bool isUsable() const {
    return id < nobody && logit > minusInfinity() && logit < -minusInfinity();
  }
};

/// Something with a weight, at a place of its own in an order.
struct alignas(16) Weighted {
  Wide order;
  Wide weight;
};

/// What some of them are together.
struct Measured {
  unsigned count;
  Wide weight;
};

enum class MeasureBy { Count, Weight };

/// Things from the order `low` on are as many (as heavy) as needed, those from `high` on are not.
struct OrderRange {
  Wide low, high;
};

/// Halves a range until one thing is left in it. measure(order) measures the things from there on.
template <MeasureBy By, class Measure>
LLMOPT_DEVICE OrderRange bisect(OrderRange range, Wide needed, const Measure &measure) {
  unsigned fromLow = measure(range.low).count, fromHigh = measure(range.high).count;
  while (fromLow - fromHigh > 1 && range.high - range.low > 1) {
    Wide middle = range.low + (range.high - range.low) / 2;
    Measured found = measure(middle);
    bool enough = By == MeasureBy::Count ? found.count >= needed : found.weight >= needed;
    (enough ? range.low : range.high) = middle;
    (enough ? fromLow : fromHigh) = found.count;
  }
  return range;
}

/// Weighted things in shared memory, for one warp.
struct WeightedList {
  Weighted *things;
  int count;
  Wide *found; ///< to tell the other lanes

  LLMOPT_DEVICE Measured operator()(Wide from) const {
    Measured own = {0, 0};
    for (int i = laneIndex(); i < count; i += 32) {
      Weighted thing = things[i];
      bool counts = thing.order >= from;
      own.count += counts;
      own.weight += counts ? thing.weight : 0;
    }
    return {warpSum(own.count), warpSum(own.weight)};
  }

  /// The order of the thing with which those from it on measure `needed` or more; all of them do.
  template <MeasureBy By> LLMOPT_DEVICE Wide last(Wide needed) const {
    OrderRange range = bisect<By>({0, ~Wide(0)}, needed, *this);
    syncWarp();
    for (int i = laneIndex(); i < count; i += 32)
      if (things[i].order >= range.low && things[i].order < range.high)
        *found = things[i].order;
    syncWarp();
    return *found;
  }
};

/// The things of a list are chosen from in falling order.
LLMOPT_DEVICE Wide neededFor(double random, Wide total) {
  Wide before = Wide(random * double(total));
  return (before < total ? before : total - 1) + 1;
}

template <int Vocabulary, int Threads> struct Sampling {
  static constexpr int threads = Threads;
  static constexpr int warps = Threads / 32;
  static constexpr int strip = 128;
  static constexpr int strips = (Vocabulary + strip - 1) / strip;
  /// Of a row.
  static constexpr int blocks = (strips + warps - 1) / warps;
  /// Things that shared memory has room for.
  static constexpr int capacity = 8 * Threads > strips ? 8 * Threads : strips;
  static_assert(capacity >= strip && warps <= 32, "room for what a block looks at");
  static_assert(Vocabulary < 1 << 19, "sums of weights are below 2^59");

  /// What a warp leaves of its strip: LargestLogit, and the sum of weights relative to it.
  static constexpr int recordWords = 4;
  /// A counter of the blocks that have arrived, 0 before and after, and the strips' records.
  static constexpr int workspaceRowBytes = 16 + strips * recordWords * 4;

  /// Shared memory: the list; the strips' largest logits; the warps' largest; three words that all
  /// threads are told.
  static constexpr int largestAt = capacity * int(sizeof(Weighted));
  static constexpr int warpsAt = largestAt + strips * 4;
  static constexpr int toldAt = (warpsAt + warps * 8 + 15) / 16 * 16;
  static constexpr int sharedBytes = toldAt + 32;

  /// Block `index` of blocks * M: logits [M][Vocabulary], rows and tokens [M]; the workspace has
  /// workspaceRowBytes for each row. A row that has no finite largest logit gets the token -1.
  template <class Gate>
  static LLMOPT_DEVICE void tile(const LlmoptBatch &batch, const float *logits,
                                 const LlmoptSampling *rows, int *tokens, void *workspace,
                                 int index, char *shared, const Gate &gate) {
    gate.wait();
    int row = index / blocks;
    unsigned *arrived = reinterpret_cast<unsigned *>(static_cast<char *>(workspace) +
                                                     (long long)row * workspaceRowBytes);
    Sampling sampling(batch, logits, rows, row, arrived + 4, shared);
    sampling.scan(index % blocks * warps + warpIndex());
    if (!sampling.isLast(arrived))
      return;
    int token = sampling.choose();
    if (threadIndex() == 0)
      tokens[row] = token;
  }

private:
  const float *logits; ///< of the row
  LlmoptSampling how;
  double random;
  unsigned *records;

  WeightedList list; ///< used by the first warp, filled by all
  float *largestOfStrip;
  LargestLogit *largestOfWarp;
  struct Told {
    unsigned candidates, last;
    Wide order, found;
  } *told;

  float maximum = 0; ///< of the row
  Wide total = 0;    ///< of the weights relative to it

  LLMOPT_DEVICE Sampling(const LlmoptBatch &batch, const float *allLogits,
                         const LlmoptSampling *rows, int row, unsigned *records, char *shared)
      : logits(allLogits + (long long)row * Vocabulary), how(rows[row]), records(records),
        largestOfStrip(reinterpret_cast<float *>(shared + largestAt)),
        largestOfWarp(reinterpret_cast<LargestLogit *>(shared + warpsAt)),
        told(reinterpret_cast<Told *>(shared + toldAt)) {
    list = {reinterpret_cast<Weighted *>(shared), 0, &told->found};
    random = uniformRandom(how.seed, how.stream, batch.positions[batch.logitRow[row]] + 1);
  }

  LLMOPT_DEVICE Wide weight(float logit, float reference) const {
    float power = logit == reference ? 1.0f : expf((logit - reference) / how.temperature);
    return Wide(power * 0x1p40f);
  }

  LLMOPT_DEVICE bool cuts() const {
    return (how.topK > 0 && how.topK < Vocabulary) || how.topP < 1.0f;
  }

  /// visit(id, logit) for each token of a strip, by the lanes of a warp.
  template <class Visit> LLMOPT_DEVICE void forStrip(int index, const Visit &visit) const {
    LLMOPT_UNROLL
    for (int i = 0; i < strip / 32; ++i) {
      int id = index * strip + i * 32 + laneIndex();
      if (id < Vocabulary)
        visit(id, logits[id]);
    }
  }

  //===- All blocks ---------------------------------------------------------------------------===//

  LLMOPT_DEVICE void scan(int index) const {
    if (index >= strips)
      return;
    LargestLogit largest = LargestLogit::none();
    forStrip(index, [&](int id, float logit) {
      largest = largest.with({logit, logit == logit ? unsigned(id) : LargestLogit::notANumber});
    });
    largest = largest.ofWarp();
    Wide sum = 0;
    if (how.temperature > 0.0f && largest.id != LargestLogit::notANumber)
      forStrip(index, [&](int, float logit) { sum += weight(logit, largest.logit); });
    sum = warpSum(sum);
    if (laneIndex() == 0) {
      unsigned *to = records + index * recordWords;
      to[0] = floatToBits(largest.logit);
      to[1] = largest.id;
      to[2] = unsigned(sum);
      to[3] = unsigned(sum >> 32);
    }
  }

  /// Whether all other blocks of the row have left their records, the same in every thread.
  LLMOPT_DEVICE bool isLast(unsigned *arrived) const {
    fenceDevice();
    syncThreads();
    if (threadIndex() == 0) {
      told->last = atomicIncrement(arrived) == unsigned(blocks - 1);
      if (told->last)
        *arrived = 0;
    }
    syncThreads();
    fenceDevice();
    return told->last;
  }

  //===- The last block -----------------------------------------------------------------------===//

  /// In thread 0 the token.
  LLMOPT_DEVICE int choose() {
    LargestLogit largest = findLargest();
    if (!largest.isUsable())
      return -1;
    if (how.temperature == 0.0f)
      return int(largest.id);
    maximum = largest.logit;
    weighStrips([&](int index) {
      const unsigned *record = records + index * recordWords;
      Wide sum = loadFresh(record + 2) | Wide(loadFresh(record + 3)) << 32;
      return Wide(double(sum) * expf((largestOfStrip[index] - maximum) / how.temperature));
    });
    if (!cuts())
      return chooseFromStrips(0);
    if (gather())
      return chooseFromCandidates();
    Wide lowest = cutRow();
    weighStripsAgain(lowest);
    return chooseFromStrips(lowest);
  }

  /// Of the row; fills largestOfStrip.
  LLMOPT_DEVICE LargestLogit findLargest() const {
    LargestLogit largest = LargestLogit::none();
    for (int i = threadIndex(); i < strips; i += threads) {
      const unsigned *record = records + i * recordWords;
      largestOfStrip[i] = bitsToFloat(loadFresh(record));
      largest = largest.with({largestOfStrip[i], loadFresh(record + 1)});
    }
    largest = largest.ofWarp();
    if (laneIndex() == 0)
      largestOfWarp[warpIndex()] = largest;
    syncThreads();
    return (laneIndex() < warps ? largestOfWarp[laneIndex()] : LargestLogit::none()).ofWarp();
  }

  /// Makes the list that of the strips, in the order of their ids.
  template <class Weigh> LLMOPT_DEVICE void weighStrips(const Weigh &weigh) {
    for (int i = threadIndex(); i < strips; i += threads)
      list.things[i] = {Wide(strips - i), weigh(i)};
    list.count = strips;
    syncThreads();
  }

  /// The same of the tokens from an order on, by the warps.
  LLMOPT_DEVICE void weighStripsAgain(Wide lowest) {
    syncThreads();
    for (int i = warpIndex(); i < strips; i += warps) {
      Wide sum = 0;
      forStrip(i, [&](int id, float logit) {
        sum += orderOf(logit, id) >= lowest ? weight(logit, maximum) : 0;
      });
      sum = warpSum(sum);
      if (laneIndex() == 0)
        list.things[i] = {Wide(strips - i), sum};
    }
    list.count = strips;
    syncThreads();
  }

  /// By the first warp: a strip of the list, and in it a token from the order `lowest` on.
  LLMOPT_DEVICE int chooseFromStrips(Wide lowest) {
    if (warpIndex() > 0)
      return 0;
    Wide needed = neededFor(random, list(0).weight);
    Wide order = list.last<MeasureBy::Weight>(needed);
    int index = strips - int(order);
    Wide before = list(order + 1).weight, own = list(order).weight - before;
    // What is left is a share of the strip, whose tokens are weighed relative to its largest.
    double share = double(needed - 1 - before) / double(own);
    syncWarp();
    LLMOPT_UNROLL
    for (int i = laneIndex(); i < strip; i += 32)
      list.things[i] = {Wide(strip - i), 0};
    forStrip(index, [&](int id, float logit) {
      if (orderOf(logit, id) >= lowest)
        list.things[id - index * strip].weight = weight(logit, largestOfStrip[index]);
    });
    list.count = strip;
    syncWarp();
    order = list.last<MeasureBy::Weight>(neededFor(share, list(0).weight));
    return index * strip + strip - int(order);
  }

  //===- Cuts ---------------------------------------------------------------------------------===//

  /// The list becomes that of the tokens which may be kept; false if they are too many.
  LLMOPT_DEVICE bool gather() {
    if (warpIndex() == 0) {
      total = list(0).weight;
      Wide lowest = lowestCandidate();
      if (laneIndex() == 0) {
        told->order = lowest;
        told->candidates = 0;
      }
    }
    syncThreads();
    Wide lowest = told->order;
    for (int i = warpIndex(); i < strips; i += warps)
      if (orderOf(largestOfStrip[i], 0) >= lowest)
        forStrip(i, [&](int id, float logit) {
          Wide order = orderOf(logit, id);
          if (order < lowest)
            return;
          unsigned at = atomicIncrement(&told->candidates);
          if (at < unsigned(capacity))
            list.things[at] = {order, weight(logit, maximum)};
        });
    syncThreads();
    list.count = int(told->candidates);
    return list.count <= capacity;
  }

  /// In the first warp, whose list is that of the strips: an order below which no token is kept.
  LLMOPT_DEVICE Wide lowestCandidate() {
    if (how.topK > 0 && how.topK <= strips) {
      syncWarp();
      for (int i = laneIndex(); i < strips; i += 32)
        list.things[i].order = orderOf(largestOfStrip[i], i);
      syncWarp();
      return list.last<MeasureBy::Count>(Wide(how.topK)) >> 32 << 32;
    }
    if (how.topK > 0 && how.topK < Vocabulary)
      return 0;
    // Half of what would do: the sums are rounded.
    float share = 0.5f * (1.0f - how.topP) * (float(total) * 0x1p-40f) / float(Vocabulary);
    return orderOf(maximum + how.temperature * logf(share), Vocabulary);
  }

  LLMOPT_DEVICE Wide neededForTopP(Wide whole) const {
    Wide needed = Wide(double(how.topP) * double(whole));
    needed += double(needed) < double(how.topP) * double(whole);
    return needed > 0 ? needed : 1;
  }

  /// By the first warp.
  LLMOPT_DEVICE int chooseFromCandidates() {
    if (warpIndex() > 0)
      return 0;
    Wide lowest = 0;
    if (how.topK > 0 && how.topK < list.count) {
      lowest = list.last<MeasureBy::Count>(Wide(how.topK));
      total = list(lowest).weight;
    } else if (how.topK > 0 && how.topK < Vocabulary) {
      total = list(0).weight;
    }
    if (how.topP < 1.0f) {
      Wide needed = neededForTopP(total);
      if (list(0).weight >= needed)
        lowest = list.last<MeasureBy::Weight>(needed);
    }
    // From now on in the order of ids, in the place of logits.
    Wide needed = neededFor(random, list(lowest).weight);
    syncWarp();
    for (int i = laneIndex(); i < list.count; i += 32) {
      Wide order = list.things[i].order;
      list.things[i] = {order & 0xffffffffu, order >= lowest ? list.things[i].weight : 0};
    }
    syncWarp();
    return int(~unsigned(list.last<MeasureBy::Weight>(needed)));
  }

  /// By all threads: the order from which on tokens are kept.
  LLMOPT_DEVICE Wide cutRow() {
    auto measure = [&](Wide from) { return measureRow(from); };
    OrderRange range = {0, ~Wide(0)};
    Wide whole = measureRow(0).weight;
    if (how.topK > 0 && how.topK < Vocabulary) {
      range.low = bisect<MeasureBy::Count>(range, Wide(how.topK), measure).low;
      whole = measureRow(range.low).weight;
    }
    if (how.topP < 1.0f)
      range.low = bisect<MeasureBy::Weight>(range, neededForTopP(whole), measure).low;
    return range.low;
  }

  /// Of all tokens of the row from an order on, the same in every thread.
  LLMOPT_DEVICE Measured measureRow(Wide from) const {
    Measured own = {0, 0};
    for (int id = threadIndex(); id < Vocabulary; id += threads)
      if (orderOf(logits[id], id) >= from) {
        ++own.count;
        own.weight += weight(logits[id], maximum);
      }
    Weighted ofWarp = {warpSum(own.count), warpSum(own.weight)};
    syncThreads();
    if (laneIndex() == 0)
      list.things[warpIndex()] = ofWarp;
    syncThreads();
    Measured whole = {0, 0};
    for (int warp = 0; warp < warps; ++warp) {
      whole.count += unsigned(list.things[warp].order);
      whole.weight += list.things[warp].weight;
    }
    return whole;
  }
};

/// Makes the next step's batch of a decode of each row's token, in the place of this step's.
/// Row `index` of the batch, whose arrays are the device's own.
LLMOPT_DEVICE void advanceRow(const LlmoptBatch &batch, const int *tokens, int index) {
  if (index >= batch.tokens)
    return;
  // A row without a token stays inside the vocabulary; whoever takes its token is told.
  const_cast<int *>(batch.tokenIds)[index] = larger(tokens[index], 0);
  const_cast<int *>(batch.positions)[index] += 1;
}

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_SAMPLING_CUH
