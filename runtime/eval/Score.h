//===- Score.h - What a row of logits says of the token that follows --------------------------===//
//
// All in nats and double, whatever the precision of the model. With the maximum m of a row of
// logits x, log p(i) = x[i] - m - log(sum over j of exp(x[j] - m)), which neither overflows nor
// loses a small probability. The sums run in the order of the vocabulary: the same row has the same
// score, to the bit.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_EVAL_SCORE_H
#define LLMOPT_RUNTIME_EVAL_SCORE_H

#include <cstdint>

namespace llmopt {

/// Of one token of a text. Without a baseline there is the first alone.
struct TokenScore {
  double nll = 0;         ///< -log p(token)
  double baselineNll = 0; ///< likewise
  double kl = 0;          ///< KL(baseline || model) of the distributions over the vocabulary
  bool sameTop = true;    ///< both have the same most probable token
};

/// Of the logits [vocabulary] of the position before the token. Not finite if they are not all
/// finite.
TokenScore scoreRow(const float *logits, int64_t vocabulary, int32_t token);

/// The same, beside what the baseline says in the same place.
TokenScore compareRows(const float *logits, const float *baseline, int64_t vocabulary,
                       int32_t token);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_EVAL_SCORE_H
