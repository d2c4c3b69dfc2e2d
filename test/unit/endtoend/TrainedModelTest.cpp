//===- TrainedModelTest.cpp - Trained checkpoints compiled and run against expected results ---===//

#include "EndToEnd.h"

#include "runtime/tokenizer/Tokenizer.h"
#include "support/Json.h"
#include "support/Safetensors.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace llmopt;

static std::string sharedModel(const std::string &name) {
  return LLMOPT_SOURCE_DIR "/../shared/models/" + name;
}

namespace {
class TrainedModel : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    directory = sharedModel(GetParam());
    if (!std::filesystem::exists(directory))
      GTEST_SKIP() << "the trained checkpoints are not beside this repository";
    auto json = readJsonFile(directory + "/expected.json");
    ASSERT_TRUE(json) << json.error().message();
    expected = *std::move(json);
  }

  static std::vector<int32_t> greedy(Device &device, std::vector<int32_t> ids, size_t count) {
    int64_t pages = int64_t(ids.size() + count) / 16 + 1;
    EXPECT_TRUE(device.allocateCache(pages));
    Sequences sequence(device, 1, pages);
    size_t vocabulary = size_t(device.artifact().manifest.vocabularySize);
    std::vector<int32_t> result;
    while (result.size() < count) {
      sequence.step({{0, ids}});
      const std::vector<float> &logits = sequence.logits(0);
      auto last = logits.end() - long(vocabulary);
      ids = {int32_t(std::max_element(last, logits.end()) - last)};
      result.push_back(ids.front());
    }
    return result;
  }

  std::string directory;
  Json expected;
};
} // namespace

TEST_P(TrainedModel, TokenizesAndContinuesAsExpected) {
  CompileOptions options;
  options.checkpoint = directory;
  CompiledModel compiled(options);
  auto device = compiled.open(2, 32);
  ASSERT_NE(device, nullptr);
  auto tokenizer = loadTokenizer(compiled.path());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  for (const Json &prompt : expected["prompts"]) {
    auto ids = (*tokenizer)->encode(prompt["text"].get<std::string>(), /*addSpecial=*/true);
    ASSERT_TRUE(ids) << ids.error().message();
    EXPECT_EQ(*ids, prompt["ids"].get<std::vector<int32_t>>());
    auto continuation = prompt["greedy"].get<std::vector<int32_t>>();
    EXPECT_EQ(greedy(*device, *ids, continuation.size()), continuation) << prompt["text"];
  }
}

TEST_P(TrainedModel, LogitsMatchInEveryPrecision) {
  auto reference = SafetensorsFile::open(directory + "/logits.safetensors");
  ASSERT_TRUE(reference) << reference.error().message();
  const SafetensorsEntry *entry = reference->find("logits");
  const float *logits = reinterpret_cast<const float *>(reference->data(*entry));
  struct Bound {
    const char *precision;
    double absolute, relative;
  };
  // docs/precision.md has the measured errors; the bounds leave a factor of two or three.
  for (Bound bound :
       {Bound{"32-true", 1e-3, 1e-5}, Bound{"16-true", 0.06, 2e-3}, Bound{"bf16-true", 0.4, 1e-2},
        Bound{"16-mixed", 0.04, 1e-3}, Bound{"bf16-mixed", 0.3, 8e-3}}) {
    CompileOptions options;
    options.checkpoint = directory;
    options.precision = bound.precision;
    CompiledModel compiled(options);
    auto device = compiled.open(2, 32);
    ASSERT_NE(device, nullptr);
    Sequences sequence(*device, 1, 32);
    sequence.step({{0, expected["prompts"][0]["ids"].get<std::vector<int32_t>>()}});
    const std::vector<float> &values = sequence.logits(0);
    ASSERT_EQ(values.size() * sizeof(float), entry->bytes());
    double largest = 0;
    for (size_t i = 0; i < values.size(); ++i)
      largest = std::max(largest, std::abs(double(values[i]) - logits[i]));
    EXPECT_LT(largest, bound.absolute) << bound.precision;
    EXPECT_LT(relativeError(values, logits), bound.relative) << bound.precision;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TrainedModel,
                         testing::Values("stories260k", "tiny-llama", "tiny-falcon"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });
