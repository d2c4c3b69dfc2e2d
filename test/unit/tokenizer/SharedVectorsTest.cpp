//===- SharedVectorsTest.cpp ------------------------------------------------------------------===//
//
// Vocabularies of published models, and trained checkpoints, beside the repository.
//
//===------------------------------------------------------------------------------------------===//

#include "Goldens.h"

#include "support/Files.h"

#include <filesystem>
#include <sstream>

using namespace llmopt;
using namespace llmopt::test;

namespace {

const std::string shared = std::string(LLMOPT_SOURCE_DIR) + "/../shared";

std::vector<std::string> cut(const std::string &text, const std::string &separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end; (end = text.find(separator, begin)) != std::string::npos;
       begin = end + separator.size())
    parts.push_back(text.substr(begin, end - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

void checkVectors(const std::string &name) {
  std::string path = shared + "/tokenizers/ggml-vocab-" + name + ".gguf";
  if (!std::filesystem::exists(path))
    GTEST_SKIP() << path << " is missing";
  auto tokenizer = load(path);
  auto inputs = readFile(path + ".inp"), outputs = readFile(path + ".out");
  ASSERT_TRUE(tokenizer && inputs && outputs);
  auto texts = cut(*inputs, "\n__ggml_vocab_test__\n");
  auto lines = cut(*outputs, "\n");
  ASSERT_GT(texts.size(), 40u);
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<int32_t> wanted;
    std::istringstream line(lines[i]);
    for (int32_t id; line >> id;)
      wanted.push_back(id);
    EXPECT_EQ(encode(*tokenizer, texts[i]), wanted) << "text " << i << ": " << texts[i];
    EXPECT_EQ(decode(*tokenizer, wanted), texts[i]);
  }
}

void checkPrompts(const std::string &name) {
  std::string folder = shared + "/models/" + name;
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << folder << " is missing";
  auto tokenizer = load(folder);
  auto expected = readJsonFile(folder + "/expected.json");
  ASSERT_TRUE(tokenizer && expected);
  for (const Json &prompt : (*expected)["prompts"])
    EXPECT_EQ(encode(*tokenizer, prompt["text"].get<std::string>(), /*addSpecial=*/true),
              prompt["ids"].get<std::vector<int32_t>>())
        << prompt["text"];
}

TEST(SharedVectors, Falcon) { checkVectors("falcon"); }
TEST(SharedVectors, Gpt2) { checkVectors("gpt-2"); }
TEST(SharedVectors, LlamaSpm) { checkVectors("llama-spm"); }
TEST(SharedVectors, PromptsOfTinyLlama) { checkPrompts("tiny-llama"); }
TEST(SharedVectors, PromptsOfTinyFalcon) { checkPrompts("tiny-falcon"); }
TEST(SharedVectors, PromptsOfStories260k) { checkPrompts("stories260k"); }

} // namespace
