//===- Sampler.h - From a row of logits to the next token -------------------------------------===//
//
// softmax(logits / temperature), cut to the top_k most probable tokens, then to the fewest most
// probable ones that together have at least top_p (nucleus sampling, Holtzman et al. 2020), in this
// order, as Hugging Face does; equal logits rank by rising id. Temperature 0 takes the most
// probable token, of equal ones the first. Of those that are kept, taken in the order of their ids,
// the choice is the first whose probabilities so far add up to more than a random number in [0, 1).
// That number is a function of (seed, stream, position) alone, so that a sequence does not depend
// on what is computed beside it. A device that samples (kernels/sampling.cuh) chooses the same
// token, but for rounding.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_ENGINE_SAMPLER_H
#define LLMOPT_RUNTIME_ENGINE_SAMPLER_H

#include "support/Error.h"

#include <cstdint>

namespace llmopt {

struct SamplingOptions {
  double temperature = 0.8;
  int64_t topK = 0; ///< 0: no limit
  double topP = 1;  ///< 1: no limit
  uint64_t seed = 0;
  uint64_t stream = 0; ///< tells sequences of one seed apart
};

/// An Error for values that have no meaning.
Status checkSampling(const SamplingOptions &options);

/// The token after `position` tokens.
Result<int32_t> sampleToken(const float *logits, int64_t vocabulary, const SamplingOptions &options,
                            int64_t position);

/// An Error if a logit is NaN or none is finite, else the index of the largest.
Result<int64_t> largestLogit(const float *logits, int64_t vocabulary);

/// Uniform in [0, 1).
double uniformRandom(uint64_t seed, uint64_t stream, uint64_t position);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ENGINE_SAMPLER_H
