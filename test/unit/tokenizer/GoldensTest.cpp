#include "Goldens.h"

#include <filesystem>

using namespace llmopt;
using namespace llmopt::test;

namespace {

class Goldens : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    folder = goldensFolder() + "/" + GetParam();
    auto json = readJsonFile(folder + "/expected.json");
    ASSERT_TRUE(json) << json.error().message();
    expected = *std::move(json);
    texts = goldenTexts();
    ASSERT_EQ(texts.size(), expected["ids"].size());
  }

  /// The GGUF file with the same vocabulary, if there is one.
  std::string gguf() const {
    std::string path = folder + "/vocabulary.gguf";
    return std::filesystem::exists(path) ? path : std::string();
  }

  void checkIds(const Tokenizer &tokenizer, bool withControlNames) {
    for (size_t i = 0; i < texts.size(); ++i) {
      bool named = texts[i].find("<s>") != std::string::npos ||
                   texts[i].find("</s>") != std::string::npos ||
                   texts[i].find("<unk>") != std::string::npos;
      if (!expected["ids"][i].is_null() && (withControlNames || !named)) {
        EXPECT_EQ(encode(tokenizer, texts[i]), expected["ids"][i].get<std::vector<int32_t>>())
            << "text " << i << ": " << texts[i];
      }
    }
  }

  std::string folder;
  Json expected;
  std::vector<std::string> texts;
};

TEST_P(Goldens, GiveTheIdsOfTheReference) {
  auto tokenizer = load(folder);
  ASSERT_TRUE(tokenizer);
  checkIds(*tokenizer, /*withControlNames=*/true);
}

TEST_P(Goldens, GiveTheSameIdsFromGguf) {
  if (gguf().empty())
    GTEST_SKIP() << "no GGUF file of this kind";
  auto tokenizer = load(gguf());
  ASSERT_TRUE(tokenizer);
  // SentencePiece alone takes "<s>" as text; in a GGUF vocabulary it is a control token.
  checkIds(*tokenizer, /*withControlNames=*/GetParam() != "spm-bpe");
}

TEST_P(Goldens, AddWhatTheTokenizerAddsAroundAText) {
  auto tokenizer = load(folder);
  ASSERT_TRUE(tokenizer);
  auto wanted = expected["frame"][0].get<std::vector<int32_t>>();
  auto middle = encode(*tokenizer, "Hello", /*addSpecial=*/false);
  auto behind = expected["frame"][1].get<std::vector<int32_t>>();
  wanted.insert(wanted.end(), middle.begin(), middle.end());
  wanted.insert(wanted.end(), behind.begin(), behind.end());
  EXPECT_EQ(encode(*tokenizer, "Hello", /*addSpecial=*/true), wanted);
}

TEST_P(Goldens, DecodeAsTheReference) {
  auto tokenizer = load(folder);
  ASSERT_TRUE(tokenizer);
  for (size_t i = 0; i < texts.size(); ++i) {
    if (expected["ids"][i].is_null())
      continue;
    const Json &decoded = expected["decoded"];
    auto other = decoded.find(std::to_string(i));
    if (other != decoded.end() && other->is_null())
      continue;
    std::string wanted = other == decoded.end() ? texts[i] : other->get<std::string>();
    EXPECT_EQ(decode(*tokenizer, expected["ids"][i].get<std::vector<int32_t>>()), wanted)
        << "text " << i;
  }
}

TEST_P(Goldens, DecodeEveryTokenAsTheReference) {
  auto tokenizer = load(folder);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->vocabularySize(), expected["tokens"].size());
  for (size_t id = 0; id < expected["tokens"].size(); ++id)
    if (!expected["tokens"][id].is_null()) {
      EXPECT_EQ(decode(*tokenizer, {static_cast<int32_t>(id)}, /*writeSpecial=*/true),
                expected["tokens"][id].get<std::string>())
          << "id " << id;
    }
}

TEST_P(Goldens, SurviveBytesThatAreNotUtf8) {
  auto tokenizer = load(folder);
  ASSERT_TRUE(tokenizer);
  for (std::string text : {"\xFF", "a\xC3", "\xE2\x96", "\xF0\x9F\x9A", "x\x80y", "\xED\xA0\x80",
                           "\xC0\x80", "\xF5\x80\x80\x80", "\xE2\x28\xA1"})
    EXPECT_EQ(encode(*tokenizer, text), encode(*tokenizer, repairUtf8(text))) << text.size();
}

std::string testName(const testing::TestParamInfo<std::string> &info) {
  std::string name = info.param;
  for (char &c : name)
    c = c == '-' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, Goldens, testing::ValuesIn(goldenNames()), testName);

} // namespace
