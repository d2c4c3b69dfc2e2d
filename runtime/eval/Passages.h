//===- Passages.h - Scores of tokens in their contexts ----------------------------------------===//

#ifndef LLMOPT_RUNTIME_EVAL_PASSAGES_H
#define LLMOPT_RUNTIME_EVAL_PASSAGES_H

#include "runtime/eval/EvalModel.h"
#include "runtime/eval/Score.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmopt {

/// Tokens that are computed as one prompt, somebody else's; those from `scored` on are scored.
/// 1 <= scored < count <= the model's context.
struct Passage {
  const int32_t *tokens = nullptr;
  int64_t count = 0;
  int64_t scored = 1;
};

/// How the work is done; it does not change the scores.
struct ScoringOptions {
  int threads = 1; ///< that score rows
  bool quiet = false;
  std::string label; ///< of the progress
};

/// The scores of the scored tokens of all passages, one after the other. With a baseline (of the
/// same vocabulary; may be null) both are run step by step in turns, and no logits are kept for
/// longer than a step.
Result<std::vector<TokenScore>> scorePassages(EvalModel &model, EvalModel *baseline,
                                              const std::vector<Passage> &passages,
                                              const ScoringOptions &options);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_EVAL_PASSAGES_H
