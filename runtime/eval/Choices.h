//===- Choices.h - How often artifacts choose the right one of several continuations ----------===//
//
// As the usual harnesses do: the query and each choice are tokenized as one text, with the special
// tokens that the model wants. The choice's tokens are those behind the longest common beginning
// with the query's own; their log-likelihoods are added up. The artifact's answer is the choice
// with the largest sum, or, normalized, with the largest sum divided by the choice's length in
// bytes; of equal ones the first.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_EVAL_CHOICES_H
#define LLMOPT_RUNTIME_EVAL_CHOICES_H

#include "runtime/devices/Device.h"
#include "runtime/eval/ChoiceFile.h"
#include "runtime/eval/EvalModel.h"
#include "runtime/eval/Statistics.h"
#include "support/Error.h"
#include "support/Json.h"

#include <optional>
#include <string>
#include <vector>

namespace llmopt {

struct ChoicesOptions {
  std::vector<std::string> artifacts;
  std::string baseline; ///< another artifact; empty: none
  std::vector<ChoiceQuestion> questions;
  std::string file;     ///< that they are from
  DeviceOptions device; ///< threads 0: one for each core
};

/// Shares from 0 to 1; the error of one is sqrt(share (1 - share) / (questions - 1)).
struct ChoicesScore {
  ArtifactFacts facts;
  Estimate accuracy;
  Estimate normalized;
};

struct ChoicesResult {
  ChoicesScore own;
  std::optional<ChoicesScore> baseline;
};

struct ChoicesEvaluation {
  std::string file;
  size_t questions = 0;
  std::vector<ChoicesResult> results; ///< of each artifact

  /// The object of one artifact, or {"results": [...]} of several.
  OrderedJson toJson() const;
  /// A table for people.
  std::string toText() const;
};

Result<ChoicesEvaluation> runChoices(const ChoicesOptions &options);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_EVAL_CHOICES_H
