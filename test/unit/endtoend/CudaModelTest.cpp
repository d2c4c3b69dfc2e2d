//===- CudaModelTest.cpp - Emitted CUDA source, executed, against references ------------------===//
//
// Every golden model, compiled for each architecture and precision, and run: on the emulated device
// with all of its checks, and on a card where there is one (the tests of the label `gpu`).
//
//===------------------------------------------------------------------------------------------===//

#include "EndToEnd.h"

#include "runtime/check/Check.h"
#include "runtime/devices/cuda/CardDriver.h"
#include "support/Files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <tuple>
#include <unistd.h>

using namespace llmopt;

namespace {
struct Case {
  std::string device, model, arch, precision;
};

void PrintTo(const Case &parameter, std::ostream *out) {
  *out << parameter.model << ", " << parameter.precision << ", " << parameter.arch;
}

std::string testName(const testing::TestParamInfo<Case> &info) {
  std::string model = info.param.model.substr(info.param.model.rfind('/') + 1);
  std::string name =
      (model.empty() ? "at_" : model + "_") + info.param.precision + "_" + info.param.arch;
  std::replace_if(name.begin(), name.end(), [](char c) { return c == '-'; }, '_');
  return name;
}

/// While it lives, the blocks of a grid and the threads of a block run in an order of `seed`; 0:
/// rising. Cards have an order of their own.
class BlockOrder {
public:
  explicit BlockOrder(int seed) {
    ::setenv("LLMOPT_EMULATOR_SEED", std::to_string(seed).c_str(), 1);
  }
  ~BlockOrder() { ::unsetenv("LLMOPT_EMULATOR_SEED"); }
};

/// Whether code for `arch` runs on the card that there is; "" if so, else why not.
std::string whyNotOnCard(const std::string &arch) {
  static const auto driver = openCardDriver(/*threads=*/1);
  if (!driver)
    return driver.error().message();
  int have = (*driver)->card().major * 10 + (*driver)->card().minor;
  bool runs = arch == "sm_90a" ? have == 90 : have >= 80;
  return runs ? "" : fmt::format("the card is sm_{}, not {}", have, arch);
}

/// Skips where the case's device is a card that is not there.
class OnDevice : public testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    if (GetParam().device != "cuda")
      return;
    if (std::string reason = whyNotOnCard(GetParam().arch); !reason.empty())
      GTEST_SKIP() << reason;
  }

  static CompileOptions options() {
    CompileOptions options;
    options.checkpoint = GetParam().model;
    options.target = "cuda";
    options.arch = GetParam().arch;
    options.precision = GetParam().precision;
    return options;
  }
};

class CudaModel : public OnDevice {};
class CudaTrainedModel : public OnDevice {
protected:
  void SetUp() override {
    OnDevice::SetUp();
    if (!std::filesystem::exists(GetParam().model))
      GTEST_SKIP() << "the trained checkpoints are not beside this repository";
  }
};
class CudaInvariance : public OnDevice {};
class CudaLongInvariance : public OnDevice {};
class CudaLongContext : public OnDevice {};
class CudaPersistent : public OnDevice {
protected:
  static CompileOptions options() {
    CompileOptions options = OnDevice::options();
    options.launch = "persistent";
    return options;
  }
};

/// Logits, greedy and sampled continuations of a compiled golden model (runtime/check).
void expectRight(const CompiledModel &compiled, int64_t newTokens, const std::string &launch = "") {
  CheckOptions check;
  check.device.launch = launch;
  check.artifact = compiled.path();
  check.goldens = testing::WithParamInterface<Case>::GetParam().model;
  check.newTokens = newTokens;
  check.device.device = testing::WithParamInterface<Case>::GetParam().device;
  check.device.threads = 2;
  check.device.quiet = true;
  auto result = runCheck(check);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->failures(), std::vector<std::string>());
}
} // namespace

