//===- SentencePiece.h - tokenizer.model ------------------------------------------------------===//
//
// The SentencePiece library does the normalization and the segmentation. What Hugging Face puts
// around it is added here: with a tokenizer_config.json, control tokens in a text are recognized
// and added_tokens_decoder and added_tokens.json are honoured; without one, a text is what the
// library makes of it. BOS goes before a text unless the configuration says otherwise.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_SENTENCEPIECE_H
#define LLMOPT_RUNTIME_TOKENIZER_SENTENCEPIECE_H

#include "runtime/tokenizer/TokenizerConfig.h"

namespace llmopt {

/// From directory/tokenizer.model and what stands beside it.
Result<std::unique_ptr<Tokenizer>> loadSentencePiece(const std::string &directory);

/// The same from the bytes of a tokenizer.model; `what` names it in errors.
Result<std::unique_ptr<Tokenizer>>
parseSentencePiece(std::string_view bytes, const TokenizerConfig &config, const std::string &what);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_SENTENCEPIECE_H
