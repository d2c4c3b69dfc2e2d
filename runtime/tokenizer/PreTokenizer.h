//===- PreTokenizer.h - Text to the pieces that are tokenized by themselves -------------------===//
//
// The `pre_tokenizer` of a tokenizer.json, and the splitting rules that GGUF files name. Each step
// cuts every piece further, or rewrites it.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_PRETOKENIZER_H
#define LLMOPT_RUNTIME_TOKENIZER_PRETOKENIZER_H

#include "runtime/tokenizer/Regex.h"
#include "support/Json.h"

#include <functional>
#include <string>
#include <vector>

namespace llmopt {

struct Piece {
  std::string text; // never empty
  bool atStart;     // of the whole text, before any normalization
};

/// What becomes of the text that a pattern matches.
enum class SplitBehavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };

class PreTokenizer {
public:
  using Step = std::function<Status(std::vector<Piece> &)>;

  /// Leaves the text whole.
  PreTokenizer() = default;
  explicit PreTokenizer(std::vector<Step> steps) : steps(std::move(steps)) {}

  /// From a tokenizer.json's `pre_tokenizer` (null: leaves the text whole). A type that is not
  /// known is an Error that names it.
  static Result<PreTokenizer> parse(const Json &json, const std::string &what);

  Status apply(std::vector<Piece> &pieces) const;

private:
  std::vector<Step> steps;
};

/// Cuts by a regular expression; with `invert` its matches count as the text between, and the other
/// way around.
PreTokenizer::Step splitStep(Regex regex, SplitBehavior behavior, bool invert);
/// Writes every byte as the character that stands for it (GPT-2's table).
PreTokenizer::Step byteLevelStep();
/// Puts `prefix` before the piece that begins the text.
PreTokenizer::Step prependAtStartStep(std::string prefix);

/// GPT-2's pattern: contractions, words, numbers and symbols with the blank before them, white
/// space.
extern const char *const gpt2Pattern;

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_PRETOKENIZER_H
