//===- ChoiceFile.h - Multiple-choice questions as the usual harnesses have them --------------===//
//
// A line of JSON for each question, with the first of these keys that it has:
//
//   query, context, ctx or question   text
//   choices or endings                array of at least two texts
//   gold, label or answer             index of the right one, from 0: a number, or a string of one
//
// Other keys and empty lines are passed over.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_EVAL_CHOICEFILE_H
#define LLMOPT_RUNTIME_EVAL_CHOICEFILE_H

#include "support/Error.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace llmopt {

struct ChoiceQuestion {
  int64_t line = 0; ///< of the file, from 1
  std::string query;
  std::vector<std::string> choices;
  size_t gold = 0;

  /// The query and a choice as one text, with a blank between them unless there is white space.
  std::string textWith(size_t choice) const;
};

/// `what` names the file in errors.
Result<std::vector<ChoiceQuestion>> parseChoices(std::string_view text, const std::string &what);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_EVAL_CHOICEFILE_H
