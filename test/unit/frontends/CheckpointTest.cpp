//===- CheckpointTest.cpp - Directories as they should and should not be ----------------------===//

#include "frontends/Checkpoint.h"
#include "frontends/Frontend.h"

#include "support/Files.h"

#include "mlir/IR/MLIRContext.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

using namespace llmopt;
namespace fs = std::filesystem;

namespace {
/// A copy of a golden checkpoint that a test may spoil.
class CheckpointTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "llmopt-checkpoint-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory = pattern;
  }
  void TearDown() override { fs::remove_all(directory); }

  void copy(const char *golden) {
    fs::copy(fs::path(LLMOPT_SOURCE_DIR) / "test/goldens/models" / golden, directory,
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  }
  std::string path(const char *file) const { return (directory / file).string(); }
  void write(const char *file, const std::string &content) {
    ASSERT_TRUE(writeFile(path(file), content));
  }
  std::string contentOf(const char *file) {
    Result<std::string> content = readFile(path(file));
    return content ? *content : std::string();
  }
  Json read(const char *file) { return *readJsonFile(path(file)); }
  void truncate(const char *file, uint64_t missing) {
    fs::resize_file(path(file), fs::file_size(path(file)) - missing);
  }
  /// Replaces text in a file by text of the same length.
  void replace(const char *file, const std::string &from, const std::string &to) {
    std::string content = contentOf(file);
    size_t at = content.find(from);
    ASSERT_NE(at, std::string::npos);
    write(file, content.replace(at, from.size(), to));
  }

  std::string importError(const ImportOptions &options = {}) {
    mlir::MLIRContext context;
    Result<ImportedModel> model = importHuggingFace(context, directory.string(), options);
    return model ? "" : model.error().message();
  }

  fs::path directory;
};
} // namespace

TEST_F(CheckpointTest, SingleAndShardedFilesAreRead) {
  copy("llama_gqa");
  EXPECT_EQ(importError(), "");
  fs::remove(path("model.safetensors"));
  copy("llama_mha");
  EXPECT_EQ(importError(), "");
}

TEST_F(CheckpointTest, RefusesADirectoryThatDoesNotExist) {
  fs::remove_all(directory);
  EXPECT_EQ(importError(), directory.string() + " does not exist");
}

TEST_F(CheckpointTest, RefusesADirectoryWithoutConfig) {
  EXPECT_EQ(importError(),
            directory.string() + " has no config.json, so it is no Hugging Face checkpoint");
}

TEST_F(CheckpointTest, RefusesAFileAsCheckpoint) {
  copy("llama_gqa");
  directory /= "config.json";
  EXPECT_EQ(importError(), directory.string() +
                               " is a file, and a checkpoint is a directory with config.json and "
                               "safetensors (a config alone compiles with random weights)");
  directory = directory.parent_path();
}

TEST_F(CheckpointTest, RefusesADirectoryWithoutWeights) {
  copy("llama_gqa");
  fs::remove(path("model.safetensors"));
  EXPECT_EQ(importError(),
            directory.string() + " has neither model.safetensors nor model.safetensors.index.json");
}

TEST_F(CheckpointTest, AConfigAloneIsEnoughForRandomWeights) {
  copy("llama_gqa");
  fs::remove(path("model.safetensors"));
  ImportOptions options;
  options.randomWeights = true;
  EXPECT_EQ(importError(options), "");
}

TEST_F(CheckpointTest, SaysThatPickledWeightsAreNotRead) {
  copy("llama_gqa");
  fs::rename(path("model.safetensors"), path("pytorch_model.bin"));
  EXPECT_EQ(importError(),
            directory.string() +
                " has PyTorch's pickled weights only, and only safetensors are read");
}

TEST_F(CheckpointTest, RefusesATruncatedFile) {
  copy("llama_gqa");
  truncate("model.safetensors", 100);
  EXPECT_THAT(importError(),
              testing::AllOf(testing::StartsWith(path("model.safetensors") + ": tensor"),
                             testing::HasSubstr("lie outside the file's")));
}

TEST_F(CheckpointTest, RefusesATruncatedShard) {
  copy("llama_mha");
  truncate("model-00002-of-00004.safetensors", 1);
  EXPECT_THAT(importError(),
              testing::AllOf(testing::HasSubstr("model-00002-of-00004.safetensors: tensor"),
                             testing::HasSubstr("lie outside the file's")));
}

TEST_F(CheckpointTest, RefusesAnIndexThatNamesAMissingShard) {
  copy("llama_mha");
  fs::remove(path("model-00002-of-00004.safetensors"));
  EXPECT_EQ(importError(), path("model.safetensors.index.json") + " names the shard " +
                               path("model-00002-of-00004.safetensors") + ", which does not exist");
}

