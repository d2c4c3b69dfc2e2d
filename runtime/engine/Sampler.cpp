#include "runtime/engine/Sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace llmopt {

Status checkSampling(const SamplingOptions &options) {
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature))
    return makeError("temperature {} is not a number from 0", options.temperature);
  if (options.topK < 0)
    return makeError("top-k {} is negative", options.topK);
  if (!(options.topP > 0 && options.topP <= 1))
    return makeError("top-p {} is not above 0 and at most 1", options.topP);
  return success();
}

Result<int64_t> largestLogit(const float *logits, int64_t vocabulary) {
  int64_t best = 0;
  bool nan = false;
  for (int64_t i = 0; i < vocabulary; ++i) {
    nan |= std::isnan(logits[i]);
    if (logits[i] > logits[best])
      best = i;
  }
  if (nan || std::isnan(logits[best]))
    return makeError("the model's logits are not numbers (NaN)");
  if (!std::isfinite(logits[best]))
    return makeError("the largest of the model's logits is {}", logits[best]);
  return best;
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
static uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

double uniformRandom(uint64_t seed, uint64_t stream, uint64_t position) {
  uint64_t bits = mix(mix(mix(seed) ^ stream) ^ position);
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

/// Keeps the fewest of the most probable candidates that have the share `topP`.
template <typename Before>
static void keepNucleus(std::vector<int32_t> &candidates, const std::vector<double> &weights,
                        double topP, Before before) {
  double total = 0;
  for (int32_t id : candidates)
    total += weights[id];
  auto after = [&](int32_t a, int32_t b) { return before(b, a); };
  std::make_heap(candidates.begin(), candidates.end(), after);
  auto end = candidates.end();
  double kept = 0;
  while (end != candidates.begin() && kept < topP * total) {
    kept += weights[candidates.front()];
    std::pop_heap(candidates.begin(), end--, after);
  }
  candidates.erase(candidates.begin(), end);
}

Result<int32_t> sampleToken(const float *logits, int64_t vocabulary, const SamplingOptions &options,
                            int64_t position) {
  LLMOPT_ASSIGN(int64_t best, largestLogit(logits, vocabulary));
  if (options.temperature == 0)
    return static_cast<int32_t>(best);

  auto before = [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  std::vector<int32_t> candidates(vocabulary);
  std::iota(candidates.begin(), candidates.end(), 0);
  if (options.topK > 0 && options.topK < vocabulary) {
    std::nth_element(candidates.begin(), candidates.begin() + options.topK, candidates.end(),
                     before);
    candidates.resize(options.topK);
  }
  std::vector<double> weights(vocabulary, 0.0);
  for (int32_t id : candidates)
    weights[id] = std::exp((double(logits[id]) - double(logits[best])) / options.temperature);
  if (options.topP < 1)
    keepNucleus(candidates, weights, options.topP, before);
  std::sort(candidates.begin(), candidates.end());

  double total = 0;
  for (int32_t id : candidates)
    total += weights[id];
  double left = uniformRandom(options.seed, options.stream, position) * total;
  int32_t chosen = static_cast<int32_t>(best);
  for (int32_t id : candidates) {
    if (weights[id] == 0)
      continue;
    // Rounding may leave a little at the end: then it is the last one.
    chosen = id;
    left -= weights[id];
    if (left < 0)
      break;
  }
  return chosen;
}

} // namespace llmopt