TEST_P(CudaTrainedModel, MatchesItsGoldens) {
  // The goldens of the tiny models have had all kernels watched.
  ::setenv("LLMOPT_EMULATOR_CHECKS", "0", 1);
  expectRight(CompiledModel(options()), /*newTokens=*/1);
  ::unsetenv("LLMOPT_EMULATOR_CHECKS");
}

TEST_P(CudaModel, MatchesItsGoldensInTwoBlockOrders) {
  CompiledModel compiled(options());
  for (int seed : {0, 7}) {
    BlockOrder order(seed);
    SCOPED_TRACE("order of seed " + std::to_string(seed));
    expectRight(compiled, /*newTokens=*/seed ? 1 : 3);
  }
}

/// Decode steps of one kernel, whose blocks wait for each other's tiles.
TEST_P(CudaPersistent, MatchesItsGoldensInTwoBlockOrders) {
  CompiledModel compiled(options());
  for (int seed : {0, 3}) {
    BlockOrder order(seed);
    SCOPED_TRACE("order of seed " + std::to_string(seed));
    expectRight(compiled, /*newTokens=*/seed ? 1 : 3, "persistent");
  }
}

/// Sequences of so many tokens: the bits that each has alone, in one step, it has beside the
/// others in chunks.
static void expectInvariant(const CompiledModel &compiled, const std::vector<int64_t> &lengths) {
  const auto count = static_cast<int32_t>(lengths.size());
  auto device = compiled.open(2, 1, testing::WithParamInterface<Case>::GetParam().device);
  ASSERT_NE(device, nullptr);
  const Manifest &manifest = device->artifact().manifest;
  EXPECT_TRUE(manifest.batchInvariant);
  const int64_t pagesEach = (manifest.contextLength + 15) / 16;
  ASSERT_TRUE(device->allocateCache(Sequences::pages(count, pagesEach)));

  std::mt19937 random(7);
  std::vector<std::vector<int32_t>> texts;
  for (int64_t length : lengths) {
    texts.emplace_back(std::min<int64_t>(length, manifest.contextLength));
    for (int32_t &token : texts.back())
      token = int32_t(random() % uint32_t(manifest.vocabularySize));
  }
  Sequences alone(*device, count, pagesEach);
  for (int32_t s = 0; s < count; ++s)
    alone.step({{s, texts[size_t(s)]}});
  ASSERT_TRUE(device->allocateCache(Sequences::pages(count, pagesEach)));
  Sequences mixed(*device, count, pagesEach);
  feedMixed(mixed, texts, random);
  for (int32_t s = 0; s < count; ++s)
    EXPECT_TRUE(sameBits(mixed.logits(s), alone.logits(s)))
        << "sequence " << s << " of " << texts[size_t(s)].size() << " tokens";
}

TEST_P(CudaInvariance, BitsDoNotDependOnBatchOrChunks) {
  CompileOptions options = this->options();
  options.batchInvariant = true;
  CompiledModel compiled(options);
  expectRight(compiled, /*newTokens=*/1);
  expectInvariant(compiled, {50, 1, 21});
}

/// Steps of hundreds of rows, and keys in several parts.
TEST_P(CudaLongInvariance, BitsDoNotDependOnBatchOrChunks) {
  CompileOptions options = this->options();
  const std::string config = testing::TempDir() + "/long-" + std::to_string(::getpid()) + ".json";
  ASSERT_TRUE(writeFile(config, R"({"model_type": "llama", "hidden_size": 32,
    "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "intermediate_size": 64, "vocab_size": 48, "rms_norm_eps": 1e-5, "hidden_act": "silu",
    "max_position_embeddings": 1024})"));
  options.checkpoint = config;
  options.randomWeights = true;
  options.batchInvariant = true;
  CompiledModel compiled(options);
  std::filesystem::remove(config);
  expectInvariant(compiled, {300, 1, 140});
}

