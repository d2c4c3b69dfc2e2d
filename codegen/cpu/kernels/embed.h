//===- embed.h - One row of an embedding table ------------------------------------------------===//
//
// The token must be in range: who makes the batch checks that.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_KERNELS_EMBED_H
#define LLMOPT_KERNELS_EMBED_H

#include "types.h"

namespace llmopt::cpu {

/// From a table [vocabulary][depth].
template <class T, class Y> void embedRow(const T *table, int64_t depth, int32_t token, Y *out) {
  const T *row = table + int64_t(token) * depth;
  for (int64_t k = 0; k < depth; ++k)
    out[k] = fromFloat<Y>(toFloat(row[k]));
}

/// From the packed weight of linear.h, [ceil(vocabulary / 16)][ceil(depth /
/// interleave)][16][interleave] (a table that the output linear shares).
template <int64_t interleave, class T, class Y>
void embedPackedRow(const T *packed, int64_t depth, int32_t token, Y *out) {
  int64_t panel = roundUp(depth, interleave) * 16;
  const T *column = packed + token / 16 * panel + token % 16 * interleave;
  for (int64_t k = 0; k < depth; ++k)
    out[k] = fromFloat<Y>(toFloat(column[k / interleave * 16 * interleave + k % interleave]));
}

} // namespace llmopt::cpu

#endif // LLMOPT_KERNELS_EMBED_H
