//===- Unigram.h - The most probable segmentation ---------------------------------------------===//
//
// SentencePiece's unigram model as tokenizer.json holds it: each token has a log probability, and a
// piece is cut into the tokens with the greatest sum (Kudo 2018, "Subword Regularization", section
// 3.1; Viterbi over byte positions). A character that no token covers costs the lowest score
// less 10.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_UNIGRAM_H
#define LLMOPT_RUNTIME_TOKENIZER_UNIGRAM_H

#include "runtime/tokenizer/Model.h"

namespace llmopt {

class UnigramModel : public Model {
public:
  /// `scores`: one per token. `unknown`: the id for what no token covers, -1 for none. With
  /// `byteFallback` an uncovered run becomes tokens <0xAB> instead, where they all exist.
  UnigramModel(Vocabulary vocabulary, std::vector<double> scores, int32_t unknown,
               bool byteFallback);

  Status encode(std::string_view piece, std::vector<int32_t> &ids) const override;

private:
  std::vector<double> scores;
  PrefixIndex prefixes;
  std::vector<int32_t> bytes; // empty without byte fallback
  int32_t unknown;
  double unknownScore;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_UNIGRAM_H
