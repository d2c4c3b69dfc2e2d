//===- InvarianceTest.cpp - A sequence's logits do not depend on its company ------------------===//
//
// Sequences of different lengths, fed in random chunks beside each other, with any number of
// threads, must give bit for bit what each gives alone in one prefill.
//
//===------------------------------------------------------------------------------------------===//

#include "EndToEnd.h"

#include <gtest/gtest.h>

#include <cstring>
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

/// The sequences in chunks of 1 to 40 tokens, some waiting in some steps.
void feedMixed(Sequences &sequences, const std::vector<std::vector<int32_t>> &texts,
               std::mt19937 &random) {
  std::vector<size_t> done(texts.size());
  for (bool more = true; more;) {
    more = false;
    std::vector<Run> runs;
    for (size_t s = 0; s < texts.size(); ++s) {
      size_t left = texts[s].size() - done[s];
      more |= left > 0;
      if (left == 0 || random() % 4 == 0)
        continue;
      // Every other chunk is one token: a decode step beside the prefills.
      size_t count = std::min<size_t>(left, random() % 2 ? 1 : 1 + random() % 40);
      runs.push_back(
          {int32_t(s),
           {texts[s].begin() + long(done[s]), texts[s].begin() + long(done[s] + count)}});
      done[s] += count;
    }
    if (!runs.empty())
      sequences.step(runs);
  }
}
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
    for (int32_t s = 0; s < count; ++s) {
      ASSERT_EQ(mixed.logits(s).size(), alone.logits(s).size());
      EXPECT_EQ(std::memcmp(mixed.logits(s).data(), alone.logits(s).data(),
                            alone.logits(s).size() * sizeof(float)),
                0)
          << "sequence " << s << " of " << texts[size_t(s)].size() << " tokens, " << threads
          << " threads";
    }
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
