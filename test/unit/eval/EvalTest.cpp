#include "runtime/eval/Eval.h"

#include "support/Files.h"
#include "test/unit/runtime/TinyModel.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

using namespace llmopt;
using namespace llmopt::tiny;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

namespace {
struct EvalTest : testing::Test {
  EvalTest() {
    write("a", false);
    for (uint32_t i = 0; i < 300; ++i)
      options.text += static_cast<char>('a' + randomHash(i) % 26);
    options.artifacts = {directory / "a"};
    options.textName = "text.txt";
    options.device.threads = 1;
  }
  /// With other biases where they are random: a model that is near the first.
  void write(const std::string &name, bool randomBias, bool tokenizer = true) {
    Parts parts;
    parts.tokenizer = tokenizer;
    parts.randomBias = randomBias;
    writeArtifact(parts, directory / name);
  }
  std::string error() {
    auto result = runEval(options);
    return result ? "evaluated" : result.error().message();
  }
  TemporaryDirectory directory;
  EvalOptions options;
};
} // namespace

static std::vector<int32_t> idsOf(const std::string &text) {
  std::vector<int32_t> ids;
  for (char letter : text)
    ids.push_back(3 + (letter - 'a'));
  return ids;
}

/// The log-probabilities behind ids [begin, end).
static std::vector<double> logProbabilities(const std::vector<int32_t> &ids, int64_t begin,
                                            int64_t end, bool randomBias) {
  uint32_t history = historyStart;
  for (int64_t i = begin; i < end; ++i)
    history = nextHistory(history, ids[size_t(i)]);
  std::vector<double> values;
  double sum = 0;
  for (int token = 0; token < vocabulary; ++token) {
    float own = randomBias ? randomWeight(7, uint64_t(token), 0, 1) : bias(token);
    values.push_back(logit(history, token, own));
    sum += std::exp(values.back());
  }
  for (double &value : values)
    value -= std::log(sum);
  return values;
}

TEST_F(EvalTest, LogLikelihoodsAreThoseOfTheModelInEachWindow) {
  options.context = 10;
  options.stride = 4;
  auto result = runEval(options);
  ASSERT_TRUE(result) << result.error().message();
  const std::vector<int32_t> ids = idsOf(options.text);
  EXPECT_EQ(result->ids, ids);
  ASSERT_EQ(result->positions.size(), 299u);
  double sum = 0, squares = 0;
  for (int64_t i = 1; i < 300; ++i) {
    // The first window that reaches the token; windows begin at multiples of 4.
    int64_t begin = i < 10 ? 0 : (i - 10) / 4 * 4 + 4;
    double nll = -logProbabilities(ids, begin, i, false)[size_t(ids[size_t(i)])];
    EXPECT_EQ(result->positions[size_t(i - 1)], i);
    EXPECT_NEAR(result->results[0].scores[size_t(i - 1)].nll, nll, 1e-9) << i;
    sum += nll;
    squares += nll * nll;
  }
  const TextScore &own = result->results[0].own;
  EXPECT_NEAR(own.nllSum, sum, 1e-6);
  EXPECT_NEAR(own.perplexity.value, std::exp(sum / 299), 1e-6);
  double deviation = std::sqrt((squares - sum * sum / 299) / 298);
  EXPECT_NEAR(own.perplexity.error, std::exp(sum / 299) * deviation / std::sqrt(299), 1e-6);
}

TEST_F(EvalTest, ABaselineIsComparedTokenByToken) {
  write("b", true);
  options.baseline = directory / "b";
  options.context = 16;
  auto result = runEval(options);
  ASSERT_TRUE(result) << result.error().message();
  const std::vector<int32_t> ids = idsOf(options.text);
  double klSum = 0, klMost = 0, difference = 0, same = 0;
  for (size_t i = 0; i < result->positions.size(); ++i) {
    int64_t position = result->positions[i], begin = position / 16 * 16;
    std::vector<double> own = logProbabilities(ids, begin, position, false);
    std::vector<double> base = logProbabilities(ids, begin, position, true);
    double kl = 0;
    for (size_t j = 0; j < own.size(); ++j)
      kl += std::exp(base[j]) * (base[j] - own[j]);
    size_t token = size_t(ids[size_t(position)]);
    const TokenScore &score = result->results[0].scores[i];
    EXPECT_NEAR(score.kl, kl, 1e-9);
    EXPECT_NEAR(score.nll, -own[token], 1e-9);
    EXPECT_NEAR(score.baselineNll, -base[token], 1e-9);
    klSum += kl;
    klMost = std::max(klMost, kl);
    difference += base[token] - own[token];
    same += std::max_element(own.begin(), own.end()) - own.begin() ==
            std::max_element(base.begin(), base.end()) - base.begin();
  }
  const double count = double(result->positions.size());
  const Comparison &comparison = *result->results[0].comparison;
  EXPECT_NEAR(comparison.klMean, klSum / count, 1e-9);
  EXPECT_NEAR(comparison.klMax, klMost, 1e-9);
  EXPECT_NEAR(comparison.top1Agreement, same / count, 1e-9);
  EXPECT_NEAR(comparison.ratio.value, std::exp(difference / count), 1e-9);
  EXPECT_NEAR(comparison.ratio.value,
              result->results[0].own.perplexity.value / comparison.baseline.perplexity.value, 1e-9);
}

