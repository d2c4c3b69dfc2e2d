//===- Goldens.h - What a model is expected to say --------------------------------------------===//
//
// A folder of one of two kinds:
// - prompts.json: an array of prompts, each an array of token ids; logits.safetensors: float32
//   `logits_0`, `logits_1`, ... [T, V] of each prompt;
// - expected.json: `prompts`, an array of objects with `ids` and `greedy`, the ids that follow;
//   logits.safetensors: float32 `logits` [T, V] of the first prompt.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_CHECK_GOLDENS_H
#define LLMOPT_RUNTIME_CHECK_GOLDENS_H

#include "support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmopt {

struct Golden {
  std::vector<int32_t> prompt;
  std::vector<float> logits;   ///< [prompt, vocabulary]; empty: not known
  std::vector<int32_t> greedy; ///< what follows in float32; empty: not known
};

Result<std::vector<Golden>> readGoldens(const std::string &folder, int64_t vocabulary);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_CHECK_GOLDENS_H
