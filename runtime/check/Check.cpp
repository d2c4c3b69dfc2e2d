#include "runtime/check/Check.h"

#include "runtime/check/Goldens.h"
#include "runtime/engine/Engine.h"
#include "runtime/engine/Model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

namespace llmopt {

/// A few roundings in each of a few layers; docs/precision.md has what is measured.
static double errorBound(const std::string &precision) {
  if (precision == "16-true" || precision == "16-mixed")
    return 4e-3;
  if (precision == "bf16-true" || precision == "bf16-mixed")
    return 3e-2;
  return 1e-4;
}

static Status check(const CheckOptions &options, const Manifest &manifest,
                    const std::vector<Golden> &goldens) {
  if (options.newTokens < 1)
    return makeError("{} new tokens: at least 1 is needed", options.newTokens);
  for (const Golden &golden : goldens)
    if (static_cast<int64_t>(golden.prompt.size()) + options.newTokens > manifest.contextLength)
      return makeError("a prompt of {} tokens and {} new ones are more than the model's context of "
                       "{}",
                       golden.prompt.size(), options.newTokens, manifest.contextLength);
  return success();
}

//===- Runs -----------------------------------------------------------------------------------===//

using Tokens = std::vector<int32_t>;

/// The logits [tokens, vocabulary] of each text, computed as prompts in one batch.
static Result<std::vector<std::vector<float>>> computeLogits(Engine &engine,
                                                             const std::vector<Tokens> &texts) {
  int64_t vocabulary = engine.model().artifact().manifest.vocabularySize;
  std::vector<std::vector<float>> logits(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    Request request;
    request.prompt = texts[i];
    request.maxNewTokens = 0;
    request.onPromptLogits = [&logits, i, vocabulary](int64_t, int64_t rows, const float *values) {
      logits[i].insert(logits[i].end(), values, values + rows * vocabulary);
    };
    LLMOPT_TRY(engine.submit(std::move(request)));
  }
  while (!engine.idle())
    LLMOPT_TRY(engine.step());
  return logits;
}

static SamplingOptions samplingOf(size_t prompt) {
  SamplingOptions sampling;
  sampling.topK = 20;
  sampling.topP = 0.95;
  sampling.seed = 7;
  sampling.stream = prompt;
  return sampling;
}

static SamplingOptions greedySampling(size_t) {
  SamplingOptions sampling;
  sampling.temperature = 0;
  return sampling;
}

/// What follows each prompt, all in one batch.
static Result<std::vector<Tokens>> continueAll(Engine &engine, const std::vector<Tokens> &prompts,
                                               int64_t newTokens,
                                               SamplingOptions (*samplingOf)(size_t prompt)) {
  std::vector<Tokens> texts(prompts.size());
  std::map<int64_t, size_t> promptOf;
  for (size_t i = 0; i < prompts.size(); ++i) {
    Request request;
    request.prompt = prompts[i];
    request.maxNewTokens = newTokens;
    request.sampling = samplingOf(i);
    LLMOPT_ASSIGN(int64_t id, engine.submit(std::move(request)));
    promptOf[id] = i;
  }
  while (!engine.idle()) {
    LLMOPT_ASSIGN(std::vector<TokenEvent> events, engine.step());
    for (const TokenEvent &event : events) {
      Tokens &text = texts[promptOf[event.request]];
      text.insert(text.end(), event.tokens.begin(), event.tokens.end());
    }
  }
  return texts;
}

//===- Checks ---------------------------------------------------------------------------------===//

/// ||a - b|| / ||b||; infinite if the sizes or a value are off.
static double relativeError(const std::vector<float> &a, const std::vector<float> &b) {
  if (a.size() != b.size())
    return HUGE_VAL;
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    norm += double(b[i]) * b[i];
  }
  double error = std::sqrt(difference / norm);
  return std::isfinite(error) ? error : HUGE_VAL;
}

