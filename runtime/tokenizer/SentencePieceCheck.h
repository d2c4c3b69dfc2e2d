//===- SentencePieceCheck.h - What the SentencePiece library takes on trust -------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_SENTENCEPIECECHECK_H
#define LLMOPT_RUNTIME_TOKENIZER_SENTENCEPIECECHECK_H

#include "support/Error.h"

#include <string_view>

namespace llmopt {

/// Checks a serialized model before the library sees it: that it is a sequence of protobuf fields
/// to its last byte, and that the normalizer's character map leads nowhere outside itself (the
/// library follows its offsets unchecked).
Status checkSentencePieceModel(std::string_view bytes);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_SENTENCEPIECECHECK_H
