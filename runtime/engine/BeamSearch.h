//===- BeamSearch.h - The most probable continuation, searched in a few beams -----------------===//
//
// The semantics of Hugging Face's generate(num_beams=B, do_sample=False, early_stopping=False,
// length_penalty=1.0, num_return_sequences=1):
// - every step ranks all continuations of the running beams by their sum of log-probabilities, and
//   looks at the first max(2, 1 + stop tokens) * B;
// - those that end (in a stop token, or because the length is reached) and are among the first B
//   become hypotheses with the score sum / generated tokens, of which the best B are kept;
// - the best B of the others run on;
// - the search ends when the length is reached, or when there are B hypotheses and the best running
//   sum / generated tokens is not above the worst of them.
// Equal sums rank by beam, then by id.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_ENGINE_BEAMSEARCH_H
#define LLMOPT_RUNTIME_ENGINE_BEAMSEARCH_H

#include "support/Error.h"

#include <cstdint>
#include <vector>

namespace llmopt {

class BeamSearch {
public:
  /// `maxTokens` are generated at most, at least 1.
  BeamSearch(int64_t beams, int64_t maxTokens, std::vector<int32_t> stopTokens);

  /// A running beam of the next step: `token` after what running beam `beam` of this one has.
  struct Choice {
    int64_t beam = 0;
    int32_t token = 0;
  };

  /// Takes the logits after each running beam (at first there is one, of the prompt), and tells
  /// which beams run on. None when the search is done.
  Result<std::vector<Choice>> advance(const std::vector<const float *> &logits, int64_t vocabulary);

  /// The tokens of the best hypothesis, its stop token included, once the search is done.
  const std::vector<int32_t> &best() const { return finished.front().tokens; }
  /// The sum of their log-probabilities over their number.
  double bestScore() const { return finished.front().score; }

private:
  struct Beam {
    std::vector<int32_t> tokens;
    double score = 0; ///< running: the sum; finished: over the length
  };
  struct Candidate {
    int64_t beam = 0;
    int32_t token = 0;
    double sum = 0;
  };
  Result<std::vector<Candidate>> rank(const std::vector<const float *> &logits,
                                      int64_t vocabulary) const;
  Beam extend(const Candidate &candidate) const;
  void finish(const Candidate &candidate);
  bool done() const;

  int64_t beams;
  int64_t maxTokens;
  std::vector<int32_t> stopTokens;
  std::vector<Beam> running = {Beam()};
  std::vector<Beam> finished; ///< the best first
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ENGINE_BEAMSEARCH_H
