//===- Normalizer.h - Text to the text that is tokenized --------------------------------------===//
//
// The `normalizer` of a tokenizer.json: Unicode forms, lower case, replacements, prefixes. It works
// on each stretch of text between added tokens.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_NORMALIZER_H
#define LLMOPT_RUNTIME_TOKENIZER_NORMALIZER_H

#include "support/Json.h"

#include <functional>
#include <string>
#include <vector>

namespace llmopt {

class Normalizer {
public:
  using Step = std::function<Result<std::string>(std::string)>;

  /// Does nothing.
  Normalizer() = default;
  explicit Normalizer(std::vector<Step> steps) : steps(std::move(steps)) {}

  /// From a tokenizer.json's `normalizer` (null: does nothing). A type that is not known is an
  /// Error that names it.
  static Result<Normalizer> parse(const Json &json, const std::string &what);

  Result<std::string> apply(std::string text) const;

private:
  std::vector<Step> steps;
};

/// Puts `prefix` before a text that is not empty.
Normalizer::Step prependStep(std::string prefix);
/// Replaces every `from` with `to`.
Normalizer::Step replaceStep(std::string from, std::string to);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_NORMALIZER_H
