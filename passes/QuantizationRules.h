//===- QuantizationRules.h - Which weight is quantized how, from a line of text ---------------===//
//
//   SCHEME [;PATTERN=SCHEME]...          "int4:group=64;*.mlp.down_proj=int8;lm_head=int8"
//
// A scheme is int8, int4, nf4, fp4 or none, with options behind a colon: group=N (elements that
// share a scale, 0 for a row), scale=f32|f16|bf16, asymmetric (int8 and int4: a zero point for each
// group). A pattern is a weight's name, in which * stands for any characters; the last pattern that
// fits counts.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_PASSES_QUANTIZATIONRULES_H
#define LLMOPT_PASSES_QUANTIZATIONRULES_H

#include "support/Error.h"
#include "support/Quantization.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmopt {

class QuantizationRules {
public:
  struct Rule {
    std::string pattern;               ///< empty: of all that no other is for
    std::string text;                  ///< of its scheme
    std::optional<QuantFormat> format; ///< nothing: the weight stays as it is
    bool used = false;
  };

  /// Nothing at all is quantized by "none".
  static Result<QuantizationRules> parse(std::string_view text);

  /// The rule for a weight; the first one, which has no pattern, if none fits.
  Rule &ruleFor(std::string_view name);
  /// A pattern that no weight was found for; null if there is none.
  const Rule *unused() const;

private:
  std::vector<Rule> rules;
};

/// Whether a name is a pattern's, in which * stands for any characters.
bool matchesPattern(std::string_view pattern, std::string_view name);

} // namespace llmopt

#endif // LLMOPT_PASSES_QUANTIZATIONRULES_H
