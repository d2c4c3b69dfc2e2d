#include "runtime/engine/Generate.h"

#include "support/Safetensors.h"
#include "test/unit/runtime/TinyModel.h"

#include <gmock/gmock.h>

using namespace llmopt;
using namespace llmopt::tiny;

namespace {
struct GenerateTest : testing::Test {
  GenerateTest() {
    Parts parts;
    parts.tokenizer = true;
    writeArtifact(parts, path);
    options.prompt = "abc 12";
    options.maxNewTokens = 12;
    options.sampling.temperature = 0;
  }
  Result<GenerateResult> run() {
    auto model = Model::open(path, DeviceOptions());
    if (!model)
      return model.error();
    return generate(*std::move(model), options, [&](std::string_view text) { shown += text; });
  }
  /// The text of ids by the vocabulary's definition.
  static std::string textOf(const std::vector<int32_t> &ids) {
    std::string text;
    for (int32_t id : ids)
      text += id < 3    ? ""
              : id < 29 ? std::string(1, char('a' + id - 3))
              : id < 39 ? std::string(1, char('0' + id - 29))
                        : " ";
    return text;
  }
  static std::vector<int32_t> promptIds() { return {3, 4, 5, 39, 30, 31}; }
  TemporaryDirectory directory;
  std::string path = directory / "a.llmopt";
  std::string shown;
  GenerateOptions options;
};
} // namespace

TEST_F(GenerateTest, ShowsThePromptAndItsContinuation) {
  auto result = run();
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->tokens, referenceGreedy(promptIds(), 12));
  EXPECT_EQ(result->text, textOf(result->tokens));
  EXPECT_EQ(shown, "abc 12" + result->text);
  EXPECT_EQ(result->promptTokens, 6);
  EXPECT_GT(result->totalSeconds, 0);
  EXPECT_FALSE(result->contextReached);
}

TEST_F(GenerateTest, TokenIdsAsPromptGiveTheSame) {
  auto text = run();
  options.prompt.reset();
  options.promptTokens = promptIds();
  shown.clear();
  auto ids = run();
  ASSERT_TRUE(text && ids);
  EXPECT_EQ(ids->text, text->text);
  EXPECT_EQ(shown, "abc 12" + text->text);
}

TEST_F(GenerateTest, AStopTextOverSeveralTokensIsNotShown) {
  auto plain = run();
  ASSERT_TRUE(plain);
  options.stopTexts = {plain->text.substr(5, 3)};
  size_t end = plain->text.find(options.stopTexts[0]);
  shown.clear();
  auto stopped = run();
  ASSERT_TRUE(stopped);
  EXPECT_EQ(stopped->text, plain->text.substr(0, end));
  EXPECT_EQ(shown, "abc 12" + stopped->text);
  EXPECT_LT(stopped->tokens.size(), plain->tokens.size());
}

TEST_F(GenerateTest, ADanglingBeginOfAStopTextIsShownAtTheEnd) {
  auto plain = run();
  ASSERT_TRUE(plain);
  options.stopTexts = {plain->text.substr(plain->text.size() - 2) + "~"};
  auto again = run();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->text, plain->text);
}

TEST_F(GenerateTest, TheEndTokenIsAnIdAndNoText) {
  std::vector<int32_t> plain = referenceGreedy(promptIds(), 12);
  Parts parts;
  parts.tokenizer = true;
  parts.manifest.stopTokens = {plain[6]};
  writeArtifact(parts, path);
  auto result = run();
  ASSERT_TRUE(result) << result.error().message();
  size_t end = std::find(plain.begin(), plain.end(), plain[6]) - plain.begin();
  plain.resize(end + 1);
  EXPECT_EQ(result->tokens, plain);
  plain.pop_back();
  EXPECT_EQ(result->text, textOf(plain));
}

TEST_F(GenerateTest, SamplingRepeatsWithItsSeed) {
  options.sampling.temperature = 1.5;
  auto first = run();
  auto second = run();
  options.sampling.seed = 1;
  auto third = run();
  ASSERT_TRUE(first && second && third);
  EXPECT_EQ(first->tokens, second->tokens);
  EXPECT_NE(first->tokens, third->tokens);
}

TEST_F(GenerateTest, WritesTheLogitsOfThePrompt) {
  options.dumpLogits = directory / "logits.safetensors";
  options.maxNewTokens = 0;
  ASSERT_TRUE(run());
  auto file = SafetensorsFile::open(options.dumpLogits);
  ASSERT_TRUE(file) << file.error().message();
  const SafetensorsEntry *entry = file->find("logits");
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->dtype, "F32");
  EXPECT_EQ(entry->shape, (std::vector<int64_t>{6, vocabulary}));
  const auto *values = reinterpret_cast<const float *>(file->data(*entry));
  std::vector<float> last = referenceLogits(promptIds());
  EXPECT_TRUE(std::equal(last.begin(), last.end(), values + 5 * vocabulary));
}

TEST_F(GenerateTest, SaysThatTheContextEnded) {
  options.maxNewTokens = 100;
  auto result = run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->contextReached);
  EXPECT_EQ(result->tokens.size(), 58u);
}

TEST_F(GenerateTest, AnEmptyPromptNeedsABeginOfText) {
  options.prompt = "";
  auto result = run();
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message(), testing::HasSubstr("the prompt has no tokens"));
}

TEST_F(GenerateTest, WithoutATokenizerTheIdsAreShown) {
  std::string bare = directory / "bare.llmopt";
  writeArtifact(Parts(), bare);
  path = bare;
  auto refused = run();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("holds no tokenizer"));
  options.prompt.reset();
  options.promptTokens = {3};
  options.maxNewTokens = 2;
  shown.clear();
  auto result = run();
  ASSERT_TRUE(result);
  EXPECT_EQ(shown, fmt::format("{} {} ", result->tokens[0], result->tokens[1]));
}
