#include "runtime/eval/Eval.h"

#include "runtime/eval/Passages.h"
#include "runtime/eval/Windows.h"
#include "support/ThreadPool.h"

#include <algorithm>

namespace llmopt {

/// The longest window that nobody asked for: beyond it perplexity changes little, and attention's
/// cost much.
static constexpr int64_t usualContext = 2048;

/// Settles what was left open, after looking at all the artifacts, before anything is loaded.
static Status settleWindows(const EvalOptions &options, Evaluation &evaluation) {
  std::vector<std::string> paths = options.artifacts;
  if (!options.baseline.empty())
    paths.push_back(options.baseline);
  evaluation.context = options.context.value_or(usualContext);
  if (evaluation.context < 2)
    return makeError("a context of {}: at least 2 tokens are needed to score one",
                     evaluation.context);
  for (const std::string &path : paths) {
    LLMOPT_ASSIGN(Artifact artifact, Artifact::openPlan(path));
    int64_t longest = artifact.manifest.contextLength;
    if (options.context && longest < *options.context)
      return makeError("a context of {} tokens is more than {} holds, which is {}",
                       *options.context, path, longest);
    evaluation.context = std::min(evaluation.context, longest);
  }
  if (evaluation.context < 2)
    return makeError("a context of 1 token is all that the artifacts hold together");
  evaluation.stride = options.stride.value_or(evaluation.context);
  if (evaluation.stride < 1 || evaluation.stride > evaluation.context)
    return makeError("a stride of {}: from 1 to the context, {}, are possible", evaluation.stride,
                     evaluation.context);
  if (options.maxTokens && *options.maxTokens < 2)
    return makeError("{} tokens of the text: at least 2 are needed to score one",
                     *options.maxTokens);
  return success();
}

static Result<std::vector<int32_t>> tokensOf(const EvalModel &model, const EvalOptions &options) {
  LLMOPT_ASSIGN(std::vector<int32_t> ids, model.encode(options.text, /*addSpecial=*/false));
  if (options.maxTokens && static_cast<int64_t>(ids.size()) > *options.maxTokens)
    ids.resize(static_cast<size_t>(*options.maxTokens));
  if (ids.size() < 2)
    return makeError("{} has {} token{}, and 2 are needed to score one", options.textName,
                     ids.size(), ids.size() == 1 ? "" : "s");
  return ids;
}

//===- Numbers --------------------------------------------------------------------------------===//

template <typename Value>
static std::vector<double> valuesOf(const std::vector<TokenScore> &scores, Value value) {
  std::vector<double> values;
  values.reserve(scores.size());
  for (const TokenScore &score : scores)
    values.push_back(value(score));
  return values;
}

static TextScore textScore(const EvalModel &model, const std::vector<double> &nlls) {
  TextScore score;
  score.facts = model.facts();
  for (double nll : nlls)
    score.nllSum += nll;
  score.perplexity = expOf(meanOf(nlls));
  return score;
}

static Comparison compare(const EvalModel &baseline, const std::vector<TokenScore> &scores) {
  Comparison comparison;
  comparison.baseline = textScore(
      baseline, valuesOf(scores, [](const TokenScore &score) { return score.baselineNll; }));
  std::vector<double> kl = valuesOf(scores, [](const TokenScore &score) { return score.kl; });
  comparison.klMean = meanOf(kl).value;
  comparison.klP99 = quantileOf(kl, 0.99);
  comparison.klMax = *std::max_element(kl.begin(), kl.end());
  comparison.top1Agreement = meanOf(valuesOf(scores, [](const TokenScore &score) {
                               return score.sameTop ? 1.0 : 0.0;
                             })).value;
  comparison.ratio = expOf(meanOf(
      valuesOf(scores, [](const TokenScore &score) { return score.nll - score.baselineNll; })));
  return comparison;
}

//===- Runs -----------------------------------------------------------------------------------===//

static std::vector<Passage> passagesOf(const std::vector<Window> &windows,
                                       const std::vector<int32_t> &ids) {
  std::vector<Passage> passages;
  passages.reserve(windows.size());
  for (const Window &window : windows)
    passages.push_back(
        {ids.data() + window.begin, window.end - window.begin, window.scored - window.begin});
  return passages;
}

Result<Evaluation> runEval(const EvalOptions &asked) {
  EvalOptions options = asked;
  LLMOPT_ASSIGN(options.device.threads, resolveThreads(options.device.threads));
  Evaluation evaluation;
  evaluation.textName = options.textName;
  LLMOPT_TRY(settleWindows(options, evaluation));

  std::unique_ptr<EvalModel> baseline;
  std::string reference; // whose tokens they are
  if (!options.baseline.empty()) {
    LLMOPT_ASSIGN(baseline, EvalModel::open(options.baseline, options.device));
    LLMOPT_ASSIGN(evaluation.ids, tokensOf(*baseline, options));
    reference = options.baseline;
  }
  for (const std::string &path : options.artifacts) {
    LLMOPT_ASSIGN(std::unique_ptr<EvalModel> model, EvalModel::open(path, options.device));
    LLMOPT_ASSIGN(std::vector<int32_t> ids, tokensOf(*model, options));
    if (baseline)
      LLMOPT_TRY(checkSameVocabulary(*model, *baseline));
    if (reference.empty()) {
      evaluation.ids = ids;
      reference = path;
    }
    LLMOPT_TRY(checkSameTokens(path, ids, reference, evaluation.ids, options.textName));
    std::vector<Window> windows = cutWindows(static_cast<int64_t>(evaluation.ids.size()),
                                             evaluation.context, evaluation.stride);
    if (evaluation.results.empty()) {
      evaluation.windows = static_cast<int64_t>(windows.size());
      for (const Window &window : windows)
        for (int64_t i = window.scored; i < window.end; ++i)
          evaluation.positions.push_back(i);
    }
    EvalResult result;
    LLMOPT_ASSIGN(
        result.scores,
        scorePassages(*model, baseline.get(), passagesOf(windows, evaluation.ids),
                      {options.device.threads, options.device.quiet, "evaluating " + path}));
    result.own = textScore(
        *model, valuesOf(result.scores, [](const TokenScore &score) { return score.nll; }));
    if (baseline)
      result.comparison = compare(*baseline, result.scores);
    evaluation.results.push_back(std::move(result));
  }
  return evaluation;
}

} // namespace llmopt
