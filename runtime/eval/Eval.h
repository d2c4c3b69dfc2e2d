//===- Eval.h - How well artifacts predict a text, and how far they are from a baseline -------===//
//
// A text is tokenized with nothing added, cut into windows (Windows.h) and each scored token's
// log-likelihood read off the logits before it, in double (Score.h).
//
// - perplexity = exp(mean nll); its standard error by the delta method, perplexity * sd / sqrt(n),
//   tokens counting as independent.
// - Beside a baseline, such as the same model in float32: the Kullback-Leibler divergence of each
//   token's distribution from the baseline's, the share of tokens where both have the same most
//   probable one, and the ratio of the perplexities. Its error comes from the differences token by
//   token and is far below that of either perplexity, for what makes a token hard is the same in
//   both.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_EVAL_EVAL_H
#define LLMOPT_RUNTIME_EVAL_EVAL_H

#include "runtime/devices/Device.h"
#include "runtime/eval/EvalModel.h"
#include "runtime/eval/Score.h"
#include "runtime/eval/Statistics.h"
#include "support/Error.h"
#include "support/Json.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llmopt {

struct EvalOptions {
  std::vector<std::string> artifacts;
  std::string baseline; ///< another artifact; empty: none
  std::string text;
  std::string textName;             ///< the file that it is from
  std::optional<int64_t> context;   ///< tokens of a window; else what all models hold, at most 2048
  std::optional<int64_t> stride;    ///< from one window to the next; else the context
  std::optional<int64_t> maxTokens; ///< of the text; else all
  DeviceOptions device;             ///< threads 0: one for each core
};

/// What one artifact makes of the text.
struct TextScore {
  ArtifactFacts facts;
  double nllSum = 0; ///< nats
  Estimate perplexity;
};

/// What is between an artifact and its baseline.
struct Comparison {
  TextScore baseline;
  double klMean = 0, klP99 = 0, klMax = 0; ///< nats per token
  double top1Agreement = 0;                ///< from 0 to 1
  Estimate ratio;                          ///< of the perplexities, own over baseline's
};

struct EvalResult {
  TextScore own;
  std::optional<Comparison> comparison;
  std::vector<TokenScore> scores; ///< of the scored tokens
};

struct Evaluation {
  std::string textName;
  int64_t context = 0, stride = 0;
  int64_t windows = 0;
  std::vector<int32_t> ids;        ///< the text's tokens, the same for all artifacts
  std::vector<int64_t> positions;  ///< of the scored ones among them, in the scores' order
  std::vector<EvalResult> results; ///< of each artifact

  /// The object of one artifact, or {"results": [...]} of several.
  OrderedJson toJson() const;
  /// A table for people.
  std::string toText() const;
  /// A line of JSON for each scored token of each artifact.
  std::string toLines() const;
  /// A page of HTML that needs nothing else.
  std::string toPage() const;
};

/// One after the other, each beside the baseline. An Error also if the artifacts do not cut the
/// text into the same tokens: the perplexities would not be of the same thing.
Result<Evaluation> runEval(const EvalOptions &options);

/// A row of what is told of artifacts: the baseline's, if there is one, then theirs.
struct EvalRow {
  std::string name; ///< as short as tells them apart
  const TextScore *score = nullptr;
  const EvalResult *result = nullptr; ///< null for the baseline
};
std::vector<EvalRow> rowsOf(const Evaluation &evaluation);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_EVAL_EVAL_H