TEST_F(EvalTest, AnArtifactIsNoDistanceFromItself) {
  options.baseline = directory / "a";
  auto result = runEval(options);
  ASSERT_TRUE(result) << result.error().message();
  const Comparison &comparison = *result->results[0].comparison;
  EXPECT_EQ(comparison.klMax, 0);
  EXPECT_EQ(comparison.top1Agreement, 1);
  EXPECT_EQ(comparison.ratio.value, 1);
  EXPECT_EQ(comparison.ratio.error, 0);
}

TEST_F(EvalTest, ThreadsDoNotChangeABit) {
  write("b", true);
  options.baseline = directory / "b";
  options.context = 7;
  auto one = runEval(options);
  options.device.threads = 3;
  auto three = runEval(options);
  ASSERT_TRUE(one && three);
  EXPECT_EQ(one->results[0].own.nllSum, three->results[0].own.nllSum);
  EXPECT_EQ(one->toLines(), three->toLines());
}

TEST_F(EvalTest, SeveralArtifactsBesideOneBaseline) {
  write("b", true);
  options.artifacts = {directory / "a", directory / "b"};
  options.baseline = directory / "b";
  options.maxTokens = 100;
  auto result = runEval(options);
  ASSERT_TRUE(result) << result.error().message();
  ASSERT_EQ(result->results.size(), 2u);
  EXPECT_EQ(result->ids.size(), 100u);
  EXPECT_GT(result->results[0].comparison->klMean, 0);
  EXPECT_EQ(result->results[1].comparison->klMax, 0);
  EXPECT_EQ(result->results[0].comparison->baseline.nllSum,
            result->results[1].comparison->baseline.nllSum);
  OrderedJson json = result->toJson();
  ASSERT_EQ(json["results"].size(), 2u);
  EXPECT_EQ(json["results"][0]["baseline"]["artifact"], directory / "b");
  EXPECT_EQ(json["results"][1]["weight_bytes"], 160);
  EXPECT_EQ(json["results"][1]["bytes_per_weight"], 4);
  // The names of the folders do not tell the second from its baseline.
  EXPECT_THAT(result->toText(), HasSubstr(directory / "a"));
}

TEST_F(EvalTest, ABrokenModelsPerplexityKeepsTheColumns) {
  auto result = runEval(options);
  ASSERT_TRUE(result) << result.error().message();
  result->results[0].own.perplexity = {376366.844, 18952.65};
  EXPECT_THAT(result->toText(), HasSubstr("32-true    3.76e+05 ± 1.9e+04    "));
}

TEST_F(EvalTest, ThePageStandsAloneAndEscapesNames) {
  write("b", true);
  options.baseline = directory / "b";
  options.textName = "<a & b>.txt";
  auto result = runEval(options);
  ASSERT_TRUE(result) << result.error().message();
  std::string page = result->toPage();
  EXPECT_THAT(page, HasSubstr("<h1>Quality on &lt;a &amp; b&gt;.txt</h1>"));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  for (const char *elsewhere : {"http:", "https:", "src=", "href=", "<script", "nan", "inf"})
    EXPECT_THAT(page, Not(HasSubstr(elsewhere)));
  EXPECT_THAT(page, EndsWith("</html>\n"));
}

TEST_F(EvalTest, WindowsThatDoNotFitAreRefused) {
  options.context = 65;
  EXPECT_EQ(error(),
            "a context of 65 tokens is more than " + (directory / "a") + " holds, which is 64");
  options.context = 1;
  EXPECT_EQ(error(), "a context of 1: at least 2 tokens are needed to score one");
  options.context = 8;
  options.stride = 9;
  EXPECT_EQ(error(), "a stride of 9: from 1 to the context, 8, are possible");
  options.stride = 0;
  EXPECT_EQ(error(), "a stride of 0: from 1 to the context, 8, are possible");
  options.stride.reset();
  options.maxTokens = 1;
  EXPECT_EQ(error(), "1 tokens of the text: at least 2 are needed to score one");
  options.maxTokens.reset();
  options.text = "a";
  EXPECT_EQ(error(), "text.txt has 1 token, and 2 are needed to score one");
}

TEST_F(EvalTest, WhatHasNoTokenizerIsRefused) {
  write("b", false, /*tokenizer=*/false);
  options.artifacts = {directory / "b"};
  EXPECT_THAT(error(), EndsWith("b holds no tokenizer, and a text needs one"));
}

TEST_F(EvalTest, ArtifactsThatCutTheTextDifferentlyAreRefused) {
  write("b", false);
  std::string path = directory / "b";
  std::string json = *readFile(path + "/tokenizer.json");
  // The ids of d and e change places.
  json.replace(json.find("\"d\": 6"), 6, "\"d\": 7").replace(json.find("\"e\": 7"), 6, "\"e\": 6");
  ASSERT_TRUE(writeFile(path + "/tokenizer.json", json));
  recordFiles(Parts().manifest, path);
  options.text = "abcd";
  for (bool baseline : {true, false}) {
    options.baseline = baseline ? path : "";
    options.artifacts = {directory / "a"};
    if (!baseline)
      options.artifacts.push_back(path);
    EXPECT_THAT(error(), HasSubstr(" cut text.txt into different tokens, from number 3 on"));
  }
}
