//===- rope.h - Rotary position embedding of one head -----------------------------------------===//
//
// The first `rotary` features of a head are rotated in pairs by position * frequency (Su et al.
// 2021); the others pass. A table row per token holds [cos(rotary / 2) | sin(rotary / 2)] in
// float32.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_KERNELS_ROPE_H
#define LLMOPT_KERNELS_ROPE_H

#include "abi.h"
#include "types.h"

#include <cmath>

namespace llmopt::cpu {

/// Which features form pair i: (i, i + rotary / 2), or (2 i, 2 i + 1).
enum class RopeStyle { Half, Interleaved };

/// The table row of a position. `frequencies` has rotary / 2 entries. The angle is rounded to
/// float32, as the reference implementations do; its sine and cosine are taken in double. `factor`
/// scales both (the attention factor of scaled variants; 1 otherwise).
inline void ropeTableRow(int32_t position, const float *frequencies, float factor, int64_t rotary,
                         float *out) {
  int64_t half = rotary / 2;
  for (int64_t i = 0; i < half; ++i) {
    double angle = float(position) * frequencies[i];
    out[i] = float(std::cos(angle)) * factor;
    out[half + i] = float(std::sin(angle)) * factor;
  }
}

/// The table of a whole batch, [tokens][rotary]; rows are divided over the threads.
inline void ropeTable(const LlmoptTeam &team, const LlmoptBatch &batch, const float *frequencies,
                      float factor, int64_t rotary, float *out) {
  int64_t rows = batch.tokens;
  int64_t end = rows * (team.thread + 1) / team.threads;
  for (int64_t row = rows * team.thread / team.threads; row < end; ++row)
    ropeTableRow(batch.positions[row], frequencies, factor, rotary, out + row * rotary);
}

/// Rotates head[0 .. rotary) in place.
template <RopeStyle style>
void ropeRow(float *LLMOPT_RESTRICT head, const float *LLMOPT_RESTRICT table, int64_t rotary) {
  int64_t half = rotary / 2;
  for (int64_t i = 0; i < half; ++i) {
    float &first = head[style == RopeStyle::Half ? i : 2 * i];
    float &second = head[style == RopeStyle::Half ? i + half : 2 * i + 1];
    float a = first, b = second;
    first = a * table[i] - b * table[half + i];
    second = b * table[i] + a * table[half + i];
  }
}

} // namespace llmopt::cpu

#endif // LLMOPT_KERNELS_ROPE_H
