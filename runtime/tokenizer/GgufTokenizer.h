//===- GgufTokenizer.h - The vocabulary of a GGUF file ----------------------------------------===//
//
// Vocabularies of the models `llama` (SentencePiece: scored merges, byte fallback) and `gpt2`
// (byte-level BPE with a named pre-tokenizer).
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_GGUFTOKENIZER_H
#define LLMOPT_RUNTIME_TOKENIZER_GGUFTOKENIZER_H

#include "runtime/tokenizer/Tokenizer.h"

namespace llmopt {

Result<std::unique_ptr<Tokenizer>> loadGgufTokenizer(const std::string &path);

/// The same from the bytes of a file; `what` names it in errors.
Result<std::unique_ptr<Tokenizer>> parseGgufTokenizer(std::string_view bytes,
                                                      const std::string &what);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_GGUFTOKENIZER_H
