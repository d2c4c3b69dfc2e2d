//===- BadFilesTest.cpp - Files that are broken or lie ----------------------------------------===//

#include "Goldens.h"

#include "runtime/tokenizer/GgufTokenizer.h"
#include "runtime/tokenizer/SentencePiece.h"
#include "runtime/tokenizer/TokenizerJson.h"
#include "support/Files.h"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>

using namespace llmopt;
using namespace llmopt::test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

template <typename Loaded> std::string errorOf(const Loaded &loaded) {
  return loaded ? std::string() : loaded.error().message();
}

std::string jsonError(const std::string &text) {
  return errorOf(parseTokenizerJson(text, {}, "t.json"));
}

/// A small byte-level file to break.
Json goodJson() {
  return Json::parse(R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2},
                                   "merges": ["a b"]}})");
}

std::string goldenBytes(const std::string &file) {
  auto bytes = readFile(goldensFolder() + "/" + file);
  EXPECT_TRUE(bytes) << bytes.error().message();
  return bytes ? *bytes : std::string();
}

TEST(BadFiles, MissingDirectory) {
  EXPECT_EQ(errorOf(loadTokenizer("/nowhere/at/all")),
            "/nowhere/at/all is neither a directory nor a file");
}

TEST(BadFiles, DirectoryWithoutTokenizer) {
  EXPECT_THAT(errorOf(loadTokenizer(goldensFolder())),
              HasSubstr("has neither tokenizer.json nor tokenizer.model"));
}

TEST(BadFiles, FileThatIsNoGguf) {
  EXPECT_THAT(errorOf(loadTokenizer(goldensFolder() + "/texts.json")),
              HasSubstr("texts.json is not a GGUF file"));
}

TEST(BadFiles, JsonThatIsNone) { EXPECT_THAT(jsonError("{\"model\""), HasSubstr("t.json")); }

TEST(BadFiles, JsonWithoutModel) { EXPECT_EQ(jsonError("{}"), "t.json: field 'model' is missing"); }

TEST(BadFiles, JsonWithAnUnknownModel) {
  Json json = goodJson();
  json["model"]["type"] = "WordPiece";
  EXPECT_THAT(jsonError(json.dump()), AllOf(StartsWith("t.json: "), HasSubstr("WordPiece")));
}

TEST(BadFiles, JsonWithAMergeOfMissingTokens) {
  Json json = goodJson();
  json["model"]["merges"].push_back("ab c");
  EXPECT_THAT(jsonError(json.dump()), HasSubstr("merge 1 (\"ab\" with \"c\")"));
}

TEST(BadFiles, JsonWithAnIdFarBeyondTheVocabulary) {
  Json json = goodJson();
  json["model"]["vocab"]["ab"] = 2000000000;
  EXPECT_THAT(jsonError(json.dump()), HasSubstr("\"ab\" has the id 2000000000"));
}

TEST(BadFiles, JsonWithDropout) {
  Json json = goodJson();
  json["model"]["dropout"] = 0.1;
  EXPECT_THAT(jsonError(json.dump()), HasSubstr("dropout"));
}

TEST(BadFiles, JsonWithUnknownParts) {
  for (const char *part : {"normalizer", "pre_tokenizer", "decoder", "post_processor"}) {
    Json json = goodJson();
    json[part] = {{"type", "Fancy"}};
    EXPECT_THAT(jsonError(json.dump()), HasSubstr("\"Fancy\" is not supported")) << part;
  }
}

TEST(BadFiles, JsonWhoseTemplateNamesAMissingId) {
  Json json = goodJson();
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "x"}}}}, {{"Sequence", {{"id", "A"}}}}}},
      {"special_tokens", {{"x", {{"ids", {77}}}}}}};
  EXPECT_THAT(jsonError(json.dump()), HasSubstr("77"));
}

TEST(BadFiles, GgufCutShortAnywhere) {
  std::string bytes = goldenBytes("gpt2/vocabulary.gguf");
  for (size_t size = 0; size < bytes.size(); size += size < 400 ? 1 : 97) {
    std::string error =
        errorOf(parseGgufTokenizer(std::string_view(bytes).substr(0, size), "t.gguf"));
    EXPECT_THAT(error, HasSubstr("t.gguf")) << size;
  }
}

TEST(BadFiles, GgufWithLyingCounts) {
  std::string bytes = goldenBytes("gpt2/vocabulary.gguf");
  uint64_t huge = UINT64_MAX;
  for (size_t at : {8u, 16u, 24u}) { // tensors, keys, the length of the first key
    std::string lying = bytes;
    std::memcpy(lying.data() + at, &huge, sizeof huge);
    EXPECT_THAT(errorOf(parseGgufTokenizer(lying, "t.gguf")), HasSubstr("t.gguf")) << at;
  }
}

TEST(BadFiles, GgufWithAnUnknownPreTokenizer) {
  std::string bytes = goldenBytes("gpt2/vocabulary.gguf");
  size_t at = bytes.find("gpt-2");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 5, "gpt-9");
  EXPECT_EQ(errorOf(parseGgufTokenizer(bytes, "t.gguf")),
            "t.gguf: pre-tokenizer \"gpt-9\" is not supported");
}

TEST(BadFiles, GgufOfAnotherModel) {
  std::string bytes = goldenBytes("gpt2/vocabulary.gguf");
  size_t at = bytes.find("gpt2");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 4, "bert");
  EXPECT_THAT(errorOf(parseGgufTokenizer(bytes, "t.gguf")), HasSubstr("\"bert\""));
}

TEST(BadFiles, SentencePieceCutShort) {
  std::string bytes = goldenBytes("spm-bpe/tokenizer.model");
  for (size_t size : {size_t(0), size_t(1), size_t(10), bytes.size() / 2 + 1, bytes.size() - 1})
    EXPECT_THAT(errorOf(parseSentencePiece(std::string_view(bytes).substr(0, size), {}, "t.model")),
                HasSubstr("t.model"))
        << size;
}

TEST(BadFiles, SentencePieceThatIsText) {
  EXPECT_THAT(
      errorOf(parseSentencePiece("version https://git-lfs.github.com/spec/v1", {}, "t.model")),
      StartsWith("t.model is not a SentencePiece model"));
}

TEST(BadFiles, ConfigurationThatIsNoJson) {
  std::string folder = testing::TempDir() + "/llmopt-bad-config";
  std::filesystem::create_directories(folder);
  ASSERT_TRUE(writeFile(folder + "/tokenizer.json", goodJson().dump()));
  ASSERT_TRUE(writeFile(folder + "/tokenizer_config.json", "{"));
  EXPECT_THAT(errorOf(loadTokenizer(folder)), HasSubstr("tokenizer_config.json"));
  std::filesystem::remove_all(folder);
}

} // namespace
