#include "runtime/eval/Choices.h"

#include "runtime/eval/Passages.h"
#include "support/ThreadPool.h"

#include <algorithm>

namespace llmopt {

namespace {
/// A query with one of its choices.
struct ChoiceTokens {
  std::vector<int32_t> ids;
  int64_t scored = 0; ///< the first token of the choice
};
} // namespace

//===- Tokens ---------------------------------------------------------------------------------===//

static Result<ChoiceTokens> tokensWith(const EvalModel &model, const ChoiceQuestion &question,
                                       const std::vector<int32_t> &query, size_t choice,
                                       const std::string &file) {
  ChoiceTokens tokens;
  LLMOPT_ASSIGN(tokens.ids, model.encode(question.textWith(choice), /*addSpecial=*/true));
  auto different =
      std::mismatch(tokens.ids.begin(), tokens.ids.end(), query.begin(), query.end()).first;
  tokens.scored = different - tokens.ids.begin();
  if (different == tokens.ids.end())
    return makeError("{}: line {}: choice {} adds no token to the query", file, question.line,
                     choice);
  if (tokens.scored == 0)
    return makeError("{}: line {}: there is no token before choice {} to continue", file,
                     question.line, choice);
  if (static_cast<int64_t>(tokens.ids.size()) > model.manifest().contextLength)
    return makeError("{}: line {}: the query and choice {} have {} tokens, more than the context "
                     "of {}, {}",
                     file, question.line, choice, tokens.ids.size(), model.path(),
                     model.manifest().contextLength);
  return tokens;
}

/// Of all choices of all questions, one after the other.
static Result<std::vector<ChoiceTokens>> tokensOf(const EvalModel &model,
                                                  const ChoicesOptions &options) {
  std::vector<ChoiceTokens> all;
  for (const ChoiceQuestion &question : options.questions) {
    LLMOPT_ASSIGN(std::vector<int32_t> query, model.encode(question.query, /*addSpecial=*/true));
    for (size_t choice = 0; choice < question.choices.size(); ++choice) {
      LLMOPT_ASSIGN(ChoiceTokens tokens, tokensWith(model, question, query, choice, options.file));
      all.push_back(std::move(tokens));
    }
  }
  return all;
}

static Status checkSameTokens(const EvalModel &model, const std::vector<ChoiceTokens> &tokens,
                              const EvalModel &baseline, const ChoicesOptions &options) {
  LLMOPT_TRY(checkSameVocabulary(model, baseline));
  LLMOPT_ASSIGN(std::vector<ChoiceTokens> others, tokensOf(baseline, options));
  size_t next = 0;
  for (const ChoiceQuestion &question : options.questions)
    for (size_t choice = 0; choice < question.choices.size(); ++choice, ++next)
      LLMOPT_TRY(checkSameTokens(
          model.path(), tokens[next].ids, baseline.path(), others[next].ids,
          fmt::format("choice {} of line {} of {}", choice, question.line, options.file)));
  return success();
}

//===- Answers --------------------------------------------------------------------------------===//

/// `nlls`: of all scored tokens, in the order of `tokens`.
static ChoicesScore scoreAnswers(const EvalModel &model, const ChoicesOptions &options,
                                 const std::vector<ChoiceTokens> &tokens,
                                 const std::vector<double> &nlls) {
  std::vector<double> right, rightNormalized;
  size_t next = 0, nextNll = 0;
  for (const ChoiceQuestion &question : options.questions) {
    std::vector<double> sums, normalized; // of log-likelihoods
    for (const std::string &choice : question.choices) {
      double sum = 0;
      const ChoiceTokens &own = tokens[next++];
      for (size_t i = static_cast<size_t>(own.scored); i < own.ids.size(); ++i)
        sum -= nlls[nextNll++];
      sums.push_back(sum);
      normalized.push_back(sum / static_cast<double>(choice.size()));
    }
    auto isRight = [&](const std::vector<double> &values) {
      auto best = std::max_element(values.begin(), values.end());
      return best - values.begin() == static_cast<long>(question.gold) ? 1.0 : 0.0;
    };
    right.push_back(isRight(sums));
    rightNormalized.push_back(isRight(normalized));
  }
  return {model.facts(), meanOf(right), meanOf(rightNormalized)};
}

Result<ChoicesEvaluation> runChoices(const ChoicesOptions &asked) {
  ChoicesOptions options = asked;
  LLMOPT_ASSIGN(options.device.threads, resolveThreads(options.device.threads));
  ChoicesEvaluation evaluation;
  evaluation.file = options.file;
  evaluation.questions = options.questions.size();
  for (const std::string &path : options.artifacts) {
    LLMOPT_ASSIGN(std::unique_ptr<EvalModel> model, EvalModel::open(path, options.device));
    LLMOPT_ASSIGN(std::vector<ChoiceTokens> tokens, tokensOf(*model, options));
    std::unique_ptr<EvalModel> baseline;
    if (!options.baseline.empty()) {
      LLMOPT_ASSIGN(baseline, EvalModel::open(options.baseline, options.device));
      LLMOPT_TRY(checkSameTokens(*model, tokens, *baseline, options));
    }
    std::vector<Passage> passages;
    passages.reserve(tokens.size());
    for (const ChoiceTokens &choice : tokens)
      passages.push_back(
          {choice.ids.data(), static_cast<int64_t>(choice.ids.size()), choice.scored});
    LLMOPT_ASSIGN(
        std::vector<TokenScore> scores,
        scorePassages(*model, baseline.get(), passages,
                      {options.device.threads, options.device.quiet, "evaluating " + path}));
    std::vector<double> nlls, baselineNlls;
    for (const TokenScore &score : scores) {
      nlls.push_back(score.nll);
      baselineNlls.push_back(score.baselineNll);
    }
    ChoicesResult result;
    result.own = scoreAnswers(*model, options, tokens, nlls);
    if (baseline)
      result.baseline = scoreAnswers(*baseline, options, tokens, baselineNlls);
    evaluation.results.push_back(std::move(result));
  }
  return evaluation;
}

} // namespace llmopt
