#include "runtime/eval/Score.h"

#include <algorithm>
#include <cmath>

namespace llmopt {

/// The first one of the largest; a NaN may hide it, and then makes the sum a NaN.
static const float *largest(const float *logits, int64_t vocabulary) {
  return std::max_element(logits, logits + vocabulary);
}

TokenScore scoreRow(const float *logits, int64_t vocabulary, int32_t token) {
  const double maximum = *largest(logits, vocabulary);
  double sum = 0;
  for (int64_t i = 0; i < vocabulary; ++i)
    sum += std::exp(logits[i] - maximum);
  TokenScore score;
  score.nll = std::log(sum) - (logits[token] - maximum);
  return score;
}

/// KL(b || a) = sum of p_b (log p_b - log p_a), with log p = x - m - log(sum): the constants come
/// out of the sum, so that one pass over both rows does.
TokenScore compareRows(const float *logits, const float *baseline, int64_t vocabulary,
                       int32_t token) {
  const float *top = largest(logits, vocabulary);
  const float *baselineTop = largest(baseline, vocabulary);
  const double maximum = *top, baselineMaximum = *baselineTop;
  double sum = 0, baselineSum = 0, weighted = 0;
  for (int64_t i = 0; i < vocabulary; ++i) {
    double x = logits[i] - maximum, y = baseline[i] - baselineMaximum;
    double weight = std::exp(y);
    sum += std::exp(x);
    baselineSum += weight;
    weighted += weight * (y - x);
  }
  TokenScore score;
  score.nll = std::log(sum) - (logits[token] - maximum);
  score.baselineNll = std::log(baselineSum) - (baseline[token] - baselineMaximum);
  double kl = weighted / baselineSum + std::log(sum) - std::log(baselineSum);
  // Of equal distributions rounding may leave less than nothing. (A NaN stays.)
  score.kl = kl < 0 ? 0 : kl;
  score.sameTop = top - logits == baselineTop - baseline;
  return score;
}

} // namespace llmopt
