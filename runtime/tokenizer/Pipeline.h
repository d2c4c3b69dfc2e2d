//===- Pipeline.h - The one shape of all tokenizers -------------------------------------------===//
//
//   text ── added tokens ── normalizer ── added tokens ── pre-tokenizer ── model ── frame ──▶ ids
//           (in raw text)                 (in normal text)                          (BOS, EOS)
//
// The loaders (TokenizerJson, SentencePiece, GgufTokenizer) fill in the parts.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_PIPELINE_H
#define LLMOPT_RUNTIME_TOKENIZER_PIPELINE_H

#include "runtime/tokenizer/AddedTokens.h"
#include "runtime/tokenizer/Model.h"
#include "runtime/tokenizer/Normalizer.h"
#include "runtime/tokenizer/PreTokenizer.h"
#include "runtime/tokenizer/Tokenizer.h"

namespace llmopt {

struct PipelineParts {
  std::unique_ptr<Model> model;
  std::vector<AddedToken> added;
  Normalizer normalizer;
  PreTokenizer preTokenizer;
  Decoder decoder;
  /// Whether the texts of added tokens are what the decoder's steps apply to (as in
  /// tokenizer.json).
  bool decodeAdded = true;
  std::vector<int32_t> prefix; // around every text, with addSpecial
  std::vector<int32_t> suffix;
  SpecialIds special;
};

/// Checks the ids among the parts against the vocabulary.
Result<std::unique_ptr<Tokenizer>> makePipeline(PipelineParts parts);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_PIPELINE_H
