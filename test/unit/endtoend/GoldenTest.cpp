//===- GoldenTest.cpp - Compiled models against transformers ----------------------------------===//
//
// A tiny random checkpoint of every family and kind (scripts/goldens/models.py), compiled and run.
//
//===------------------------------------------------------------------------------------------===//

#include "EndToEnd.h"

#include "support/Json.h"
#include "support/Safetensors.h"

#include <gtest/gtest.h>

using namespace llmopt;

namespace {
class CompiledGolden : public testing::TestWithParam<std::string> {
protected:
  /// The largest relative error over the prompts.
  static double error(const CompileOptions &options) {
    std::string directory = options.checkpoint;
    auto prompts = readJsonFile(directory + "/prompts.json");
    auto reference = SafetensorsFile::open(directory + "/logits.safetensors");
    EXPECT_TRUE(prompts && reference);
    CompiledModel compiled(options);
    double largest = 0;
    for (size_t i = 0; i < prompts->size(); ++i) {
      auto device = compiled.open(2, 4);
      if (!device)
        return HUGE_VAL;
      Sequences sequences(*device, 1, 4);
      sequences.step({{0, (*prompts)[i].get<std::vector<int32_t>>()}});
      const SafetensorsEntry *entry = reference->find("logits_" + std::to_string(i));
      EXPECT_EQ(entry->bytes(), sequences.logits(0).size() * sizeof(float));
      largest = std::max(largest,
                         relativeError(sequences.logits(0),
                                       reinterpret_cast<const float *>(reference->data(*entry))));
    }
    return largest;
  }
};
} // namespace

TEST_P(CompiledGolden, MatchesTransformersInFloat32) {
  CompileOptions options;
  options.checkpoint = goldenModel(GetParam());
  EXPECT_LT(error(options), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Models, CompiledGolden, testing::ValuesIn(goldenModels()),
                         [](const auto &info) { return info.param; });

/// Symbols of a module must not be taken from another module of the process.
TEST(CompiledModels, TwoOfThemInOneProcessDoNotMix) {
  CompileOptions options;
  options.checkpoint = goldenModel("llama_gqa");
  CompiledModel first(options);
  auto firstDevice = first.open(1, 4);
  ASSERT_NE(firstDevice, nullptr);
  options.checkpoint = goldenModel("falcon_7b");
  CompiledModel second(options);
  auto secondDevice = second.open(1, 4);
  ASSERT_NE(secondDevice, nullptr);
  auto prompts = readJsonFile(options.checkpoint + "/prompts.json");
  auto reference = SafetensorsFile::open(options.checkpoint + "/logits.safetensors");
  ASSERT_TRUE(prompts && reference);
  Sequences sequences(*secondDevice, 1, 4);
  sequences.step({{0, (*prompts)[0].get<std::vector<int32_t>>()}});
  const SafetensorsEntry *entry = reference->find("logits_0");
  EXPECT_LT(
      relativeError(sequences.logits(0), reinterpret_cast<const float *>(reference->data(*entry))),
      1e-4);
}

/// One model per kind of attention, unfused and in the other precisions.
class CompiledVariant : public CompiledGolden {};

TEST_P(CompiledVariant, MatchesUnfused) {
  CompileOptions options;
  options.checkpoint = goldenModel(GetParam());
  options.fuse = false;
  EXPECT_LT(error(options), 1e-4);
}

TEST_P(CompiledVariant, MatchesOnThePortablePath) {
  CompileOptions options;
  options.checkpoint = goldenModel(GetParam());
  options.cpu = "x86-64";
  EXPECT_LT(error(options), 1e-4);
}

TEST_P(CompiledVariant, LowerPrecisionsStayInTheirBounds) {
  // A few roundings of 2^-9 (bfloat16) or 2^-12 (float16) in each of the two or three layers.
  for (auto [precision, bound] : {std::pair("bf16-true", 3e-2), std::pair("16-true", 4e-3),
                                  std::pair("bf16-mixed", 2e-2), std::pair("16-mixed", 3e-3)}) {
    CompileOptions options;
    options.checkpoint = goldenModel(GetParam());
    options.precision = precision;
    double measured = error(options);
    EXPECT_LT(measured, bound) << precision;
    // And it is lower precision: an artifact that ignored the option would be closer.
    EXPECT_GT(measured, 1e-5) << precision;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, CompiledVariant,
                         testing::Values("llama_gqa", "falcon_7b", "falcon_rw_alibi", "gpt2"),
                         [](const auto &info) { return info.param; });
