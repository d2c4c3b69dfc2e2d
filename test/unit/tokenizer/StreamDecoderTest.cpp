#include "Goldens.h"

using namespace llmopt;
using namespace llmopt::test;

namespace {

bool isValidUtf8(const std::string &text) { return repairUtf8(text) == text; }

/// Streams ids and checks each part; the parts together.
std::string stream(const Tokenizer &tokenizer, const std::vector<int32_t> &ids) {
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (int32_t id : ids) {
    std::string part = decoder.push(id);
    EXPECT_TRUE(isValidUtf8(part));
    text += part;
  }
  return text + decoder.flush();
}

TEST(StreamDecoder, GivesTheTextOfTheWhole) {
  for (const std::string &name : goldenNames()) {
    auto tokenizer = load(goldensFolder() + "/" + name);
    ASSERT_TRUE(tokenizer);
    for (const std::string &text : goldenTexts()) {
      auto ids = encode(*tokenizer, text, /*addSpecial=*/true);
      EXPECT_EQ(stream(*tokenizer, ids), decode(*tokenizer, ids)) << name << ": " << text;
    }
  }
}

TEST(StreamDecoder, GivesTheTextOfTheWholeWhereverItIsCut) {
  for (const std::string name : {"gpt2", "llama", "spm-bpe"}) {
    auto tokenizer = load(goldensFolder() + "/" + name);
    ASSERT_TRUE(tokenizer);
    auto ids = encode(*tokenizer, "a🚀 é 我…");
    for (size_t begin = 0; begin < ids.size(); ++begin)
      for (size_t end = begin; end <= ids.size(); ++end) {
        std::vector<int32_t> part(ids.begin() + static_cast<ptrdiff_t>(begin),
                                  ids.begin() + static_cast<ptrdiff_t>(end));
        EXPECT_EQ(stream(*tokenizer, part), decode(*tokenizer, part)) << name;
      }
  }
}

TEST(StreamDecoder, HoldsBackAnUnfinishedCharacter) {
  auto tokenizer = load(goldensFolder() + "/llama");
  ASSERT_TRUE(tokenizer);
  // Byte tokens <0xAB> follow the three control tokens. F0 9F 9A 80 is 🚀.
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(3 + 0xF0), "");
  EXPECT_EQ(decoder.push(3 + 0x9F), "");
  EXPECT_EQ(decoder.push(3 + 0x9A), "");
  EXPECT_EQ(decoder.push(3 + 0x80), "🚀");
  EXPECT_EQ(decoder.push(3 + 0xF0), "");
  EXPECT_EQ(decoder.flush(), "\uFFFD");
}

TEST(StreamDecoder, ReplacesBytesThatCannotBecomeACharacterAtOnce) {
  auto tokenizer = load(goldensFolder() + "/llama");
  ASSERT_TRUE(tokenizer);
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(3 + 0xFF), "\uFFFD");
  EXPECT_EQ(decoder.push(3 + 0xE2), "");
  EXPECT_EQ(decoder.push(3 + 'A'), "\uFFFDA");
}

TEST(StreamDecoder, KeepsTheBlankOfAWordThatContinuesAPrompt) {
  auto tokenizer = load(goldensFolder() + "/llama");
  ASSERT_TRUE(tokenizer);
  auto prompt = encode(*tokenizer, "Hello", /*addSpecial=*/true);
  auto next = encode(*tokenizer, "world");
  StreamDecoder decoder(*tokenizer);
  std::string begin;
  for (int32_t id : prompt)
    begin += decoder.push(id);
  EXPECT_EQ(begin, "Hello");
  std::string rest;
  for (int32_t id : next)
    rest += decoder.push(id);
  EXPECT_EQ(rest, " world");
}

TEST(StreamDecoder, PassesOverIdsOutsideTheVocabulary) {
  auto tokenizer = load(goldensFolder() + "/gpt2");
  ASSERT_TRUE(tokenizer);
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(1 << 20), "");
  EXPECT_EQ(decoder.push(-1), "");
}

} // namespace