TEST_F(CheckpointTest, RefusesAnIndexThatMapsATensorToTheWrongShard) {
  copy("llama_mha");
  Json index = read("model.safetensors.index.json");
  index["weight_map"]["lm_head.weight"] = "model-00002-of-00004.safetensors";
  write("model.safetensors.index.json", index.dump());
  EXPECT_EQ(importError(),
            path("model.safetensors.index.json") + " maps tensor 'lm_head.weight' to " +
                path("model-00002-of-00004.safetensors") + ", which does not have it");
}

TEST_F(CheckpointTest, RefusesAnIndexThatLeavesItsDirectory) {
  copy("llama_mha");
  Json index = read("model.safetensors.index.json");
  index["weight_map"]["lm_head.weight"] = "../model.safetensors";
  write("model.safetensors.index.json", index.dump());
  EXPECT_EQ(importError(),
            path("model.safetensors.index.json") +
                ": tensor 'lm_head.weight' is mapped to '../model.safetensors', which "
                "is not a plain file name");
}

TEST_F(CheckpointTest, RefusesAnIndexWithoutAMap) {
  copy("llama_mha");
  write("model.safetensors.index.json", "{}");
  EXPECT_EQ(importError(),
            path("model.safetensors.index.json") + ": field 'weight_map' is missing");
}

TEST_F(CheckpointTest, RefusesAShapeThatContradictsTheConfig) {
  copy("llama_gqa");
  Json config = read("config.json");
  config["intermediate_size"] = 60;
  write("config.json", config.dump());
  EXPECT_EQ(importError(), path("model.safetensors") +
                               ": tensor 'model.layers.0.mlp.gate_proj.weight' has shape [56, 32], "
                               "but the config gives [60, 32]");
}

TEST_F(CheckpointTest, RefusesAMissingTensor) {
  copy("llama_gqa");
  replace("model.safetensors", "model.layers.1.mlp.up_proj.weight",
          "model.layers.1.mlp.up_prox.weight");
  EXPECT_EQ(importError(),
            directory.string() + " has no tensor 'model.layers.1.mlp.up_proj.weight'");
}

TEST_F(CheckpointTest, RefusesATensorThatTheModelDoesNotHave) {
  copy("llama_gqa");
  Json config = read("config.json");
  config["num_hidden_layers"] = 1;
  write("config.json", config.dump());
  EXPECT_EQ(importError(),
            directory.string() +
                " holds tensor 'model.layers.1.input_layernorm.weight', which a model "
                "of its config.json does not have");
}

TEST_F(CheckpointTest, RefusesATypeThatIsNoFloat) {
  copy("llama_gqa");
  replace("model.safetensors", "\"BF16\"", "\"I16\" ");
  EXPECT_THAT(importError(),
              testing::HasSubstr("is of type I16, and only F32, F16 and BF16 are read"));
}

TEST_F(CheckpointTest, FindsTheTensorsOfABaseModelSavedAlone) {
  copy("gpt2");
  // The same file with "transformer." taken from every name; the header is padded to its length.
  std::string content = contentOf("model.safetensors");
  ASSERT_GT(content.size(), 8u);
  uint64_t headerBytes;
  std::memcpy(&headerBytes, content.data(), 8);
  std::string header = content.substr(8, headerBytes);
  const std::string prefix = "transformer.";
  for (size_t at; (at = header.find(prefix)) != std::string::npos;)
    header.erase(at, prefix.size());
  header.resize(headerBytes, ' ');
  write("model.safetensors", content.replace(8, headerBytes, header));
  EXPECT_EQ(importError(), "");
}

TEST_F(CheckpointTest, StopTokensOfTheGenerationConfigCount) {
  copy("llama_gqa");
  write("generation_config.json", R"({"eos_token_id": [4, 9]})");
  mlir::MLIRContext context;
  Result<ImportedModel> model = importHuggingFace(context, directory.string());
  ASSERT_TRUE(model) << model.error().message();
  auto config = (*model->module)->getAttrOfType<mlir::DictionaryAttr>("llm.config");
  EXPECT_EQ(mlir::cast<mlir::DenseI64ArrayAttr>(config.get("stop_tokens")).asArrayRef(),
            llvm::ArrayRef<int64_t>({4, 9}));
}

TEST_F(CheckpointTest, ABrokenGenerationConfigIsAnError) {
  copy("llama_gqa");
  write("generation_config.json", "{");
  EXPECT_EQ(importError(),
            path("generation_config.json") + " is not valid JSON: it ends too early");
}
