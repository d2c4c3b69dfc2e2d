//===- AddedTokens.h - Tokens that are recognized before anything else ------------------------===//
//
// Control tokens and user-defined tokens are cut out of the text wherever they stand; only what is
// between them goes through the model. At each position the longest one counts.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_ADDEDTOKENS_H
#define LLMOPT_RUNTIME_TOKENIZER_ADDEDTOKENS_H

#include "runtime/tokenizer/Vocabulary.h"

#include <algorithm>

namespace llmopt {

struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool recognized = true;  // looked for in text; if not, `content` is only what the id decodes to
  bool special = false;    // control: left out of decoded text unless asked for
  bool singleWord = false; // not within a word
  bool stripLeft = false;  // takes the white space before it
  bool stripRight = false; // takes the white space behind it
  bool normalized = false; // looked for in the normalized text
};

/// The first of the tokens with this content, or the end.
template <typename Tokens> auto findByContent(Tokens &tokens, std::string_view content) {
  return std::find_if(tokens.begin(), tokens.end(),
                      [&](const AddedToken &token) { return token.content == content; });
}

/// A stretch of text: a token (`id` >= 0), or text to go on with (`id` = -1).
struct Segment {
  int32_t id;
  size_t begin;
  size_t end;
};

/// Finds a set of added tokens in text.
class AddedTokenMatcher {
public:
  AddedTokenMatcher() = default;
  /// Looks for `texts[i]`, usually tokens[i].content or its normalized form.
  AddedTokenMatcher(std::vector<AddedToken> tokens, const std::vector<std::string> &texts);

  /// Cuts `text` into tokens and the text between them; no segment is empty text.
  std::vector<Segment> split(std::string_view text) const;

private:
  std::vector<AddedToken> tokens;
  PrefixIndex index; // values are positions in tokens
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_ADDEDTOKENS_H
