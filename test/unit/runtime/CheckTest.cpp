#include "runtime/check/Check.h"

#include "support/Safetensors.h"
#include "test/unit/runtime/TinyModel.h"

#include <gmock/gmock.h>

#include <filesystem>

using namespace llmopt;
using namespace llmopt::tiny;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {
struct CheckTest : testing::Test {
  CheckTest() {
    writeArtifact(Parts(), options.artifact);
    std::filesystem::create_directories(options.goldens);
  }
  static FloatTensor logitsOf(const std::vector<int32_t> &prompt) {
    FloatTensor tensor;
    tensor.shape = {static_cast<int64_t>(prompt.size()), vocabulary};
    for (size_t i = 1; i <= prompt.size(); ++i) {
      std::vector<float> row = referenceLogits({prompt.begin(), prompt.begin() + long(i)});
      tensor.values.insert(tensor.values.end(), row.begin(), row.end());
    }
    return tensor;
  }
  void writeGoldens(const std::string &name, const std::string &json,
                    const std::map<std::string, FloatTensor> &logits) {
    ASSERT_TRUE(writeFile(options.goldens + "/" + name, json));
    ASSERT_TRUE(writeFloatTensors(options.goldens + "/logits.safetensors", logits));
  }
  std::string error() {
    auto result = runCheck(options);
    return result ? "checked" : result.error().message();
  }
  TemporaryDirectory directory;
  CheckOptions options = {directory / "a.llmopt", directory / "goldens", 5, {}};
};
} // namespace

TEST_F(CheckTest, AModelThatSaysWhatItShould) {
  writeGoldens("prompts.json", "[[3, 1, 4], [5]]",
               {{"logits_0", logitsOf({3, 1, 4})}, {"logits_1", logitsOf({5})}});
  auto result = runCheck(options);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_THAT(result->failures(), IsEmpty());
  EXPECT_EQ(result->prompts, 2);
  EXPECT_EQ(result->greedyTokens, 10);
  EXPECT_EQ(result->sampledTokens, 10);
  EXPECT_THAT(result->row(), HasSubstr("  ok\n"));
}

TEST_F(CheckTest, OtherLogitsFail) {
  FloatTensor logits = logitsOf({3, 1, 4});
  logits.values[7] += 0.1f;
  writeGoldens("prompts.json", "[[3, 1, 4]]", {{"logits_0", logits}});
  auto result = runCheck(options);
  ASSERT_TRUE(result);
  EXPECT_THAT(result->failures(), ElementsAre(HasSubstr("the logits are off by")));
  EXPECT_THAT(result->row(), HasSubstr("  FAILED\n"));
}

TEST_F(CheckTest, OtherGreedyTokensFailInFloat32) {
  std::vector<int32_t> greedy = referenceGreedy({3, 1, 4}, 5);
  auto write = [&] {
    Json json;
    json["prompts"] = {{{"ids", {3, 1, 4}}, {"greedy", greedy}}};
    writeGoldens("expected.json", json.dump(), {{"logits", logitsOf({3, 1, 4})}});
  };
  write();
  auto result = runCheck(options);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_THAT(result->failures(), IsEmpty());
  greedy[2] = (greedy[2] + 1) % vocabulary;
  write();
  result = runCheck(options);
  ASSERT_TRUE(result);
  EXPECT_THAT(result->failures(), ElementsAre("1 of 5 greedy tokens are not the most probable"));
}

TEST_F(CheckTest, BadGoldensAreRefused) {
  EXPECT_THAT(error(), HasSubstr("prompts.json"));
  writeGoldens("prompts.json", "[]", {});
  EXPECT_THAT(error(), HasSubstr("prompts.json has no prompts"));
  writeGoldens("prompts.json", "[[3, -1]]", {});
  EXPECT_THAT(error(), HasSubstr("prompt 0 has -1, which is not a token id"));
  writeGoldens("prompts.json", "[[3, 1]]", {});
  EXPECT_THAT(error(), HasSubstr("has no tensor 'logits_0'"));
  writeGoldens("prompts.json", "[[3, 1]]", {{"logits_0", logitsOf({3})}});
  EXPECT_THAT(error(), HasSubstr("is not F32 [2, 40], the prompt's tokens and the vocabulary"));
  writeGoldens("prompts.json", "[[3]]", {{"logits_0", logitsOf({3})}});
  options.newTokens = 64;
  EXPECT_EQ(error(),
            "a prompt of 1 tokens and 64 new ones are more than the model's context of 64");
}