/// Every sequence's logits: all but its last token in one step, then those of all in one, a decode.
static std::vector<std::vector<float>>
prefillAndDecode(const CompiledModel &compiled, const std::string &device,
                 const std::vector<std::vector<int32_t>> &texts) {
  const auto count = static_cast<int32_t>(texts.size());
  constexpr int64_t pagesEach = 24;
  auto opened = compiled.open(2, Sequences::pages(count, pagesEach), device);
  Sequences sequences(*opened, count, pagesEach);
  std::vector<Run> prefill, decode;
  for (int32_t s = 0; s < count; ++s) {
    const std::vector<int32_t> &text = texts[size_t(s)];
    prefill.push_back({s, {text.begin(), text.end() - 1}});
    decode.push_back({s, {text.back()}});
  }
  sequences.step(prefill);
  sequences.step(decode);
  std::vector<std::vector<float>> logits;
  for (int32_t s = 0; s < count; ++s)
    logits.push_back(sequences.logits(s));
  return logits;
}

/// While it lives, so many blocks run on the emulated device at once. Cards have a number of their
/// own.
class ResidentBlocks {
public:
  explicit ResidentBlocks(int count) {
    ::setenv("LLMOPT_EMULATOR_BLOCKS", std::to_string(count).c_str(), 1);
  }
  ~ResidentBlocks() { ::unsetenv("LLMOPT_EMULATOR_BLOCKS"); }
};

/// Keys in several parts, a group of more heads than a tile of few rows takes, more decodes than
/// few: against float32 on the CPU.
TEST_P(CudaLongContext, DecodesAndPrefillsAgreeWithTheCpu) {
  const std::string config = testing::TempDir() + "/parts-" + std::to_string(::getpid()) + ".json";
  ASSERT_TRUE(writeFile(config, R"({"model_type": "llama", "hidden_size": 64,
    "num_hidden_layers": 1, "num_attention_heads": 20, "num_key_value_heads": 1, "head_dim": 16,
    "intermediate_size": 64, "vocab_size": 48, "rms_norm_eps": 1e-5, "hidden_act": "silu",
    "max_position_embeddings": 384})"));
  CompileOptions options = this->options();
  options.checkpoint = config;
  options.randomWeights = true;
  CompiledModel compiled(options);
  CompileOptions reference;
  reference.checkpoint = config;
  reference.randomWeights = true;
  CompiledModel exact(reference);
  ResidentBlocks resident(16);
  std::filesystem::remove(config);

  std::mt19937 random(11);
  std::vector<std::vector<int32_t>> texts;
  auto add = [&](int64_t length) {
    for (int32_t &token : texts.emplace_back(static_cast<size_t>(length)))
      token = int32_t(random() % 48);
  };
  for (int64_t length : {300, 2, 140})
    add(length);
  for (bool many : {false, true}) {
    SCOPED_TRACE(many ? "many sequences" : "few sequences");
    for (int i = 0; many && i < 15; ++i)
      add(2 + i);
    auto expected = prefillAndDecode(exact, "cpu", texts);
    auto logits = prefillAndDecode(compiled, GetParam().device, texts);
    for (size_t s = 0; s < texts.size(); ++s)
      EXPECT_LT(relativeError(logits[s], expected[s].data()),
                GetParam().precision == "32-true" ? 1e-5 : 2e-2)
          << "sequence " << s;
  }
}

//===- Cases ----------------------------------------------------------------------------------===//

static const char *const archs[] = {"sm_80", "sm_90a"};

/// Every family and kind in float32, float16 and bfloat16; two of them in the mixed precisions too.
static std::vector<Case> modelCases(const std::string &device) {
  std::vector<Case> cases;
  for (const char *arch : archs) {
    for (const std::string &model : goldenModels())
      for (const char *precision : {"32-true", "16-true", "bf16-true"})
        cases.push_back({device, goldenModel(model), arch, precision});
    for (const char *model : {"llama_gqa", "falcon_7b"})
      for (const char *precision : {"16-mixed", "bf16-mixed"})
        cases.push_back({device, goldenModel(model), arch, precision});
  }
  return cases;
}

