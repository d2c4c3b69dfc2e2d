//===- Model.h - From a piece of text to ids --------------------------------------------------===//
//
// The last step of encoding: a Model takes one piece (normalized and pre-tokenized, valid UTF-8)
// and appends its ids. Implementations: BpeModel (merges by rank), ScoredBpeModel (merges by the
// score of the result, SentencePiece's BPE), UnigramModel (best path), and the SentencePiece
// library.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_MODEL_H
#define LLMOPT_RUNTIME_TOKENIZER_MODEL_H

#include "runtime/tokenizer/Vocabulary.h"
#include "support/Error.h"

#include <memory>

namespace llmopt {

class Model {
public:
  explicit Model(Vocabulary tokens) : vocabulary(std::move(tokens)) {}
  virtual ~Model() = default;

  virtual Status encode(std::string_view piece, std::vector<int32_t> &ids) const = 0;

  const Vocabulary vocabulary;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_MODEL_H
