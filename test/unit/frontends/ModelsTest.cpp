//===- ModelsTest.cpp - The published configs, with random weights ----------------------------===//

#include "frontends/Frontend.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

using namespace llmopt;
namespace fs = std::filesystem;

namespace {
struct Published {
  const char *name;
  int64_t parameters;
  int64_t context;
  std::vector<int64_t> stopTokens;
};
} // namespace

class PublishedConfig : public testing::TestWithParam<Published> {
protected:
  void SetUp() override {
    path =
        fs::path(LLMOPT_SOURCE_DIR) / "models/configs" / (std::string(GetParam().name) + ".json");
    ImportOptions options;
    options.randomWeights = true;
    options.seed = 7;
    Result<ImportedModel> result = importHuggingFace(context, path.string(), options);
    ASSERT_TRUE(result) << result.error().message();
    model = *std::move(result);
  }

  fs::path path;
  mlir::MLIRContext context;
  ImportedModel model;
};

TEST_P(PublishedConfig, HasAsManyParametersAsThePublishedModel) {
  EXPECT_EQ(model.parameters, GetParam().parameters);
  EXPECT_EQ(model.source, nullptr);
}

TEST_P(PublishedConfig, TellsTheRuntimeContextAndStopTokens) {
  auto config = (*model.module)->getAttrOfType<mlir::DictionaryAttr>("llm.config");
  EXPECT_EQ(mlir::cast<mlir::IntegerAttr>(config.get("context_length")).getInt(),
            GetParam().context);
  EXPECT_EQ(mlir::cast<mlir::DenseI64ArrayAttr>(config.get("stop_tokens")).asArrayRef(),
            llvm::ArrayRef<int64_t>(GetParam().stopTokens));
}

TEST_P(PublishedConfig, GivesEveryRandomWeightASeedOfItsOwn) {
  std::set<int64_t> seeds;
  model.module->walk([&](mlir::Operation *op) {
    if (op->getName().getStringRef() != "llm.random")
      return;
    EXPECT_TRUE(seeds.insert(op->getAttrOfType<mlir::IntegerAttr>("seed").getInt()).second);
  });
  EXPECT_GT(seeds.size(), 20u);
}

INSTANTIATE_TEST_SUITE_P(Models, PublishedConfig,
                         testing::Values(Published{"falcon-7b", 6921720704, 2048, {11}},
                                         Published{"falcon-40b", 41303293952, 2048, {11}},
                                         Published{"llama-7b", 6738415616, 2048, {2}},
                                         Published{"llama-30b", 32528943616, 2048, {2}},
                                         Published{"llama-3.2-1b", 1235814400, 131072, {128001}},
                                         Published{"llama-3.1-8b", 8030261248, 131072, {128001}},
                                         Published{"tinyllama-1.1b", 1100048384, 2048, {2}},
                                         Published{"gpt2", 124439808, 1024, {50256}},
                                         Published{"gpt-neox-20b", 20554567680, 2048, {0}}),
                         [](const auto &info) {
                           std::string name = info.param.name;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !std::isalnum(c); },
                               '_');
                           return name;
                         });
