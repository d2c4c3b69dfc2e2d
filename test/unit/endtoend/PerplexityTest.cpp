//===- PerplexityTest.cpp - Perplexities against an evaluation in float64 ---------------------===//

#include "EndToEnd.h"

#include "runtime/eval/Eval.h"
#include "support/Files.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace llmopt;

namespace {
/// A model's name and a text's, of the folder beside the repository.
class Perplexity : public testing::TestWithParam<std::pair<const char *, const char *>> {};
} // namespace

TEST_P(Perplexity, OfTheHeadOfATextIsAsExpected) {
  const std::string shared = LLMOPT_SOURCE_DIR "/../shared/";
  auto [model, text] = GetParam();
  CompileOptions compile;
  compile.checkpoint = shared + "models/" + model;
  if (!std::filesystem::exists(compile.checkpoint))
    GTEST_SKIP() << "the trained checkpoints are not beside this repository";
  auto json = readJsonFile(compile.checkpoint + "/expected.json");
  ASSERT_TRUE(json) << json.error().message();
  const Json &expected = (*json)["perplexity"][text];

  CompiledModel compiled(compile);
  EvalOptions options;
  options.artifacts = {compiled.path()};
  options.textName = shared + "data/" + text;
  auto content = readFile(options.textName);
  ASSERT_TRUE(content) << content.error().message();
  options.text = *content;
  options.context = expected["context"].get<int64_t>();
  options.maxTokens = expected["head_tokens"].get<int64_t>();
  options.device.threads = 2;
  auto result = runEval(options);
  ASSERT_TRUE(result) << result.error().message();
  const TextScore &own = result->results[0].own;
  EXPECT_EQ(result->positions.size(), expected["head_scored"].get<size_t>());
  // Measured: below 2e-9, which is what float32's roundings leave after the sum.
  const double nllSum = expected["head_nll_sum_float64"].get<double>();
  EXPECT_NEAR(own.nllSum / nllSum, 1, 1e-6);
  EXPECT_NEAR(own.perplexity.value / expected["head_perplexity"].get<double>(), 1, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    Models, Perplexity,
    testing::Values(std::pair("tiny-llama", "heldout.txt"),
                    std::pair("tiny-llama", "wikitext2-test.txt"),
                    std::pair("tiny-falcon", "heldout.txt"),
                    std::pair("tiny-falcon", "wikitext2-test.txt")),
    [](const auto &info) {
      std::string name = std::string(info.param.first) + "_" + info.param.second;
      std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
      return name;
    });