/// Norms of both kinds, biases, one and several key-value heads, positions of every kind.
static std::vector<Case> persistentCases(const std::string &device) {
  std::vector<Case> cases;
  for (const char *model : {"llama_gqa", "falcon_7b"})
    for (auto [arch, precision] :
         {std::pair("sm_80", "32-true"), std::pair("sm_80", "bf16-true"),
          std::pair("sm_90a", "16-mixed"), std::pair("sm_90a", "bf16-true")})
      cases.push_back({device, goldenModel(model), arch, precision});
  for (auto [model, arch] : {std::pair("falcon_rw_alibi", "sm_90a"), std::pair("gpt2", "sm_90a"),
                             std::pair("gpt_neox", "sm_80"), std::pair("mistral_window", "sm_80")})
    cases.push_back({device, goldenModel(model), arch, "bf16-true"});
  return cases;
}

static std::vector<Case> trainedCases(const std::string &device) {
  std::vector<Case> cases;
  for (auto [model, arch, precision] : {std::tuple("stories260k", "sm_80", "32-true"),
                                        std::tuple("stories260k", "sm_90a", "bf16-true"),
                                        std::tuple("tiny-llama", "sm_80", "bf16-true"),
                                        std::tuple("tiny-llama", "sm_90a", "32-true"),
                                        std::tuple("tiny-falcon", "sm_80", "32-true"),
                                        std::tuple("tiny-falcon", "sm_90a", "bf16-true")})
    cases.push_back(
        {device, std::string(LLMOPT_SOURCE_DIR "/../shared/models/") + model, arch, precision});
  return cases;
}

static std::vector<Case> invarianceCases(const std::string &device) {
  std::vector<Case> cases;
  for (const char *arch : archs) {
    for (const char *precision : {"32-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed"})
      cases.push_back({device, goldenModel("llama_gqa"), arch, precision});
    for (const char *model : {"falcon_7b", "falcon_rw_alibi", "gpt2", "mistral_window"})
      cases.push_back({device, goldenModel(model), arch, "bf16-true"});
  }
  return cases;
}

/// Without a model of the tests' folder.
static std::vector<Case> longCases(const std::string &device) {
  std::vector<Case> cases;
  for (const char *arch : archs)
    for (const char *precision : {"32-true", "bf16-true", "16-mixed"})
      cases.push_back({device, "", arch, precision});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Emulated, CudaModel, testing::ValuesIn(modelCases("cuda-emulated")),
                         testName);
INSTANTIATE_TEST_SUITE_P(Emulated, CudaTrainedModel,
                         testing::ValuesIn(trainedCases("cuda-emulated")), testName);
INSTANTIATE_TEST_SUITE_P(Emulated, CudaInvariance,
                         testing::ValuesIn(invarianceCases("cuda-emulated")), testName);
INSTANTIATE_TEST_SUITE_P(Emulated, CudaLongInvariance,
                         testing::ValuesIn(longCases("cuda-emulated")), testName);
INSTANTIATE_TEST_SUITE_P(Emulated, CudaLongContext, testing::ValuesIn(longCases("cuda-emulated")),
                         testName);
INSTANTIATE_TEST_SUITE_P(Emulated, CudaPersistent,
                         testing::ValuesIn(persistentCases("cuda-emulated")), testName);
INSTANTIATE_TEST_SUITE_P(Card, CudaPersistent, testing::ValuesIn(persistentCases("cuda")),
                         testName);
INSTANTIATE_TEST_SUITE_P(Card, CudaLongContext, testing::ValuesIn(longCases("cuda")), testName);
INSTANTIATE_TEST_SUITE_P(Card, CudaLongInvariance, testing::ValuesIn(longCases("cuda")), testName);
INSTANTIATE_TEST_SUITE_P(Card, CudaModel, testing::ValuesIn(modelCases("cuda")), testName);
INSTANTIATE_TEST_SUITE_P(Card, CudaTrainedModel, testing::ValuesIn(trainedCases("cuda")), testName);
INSTANTIATE_TEST_SUITE_P(Card, CudaInvariance, testing::ValuesIn(invarianceCases("cuda")),
                         testName);
