//===- GgufPreTokenizers.h - The splitting rules that GGUF files name -------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_GGUFPRETOKENIZERS_H
#define LLMOPT_RUNTIME_TOKENIZER_GGUFPRETOKENIZERS_H

#include "runtime/tokenizer/PreTokenizer.h"

namespace llmopt {

/// What a value of `tokenizer.ggml.pre` stands for in a byte-level vocabulary.
struct GgufPreTokenizer {
  PreTokenizer preTokenizer;
  bool ignoreMerges; // a piece that is a token needs no merging
  bool addBos;       // unless the file says otherwise
};

/// An unknown name is an Error that names it.
Result<GgufPreTokenizer> ggufPreTokenizer(const std::string &name);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_GGUFPRETOKENIZERS_H
