//===- Goldens.h - test/goldens/tokenizers ----------------------------------------------------===//
//
// Tiny tokenizers of every kind with what the reference libraries make of hard texts; written by
// scripts/goldens/tokenizer_goldens.py, which says what expected.json holds.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_TEST_UNIT_TOKENIZER_GOLDENS_H
#define LLMOPT_TEST_UNIT_TOKENIZER_GOLDENS_H

#include "runtime/tokenizer/Tokenizer.h"
#include "support/Json.h"

#include <gtest/gtest.h>

namespace llmopt::test {

inline std::string goldensFolder() {
  return std::string(LLMOPT_SOURCE_DIR) + "/test/goldens/tokenizers";
}

/// Every kind of tokenizer, by the name of its folder.
inline const std::vector<std::string> &goldenNames() {
  static const std::vector<std::string> names = {
      "bloom",           "deepseek-coder", "falcon",      "gpt2",         "gpt4o",   "llama",
      "llama-metaspace", "llama3",         "normalizers", "prefix-space", "qwen2",   "spm-bpe",
      "spm-legacy",      "spm-not-legacy", "spm-unigram", "starcoder",    "unigram", "words"};
  return names;
}

inline std::vector<std::string> goldenTexts() {
  auto json = readJsonFile(goldensFolder() + "/texts.json");
  return json ? json->get<std::vector<std::string>>() : std::vector<std::string>();
}

inline std::unique_ptr<Tokenizer> load(const std::string &path) {
  auto tokenizer = loadTokenizer(path);
  EXPECT_TRUE(tokenizer) << tokenizer.error().message();
  return tokenizer ? *std::move(tokenizer) : nullptr;
}

inline std::vector<int32_t> encode(const Tokenizer &tokenizer, std::string_view text,
                                   bool addSpecial = false) {
  auto ids = tokenizer.encode(text, addSpecial);
  EXPECT_TRUE(ids) << ids.error().message();
  return ids ? *ids : std::vector<int32_t>();
}

inline std::string decode(const Tokenizer &tokenizer, const std::vector<int32_t> &ids,
                          bool writeSpecial = false) {
  auto text = tokenizer.decode(ids, writeSpecial);
  EXPECT_TRUE(text) << text.error().message();
  return text ? *text : std::string();
}

} // namespace llmopt::test

#endif // LLMOPT_TEST_UNIT_TOKENIZER_GOLDENS_H
