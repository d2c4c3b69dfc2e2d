//===- Rope.h - Rotary positions as a config describes them -----------------------------------===//

#ifndef LLMOPT_FRONTENDS_ROPE_H
#define LLMOPT_FRONTENDS_ROPE_H

#include "frontends/Config.h"

#include <vector>

namespace llmopt {

/// What llm.rope_table needs: the frequencies of R/2 pairs in radians per position, and a factor
/// that multiplies cosines and sines.
struct Rope {
  std::vector<float> frequencies;
  double factor = 1.0;
};

/// Reads `rope_theta`, `rope_scaling` (with `rope_type` or, in older files, `type`) or the newer
/// `rope_parameters`, which nests everything, and the share of a head that is rotated. Types
/// default, linear, llama3 and yarn; others are refused by name. `maximumPositions` is the config's
/// context.
Result<Rope> readRope(const Config &config, int64_t headDim, int64_t maximumPositions,
                      double defaultRotatedShare = 1.0);

} // namespace llmopt

#endif // LLMOPT_FRONTENDS_ROPE_H