static bool sameBits(const std::vector<float> &a, const std::vector<float> &b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Whether a token's logit is the largest of its row, but for a few times the error that the
/// precision makes.
static bool isLargest(const float *row, int64_t vocabulary, int32_t token, double bound) {
  double squares = 0;
  for (int64_t i = 0; i < vocabulary; ++i)
    squares += double(row[i]) * row[i];
  double margin = 8 * bound * std::sqrt(squares / static_cast<double>(vocabulary));
  return row[token] >= *std::max_element(row, row + vocabulary) - margin;
}

/// Continues the prompts and counts the tokens that `right` says no to.
template <typename Right>
static Status countWrong(Engine &engine, const std::vector<Tokens> &prompts, int64_t newTokens,
                         SamplingOptions (*samplingOf)(size_t prompt), int64_t &tokens,
                         int64_t &wrong, Right right) {
  LLMOPT_ASSIGN(std::vector<Tokens> continued, continueAll(engine, prompts, newTokens, samplingOf));
  std::vector<Tokens> whole = prompts;
  for (size_t i = 0; i < whole.size(); ++i)
    whole[i].insert(whole[i].end(), continued[i].begin(), continued[i].end());
  LLMOPT_ASSIGN(std::vector<std::vector<float>> logits, computeLogits(engine, whole));
  int64_t vocabulary = engine.model().artifact().manifest.vocabularySize;
  for (size_t i = 0; i < prompts.size(); ++i)
    for (size_t j = 0; j < continued[i].size(); ++j) {
      size_t before = prompts[i].size() + j;
      LLMOPT_ASSIGN(bool isRight,
                    right(i, j, logits[i].data() + (before - 1) * static_cast<size_t>(vocabulary),
                          static_cast<int64_t>(before), continued[i][j]));
      ++tokens;
      wrong += !isRight;
    }
  return success();
}

Result<CheckResult> runCheck(const CheckOptions &options) {
  LLMOPT_ASSIGN(Model model, Model::open(options.artifact, options.device));
  const Manifest &manifest = model.artifact->manifest;
  const int64_t vocabulary = manifest.vocabularySize;
  LLMOPT_ASSIGN(std::vector<Golden> goldens, readGoldens(options.goldens, vocabulary));
  LLMOPT_TRY(check(options, manifest, goldens));

  CheckResult result;
  result.artifact = options.artifact;
  result.model = manifest.model;
  result.precision = manifest.precision;
  result.arch = manifest.arch;
  result.prompts = static_cast<int64_t>(goldens.size());
  result.bound = errorBound(manifest.precision);
  std::vector<Tokens> prompts;
  EngineOptions engineOptions;
  for (const Golden &golden : goldens) {
    prompts.push_back(golden.prompt);
    engineOptions.cachePages += Engine::pagesFor(
        model.artifact->plan, static_cast<int64_t>(golden.prompt.size()) + options.newTokens, 1);
  }
  LLMOPT_ASSIGN(std::unique_ptr<Engine> engine,
                Engine::create(std::move(model.device), engineOptions));

  LLMOPT_ASSIGN(std::vector<std::vector<float>> logits, computeLogits(*engine, prompts));
  for (size_t i = 0; i < goldens.size(); ++i)
    if (!goldens[i].logits.empty())
      result.logitsError =
          std::max(result.logitsError, relativeError(logits[i], goldens[i].logits));
  LLMOPT_ASSIGN(std::vector<std::vector<float>> again, computeLogits(*engine, prompts));
  for (size_t i = 0; i < logits.size(); ++i)
    result.repeats &= sameBits(logits[i], again[i]);

  LLMOPT_TRY(countWrong(
      *engine, prompts, options.newTokens, greedySampling, result.greedyTokens, result.greedyWrong,
      [&](size_t i, size_t j, const float *row, int64_t, int32_t token) -> Result<bool> {
        if (manifest.precision == "32-true" && j < goldens[i].greedy.size())
          return token == goldens[i].greedy[j];
        return isLargest(row, vocabulary, token, result.bound);
      }));
  LLMOPT_TRY(countWrong(
      *engine, prompts, options.newTokens, samplingOf, result.sampledTokens, result.sampledWrong,
      [&](size_t i, size_t, const float *row, int64_t position, int32_t token) -> Result<bool> {
        LLMOPT_ASSIGN(int32_t host, sampleToken(row, vocabulary, samplingOf(i), position));
        return host == token;
      }));
  return result;
}

//===- What is told ---------------------------------------------------------------------------===//

std::vector<std::string> CheckResult::failures() const {
  std::vector<std::string> sentences;
  if (!(logitsError < bound))
    sentences.push_back(fmt::format("the logits are off by {:.1e}, more than {:.0e} allows for {}",
                                    logitsError, bound, precision));
  if (!repeats)
    sentences.push_back("the same batch gave other bits the second time");
  if (greedyWrong > 0)
    sentences.push_back(
        fmt::format("{} of {} greedy tokens are not the most probable", greedyWrong, greedyTokens));
  if (sampledWrong * 4 > sampledTokens)
    sentences.push_back(fmt::format("{} of {} sampled tokens are not what the host chooses",
                                    sampledWrong, sampledTokens));
  return sentences;
}

std::string CheckResult::heading() {
  return fmt::format("{:<28}{:<12}{:<10}{:>8}{:>10}{:>10}{:>8}{:>10}{:>10}\n", "artifact",
                     "precision", "arch", "prompts", "error", "bound", "repeats", "greedy",
                     "sampled");
}

std::string CheckResult::row() const {
  std::string name = std::filesystem::path(artifact).stem().string();
  return fmt::format("{:<28}{:<12}{:<10}{:>8}{:>10.1e}{:>10.0e}{:>8}{:>10}{:>10}  {}\n", name,
                     precision, arch, prompts, logitsError, bound, repeats ? "yes" : "no",
                     fmt::format("{}/{}", greedyTokens - greedyWrong, greedyTokens),
                     fmt::format("{}/{}", sampledTokens - sampledWrong, sampledTokens),
                     failures().empty() ? "ok" : "FAILED");
}

OrderedJson CheckResult::toJson() const {
  return {{"artifact", artifact},
          {"model", model},
          {"precision", precision},
          {"arch", arch},
          {"prompts", prompts},
          {"logits_error", logitsError},
          {"logits_error_bound", bound},
          {"repeats", repeats},
          {"greedy_tokens", greedyTokens},
          {"greedy_wrong", greedyWrong},
          {"sampled_tokens", sampledTokens},
          {"sampled_wrong", sampledWrong},
          {"failures", failures()}};
}

} // namespace llmopt
