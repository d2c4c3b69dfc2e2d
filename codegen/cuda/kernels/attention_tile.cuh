//===- attention_tile.cuh - What a tile of attention is about, and its scores -----------------===//

#ifndef LLMOPT_CUDA_ATTENTION_TILE_CUH
#define LLMOPT_CUDA_ATTENTION_TILE_CUH

#include "cache.cuh"

namespace llmopt::cuda {

constexpr float log2OfE = 1.4426950408889634f;

/// What a tile is about.
struct AttentionTile {
  int firstRow, rows; ///< rows of the batch, of one sequence
  int sequence;
  int kvHead;
  int firstHead;        ///< query head of the first slot of a row
  int headsOfTile;      ///< slot i is, with j = skipped + i, row firstRow + j / headsOfTile, head
                        ///< firstHead + j % headsOfTile
  int skipped;          ///< of the first row's slots, those that the tile before has
  int heads;            ///< of headsOfTile, how many exist
  const int *positions; ///< of the rows, from firstRow on
  int begin, end;       ///< positions of the keys to read, begin at a whole step

  LLMOPT_DEVICE int row(int slot) const { return firstRow + (skipped + slot) / headsOfTile; }
  LLMOPT_DEVICE int head(int slot) const { return firstHead + (skipped + slot) % headsOfTile; }
  LLMOPT_DEVICE bool has(int slot) const {
    return (skipped + slot) / headsOfTile < rows && (skipped + slot) % headsOfTile < heads;
  }
  /// The position of a slot's row, -1 for an empty slot.
  LLMOPT_DEVICE int position(int slot) const {
    return has(slot) ? positions[(skipped + slot) / headsOfTile] : -1;
  }
};

/// The physical page of a position.
LLMOPT_DEVICE int pageOf(const LlmoptBatch &batch, int sequence, int logicalPage) {
  return batch.pageTable[(long long)sequence * batch.pageTableStride + logicalPage];
}

/// The score, in base 2, of a slot of `head` at `position` for key position t; -infinity where it
/// does not look.
template <class Config> LLMOPT_DEVICE float score(float product, int head, int position, int t) {
  bool seen = t <= position;
  if constexpr (Config::window > 0)
    seen = seen && t > position - Config::window;
  if constexpr (Config::alibi)
    product += roundTo<bf16>(Config::slope(head) * roundTo<bf16>(float(t)));
  float s = Config::scale * product;
  if constexpr (Config::softcap > 0)
    s = Config::softcap * tanhf(s / Config::softcap);
  return seen ? s * log2OfE : minusInfinity();
}

/// 2^(score - maximum), 0 if nothing was seen yet.
LLMOPT_DEVICE float weightOf(float score, float maximum) {
  return maximum == minusInfinity() ? 0.0f : fastExp2(score - maximum);
}

/// Parts of the keys with bounds that depend on nothing but Unit: sixteen of Unit keys, then eight
/// of twice as many, eight of four times as many, and so on. So a short context is read by many
/// blocks, and a long one has few parts.
template <int Unit> struct FixedParts {
  static constexpr int perSize = 8;

  static LLMOPT_DEVICE int partOf(int key) {
    int unit = key / Unit, level = 0;
    while (unit >> level >= 2 * perSize)
      ++level;
    return level * perSize + (unit >> level);
  }
  /// The first key of a part.
  static LLMOPT_DEVICE int begin(int part) {
    int level = part < 2 * perSize ? 0 : part / perSize - 1;
    return ((part - level * perSize) << level) * Unit;
  }
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_ATTENTION_TILE_CUH
