//===- GoldenTest.cpp - Imported models, interpreted, against transformers --------------------===//
//
// test/goldens/models holds a tiny random checkpoint of every family and kind with the logits that
// transformers computes for two prompts (scripts/goldens/models.py).
//
//===------------------------------------------------------------------------------------------===//

#include "frontends/Frontend.h"

#include "ir/interpreter/Interpreter.h"
#include "support/Json.h"
#include "support/Safetensors.h"

#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

using namespace llmopt;
namespace fs = std::filesystem;

/// The relative error of a whole tensor, in the Euclidean norm.
static double relativeError(const std::vector<double> &values, const float *reference) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    difference += (values[i] - reference[i]) * (values[i] - reference[i]);
    norm += double(reference[i]) * reference[i];
  }
  return std::sqrt(difference / norm);
}

namespace {
/// A checkpoint, imported and ready to be interpreted in float32.
struct Model {
  mlir::MLIRContext context;
  ImportedModel imported;
  std::unique_ptr<Interpreter> interpreter;

  void open(const fs::path &directory) {
    Result<ImportedModel> result = importHuggingFace(context, directory.string());
    ASSERT_TRUE(result) << result.error().message();
    imported = *std::move(result);
    Result<Interpreter> created = Interpreter::create(*imported.module, imported.source.get());
    ASSERT_TRUE(created) << created.error().message();
    interpreter = std::make_unique<Interpreter>(*std::move(created));
  }

  std::vector<double> logits(const RaggedBatch &batch, KvState &cache) {
    Result<Interpreter::Logits> logits = interpreter->step(batch, cache);
    EXPECT_TRUE(logits) << logits.error().message();
    return logits ? logits->values : std::vector<double>();
  }
};

class Golden : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    directory = fs::path(LLMOPT_SOURCE_DIR) / "test/goldens/models" / GetParam();
    model.open(directory);
    Result<Json> json = readJsonFile((directory / "prompts.json").string());
    ASSERT_TRUE(json) << json.error().message();
    prompts = json->get<std::vector<std::vector<int32_t>>>();
    Result<SafetensorsFile> file =
        SafetensorsFile::open((directory / "logits.safetensors").string());
    ASSERT_TRUE(file) << file.error().message();
    reference = std::move(*file);
  }

  const float *expected(size_t prompt) {
    const SafetensorsEntry *entry = reference->find(fmt::format("logits_{}", prompt));
    return reinterpret_cast<const float *>(reference->data(*entry));
  }

  fs::path directory;
  Model model;
  std::vector<std::vector<int32_t>> prompts;
  std::optional<SafetensorsFile> reference;
};
} // namespace

TEST_P(Golden, LogitsAreThoseOfTransformers) {
  for (size_t i = 0; i < prompts.size(); ++i) {
    KvState cache;
    std::vector<double> logits = model.logits(RaggedBatch::prompt(0, prompts[i]), cache);
    double error = relativeError(logits, expected(i));
    RecordProperty(fmt::format("relative_error_{}", i), fmt::format("{:.2g}", error));
    EXPECT_LT(error, 1e-5);
  }
}

TEST_P(Golden, TokenByTokenGivesTheSameLogits) {
  KvState cache;
  std::vector<double> logits;
  for (size_t position = 0; position < prompts[0].size(); ++position) {
    RaggedBatch batch;
    batch.append(0, static_cast<int32_t>(position), {prompts[0][position]});
    std::vector<double> row = model.logits(batch, cache);
    logits.insert(logits.end(), row.begin(), row.end());
  }
  KvState whole;
  EXPECT_EQ(logits, model.logits(RaggedBatch::prompt(0, prompts[0]), whole));
}

static std::vector<std::string> goldenNames() {
  std::vector<std::string> names;
  for (const auto &entry :
       fs::directory_iterator(fs::path(LLMOPT_SOURCE_DIR) / "test/goldens/models"))
    if (entry.is_directory())
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::ValuesIn(goldenNames()),
                         [](const auto &info) { return info.param; });

//===- The trained models beside the repository -----------------------------------------------===//

class SharedModel : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    directory = fs::path(LLMOPT_SOURCE_DIR) / "../shared/models" / GetParam();
    if (!fs::exists(directory))
      GTEST_SKIP() << directory << " is not here";
    model.open(directory);
    Result<Json> json = readJsonFile((directory / "expected.json").string());
    ASSERT_TRUE(json) << json.error().message();
    prompts = (*json)["prompts"];
  }

  fs::path directory;
  Model model;
  Json prompts;
};

TEST_P(SharedModel, LogitsOfTheFirstPromptAreThePublishedOnes) {
  Result<SafetensorsFile> file = SafetensorsFile::open((directory / "logits.safetensors").string());
  ASSERT_TRUE(file) << file.error().message();
  const float *expected = reinterpret_cast<const float *>(file->data(*file->find("logits")));
  KvState cache;
  std::vector<double> logits =
      model.logits(RaggedBatch::prompt(0, prompts[0]["ids"].get<std::vector<int32_t>>()), cache);
  double worst = 0;
  for (size_t i = 0; i < logits.size(); ++i)
    worst = std::max(worst, std::abs(logits[i] - expected[i]));
  EXPECT_LT(worst, 1e-3);
}

TEST_P(SharedModel, GreedyContinuationIsThePublishedOne) {
  std::vector<int32_t> ids = prompts[0]["ids"].get<std::vector<int32_t>>();
  std::vector<int32_t> greedy = prompts[0]["greedy"].get<std::vector<int32_t>>();
  KvState cache;
  RaggedBatch batch;
  batch.append(0, 0, ids, /*wanted=*/false);
  batch.rows = {static_cast<int32_t>(ids.size()) - 1};
  std::vector<int32_t> made;
  while (made.size() < greedy.size()) {
    std::vector<double> logits = model.logits(batch, cache);
    ASSERT_FALSE(logits.empty());
    auto best = std::max_element(logits.begin(), logits.end());
    made.push_back(static_cast<int32_t>(best - logits.begin()));
    batch = RaggedBatch();
    batch.append(0, static_cast<int32_t>(ids.size() + made.size()) - 1, {made.back()});
  }
  EXPECT_EQ(made, greedy);
}

INSTANTIATE_TEST_SUITE_P(Models, SharedModel,
                         testing::Values("stories260k", "tiny-llama", "tiny-falcon"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });
