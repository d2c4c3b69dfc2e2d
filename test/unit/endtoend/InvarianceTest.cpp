//===- InvarianceTest.cpp - A sequence's logits do not depend on its company ------------------===//
//
// Sequences of different lengths, fed in random chunks beside each other, with any number of
// threads, must give bit for bit what each gives alone in one prefill.
//
//===------------------------------------------------------------------------------------------===//

#include "EndToEnd.h"

#include <gtest/gtest.h>

#include <random>

using namespace llmopt;

namespace {
struct Case {
  const char *name;
  std::string checkpoint;
  const char *precision;
  const char *cpu;
};

void PrintTo(const Case &parameter, std::ostream *out) { *out << parameter.name; }

class Invariance : public testing::TestWithParam<Case> {};
} // namespace

TEST_P(Invariance, BitsDoNotDependOnBatchChunksOrThreads) {
  CompileOptions options;
  options.checkpoint = GetParam().checkpoint;
  options.precision = GetParam().precision;
  options.cpu = GetParam().cpu;
  CompiledModel compiled(options);
  auto device = compiled.open(1, 64);
  ASSERT_NE(device, nullptr);
  const Manifest &manifest = device->artifact().manifest;
  const int64_t pagesEach = (manifest.contextLength + 15) / 16;
  constexpr int32_t count = 6;
  ASSERT_TRUE(device->allocateCache(Sequences::pages(count, pagesEach)));

  std::mt19937 random(7);
  std::vector<std::vector<int32_t>> texts(count);
  for (auto &text : texts) {
    text.resize(1 + random() % std::min<int64_t>(manifest.contextLength, 160));
    for (int32_t &token : text)
      token = int32_t(random() % uint32_t(manifest.vocabularySize));
  }
  Sequences alone(*device, count, pagesEach);
  for (int32_t s = 0; s < count; ++s)
    alone.step({{s, texts[size_t(s)]}});

  for (int threads : {1, 2, 3, 5}) {
    auto other = compiled.open(threads, Sequences::pages(count, pagesEach));
    ASSERT_NE(other, nullptr);
    Sequences mixed(*other, count, pagesEach);
    feedMixed(mixed, texts, random);
    for (int32_t s = 0; s < count; ++s)
      EXPECT_TRUE(sameBits(mixed.logits(s), alone.logits(s)))
          << "sequence " << s << " of " << texts[size_t(s)].size() << " tokens, " << threads
          << " threads";
  }
}

static const std::string tinyLlama = LLMOPT_SOURCE_DIR "/models/tiny-llama";

INSTANTIATE_TEST_SUITE_P(
    Models, Invariance,
    testing::Values(Case{"TinyLlama32", tinyLlama, "32-true", "native"},
                    Case{"TinyLlamaBf16", tinyLlama, "bf16-true", "native"},
                    Case{"TinyLlamaF16", tinyLlama, "16-true", "native"},
                    Case{"TinyLlamaMixed", tinyLlama, "bf16-mixed", "native"},
                    Case{"TinyLlamaAvx2", tinyLlama, "bf16-true", "x86-64-v3"},
                    Case{"TinyLlamaPortable", tinyLlama, "16-mixed", "x86-64"},
                    Case{"FalconMultiQuery", goldenModel("falcon_7b"), "bf16-true", "native"},
                    Case{"FalconAlibi", goldenModel("falcon_rw_alibi"), "32-true", "native"},
                    Case{"Gpt2", goldenModel("gpt2"), "32-true", "native"},
                    Case{"MistralWindow", goldenModel("mistral_window"), "16-true", "native"}),
    [](const auto &info) { return info.param.name; });
