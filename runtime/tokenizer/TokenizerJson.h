//===- TokenizerJson.h - Hugging Face tokenizer.json ------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_TOKENIZERJSON_H
#define LLMOPT_RUNTIME_TOKENIZER_TOKENIZERJSON_H

#include "runtime/tokenizer/TokenizerConfig.h"

namespace llmopt {

/// From directory/tokenizer.json and what stands beside it. The file's truncation and padding are
/// left out: they are about training batches.
Result<std::unique_ptr<Tokenizer>> loadTokenizerJson(const std::string &directory);

/// The same from the text of a tokenizer.json; `what` names it in errors.
Result<std::unique_ptr<Tokenizer>>
parseTokenizerJson(std::string_view text, const TokenizerConfig &config, const std::string &what);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_TOKENIZERJSON_H
