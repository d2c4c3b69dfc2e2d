//===- Regex.h - The regular expressions of tokenizers ----------------------------------------===//
//
// tokenizer.json and GGUF pre-tokenizers speak Oniguruma's (Ruby's) dialect with Unicode classes.
// PCRE2 does the matching; the few constructs that it reads differently are rewritten first, or
// refused by name.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_REGEX_H
#define LLMOPT_RUNTIME_TOKENIZER_REGEX_H

#include "support/Error.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace llmopt {

/// A compiled pattern over valid UTF-8. Copies share it; matching is thread-safe.
class Regex {
public:
  static Result<Regex> compile(std::string_view pattern);

  /// Calls `found` with the begin and end of each match, leftmost first, without overlaps. Fails
  /// when the pattern backtracks beyond the matcher's limits.
  Status forEachMatch(std::string_view text,
                      const std::function<void(size_t begin, size_t end)> &found) const;

private:
  std::shared_ptr<const void> code;
  std::string source;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_REGEX_H
