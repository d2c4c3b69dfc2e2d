#include "Goldens.h"

#include "runtime/tokenizer/AddedTokens.h"
#include "runtime/tokenizer/GgufPreTokenizers.h"
#include "runtime/tokenizer/Normalizer.h"
#include "runtime/tokenizer/PreTokenizer.h"
#include "runtime/tokenizer/Regex.h"

#include <gmock/gmock.h>

using namespace llmopt;
using namespace llmopt::test;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex) << regex.error().message();
  std::vector<std::string> found;
  auto status = regex->forEachMatch(
      text, [&](size_t begin, size_t end) { found.emplace_back(text.substr(begin, end - begin)); });
  EXPECT_TRUE(status) << status.error().message();
  return found;
}

std::string regexError(std::string_view pattern) {
  auto regex = Regex::compile(pattern);
  return regex ? std::string() : regex.error().message();
}

std::vector<std::string> split(const PreTokenizer &preTokenizer, const std::string &text) {
  std::vector<Piece> pieces{{text, true}};
  auto status = preTokenizer.apply(pieces);
  EXPECT_TRUE(status) << status.error().message();
  std::vector<std::string> texts;
  for (const Piece &piece : pieces)
    texts.push_back(piece.text);
  return texts;
}

std::vector<std::string> splitAs(const char *behavior, bool invert, const std::string &text) {
  Json json = {{"type", "Split"},
               {"pattern", {{"String", "-"}}},
               {"behavior", behavior},
               {"invert", invert}};
  auto preTokenizer = PreTokenizer::parse(json, "test");
  EXPECT_TRUE(preTokenizer) << preTokenizer.error().message();
  return split(*preTokenizer, text);
}

TEST(Regex, MatchesUnicodeClasses) {
  EXPECT_THAT(matches(R"(\p{L}+)", "aé 我ж1"), ElementsAre("aé", "我ж"));
  EXPECT_THAT(matches(R"(\s+)", "a\u3000\u00a0b"), ElementsAre("\u3000\u00a0"));
}

TEST(Regex, TakesWhiteSpaceAsUnicodeDoes) {
  EXPECT_THAT(matches(R"(\s)", "\u180e"), ElementsAre());
  EXPECT_THAT(matches(R"([^\s])", "\u180e"), ElementsAre("\u180e"));
}

TEST(Regex, JoinsNestedClasses) {
  EXPECT_THAT(matches(R"([^(\s|[.,])]+)", "a(b [c].d|e"), ElementsAre("a", "b", "[c]", "d", "e"));
}

TEST(Regex, TakesHexadecimalDigitsAsRubyDoes) {
  EXPECT_THAT(matches(R"(\h+)", "xAf9 g"), ElementsAre("Af9"));
}

TEST(Regex, EndsLinesAsRubyDoes) {
  EXPECT_THAT(matches(R"(\w+$)", "ab\ncd"), ElementsAre("ab", "cd"));
}

TEST(Regex, FindsEmptyMatchesOnce) {
  EXPECT_THAT(matches(R"((?=(\d{3})+(?!\d)))", "1234567"), ElementsAre("", ""));
}

TEST(Regex, RefusesWhatItWouldMisread) {
  EXPECT_THAT(regexError("[a-z&&[^b]]"), HasSubstr("intersects"));
  EXPECT_THAT(regexError("[a[^b]]"), HasSubstr("negates"));
  EXPECT_THAT(regexError("(a"), HasSubstr("not understood"));
}

TEST(Regex, GivesUpOnPatternsThatExplode) {
  auto regex = Regex::compile(R"((a+)+$)");
  ASSERT_TRUE(regex);
  auto status = regex->forEachMatch(std::string(64, 'a') + "b", [](size_t, size_t) {});
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message(), HasSubstr("gave up"));
}

TEST(PreTokenizer, SplitsInEveryWay) {
  EXPECT_THAT(splitAs("Removed", false, "a-b--c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(splitAs("Isolated", false, "a-b--c"), ElementsAre("a", "-", "b", "-", "-", "c"));
  EXPECT_THAT(splitAs("MergedWithPrevious", false, "a-b--c"), ElementsAre("a-", "b-", "-", "c"));
  EXPECT_THAT(splitAs("MergedWithNext", false, "a-b--c"), ElementsAre("a", "-b", "-", "-c"));
  EXPECT_THAT(splitAs("Contiguous", false, "a-b--c"), ElementsAre("a", "-", "b", "--", "c"));
  EXPECT_THAT(splitAs("Removed", true, "a-b--c"), ElementsAre("-", "-", "-"));
}

TEST(PreTokenizer, NamesATypeThatIsNotSupported) {
  auto preTokenizer = PreTokenizer::parse(Json{{"type", "UnicodeScripts"}}, "x.json");
  ASSERT_FALSE(preTokenizer);
  EXPECT_EQ(preTokenizer.error().message(),
            "x.json: pre-tokenizer \"UnicodeScripts\" is not supported");
}

TEST(GgufPreTokenizers, CutNumbersIntoThreesFromTheirEnd) {
  auto pre = ggufPreTokenizer("superbpe");
  ASSERT_TRUE(pre) << pre.error().message();
  EXPECT_THAT(split(pre->preTokenizer, "a1234567"), ElementsAre("a", "1", "234", "567"));
}

TEST(GgufPreTokenizers, TakeFinalBlanksTogetherAndOthersWithTheWord) {
  auto pre = ggufPreTokenizer("deepseek-llm");
  ASSERT_TRUE(pre) << pre.error().message();
  EXPECT_THAT(split(pre->preTokenizer, "a b  c 我1!  "),
              ElementsAre("a", "Ġb", "Ġ", "Ġc", "Ġ", "æĪĳ", "1", "!", "ĠĠ"));
}

TEST(GgufPreTokenizers, CompileForEveryName) {
  for (const char *name :
       {"default",     "gpt-2",     "falcon",   "starcoder", "refact",       "command-r",
        "llama-bpe",   "dbrx",      "qwen2",    "qwen35",    "seed-coder",   "bailingmoe",
        "tekken",      "gpt-4o",    "bloom",    "viking",    "deepseek-llm", "deepseek-coder",
        "deepseek-v3", "chameleon", "superbpe", "mpt",       "olmo"}) {
    auto pre = ggufPreTokenizer(name);
    ASSERT_TRUE(pre) << name << ": " << pre.error().message();
    for (const std::string &text : goldenTexts()) {
      std::string all;
      for (const std::string &piece : split(pre->preTokenizer, text))
        all += piece;
      std::vector<Piece> bytes{{text, true}};
      ASSERT_TRUE(byteLevelStep()(bytes));
      EXPECT_EQ(all, bytes[0].text) << name; // nothing is lost
    }
  }
}

TEST(Normalizer, StopsAReplacementThatMultipliesTheText) {
  Json grow = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aaaaaaaa"}};
  Json json = {{"type", "Sequence"}, {"normalizers", Json::array()}};
  for (int i = 0; i < 20; ++i)
    json["normalizers"].push_back(grow);
  auto normalizer = Normalizer::parse(json, "test");
  ASSERT_TRUE(normalizer);
  auto text = normalizer->apply("a");
  ASSERT_FALSE(text);
  EXPECT_THAT(text.error().message(), HasSubstr("normalizer"));
}

TEST(AddedTokens, TakeTheLongestAndTheirWhiteSpace) {
  std::vector<AddedToken> tokens(3);
  tokens[0].id = 7;
  tokens[1].id = 8;
  tokens[2].id = 9;
  tokens[2].stripLeft = tokens[2].stripRight = true;
  AddedTokenMatcher matcher(tokens, {"<a>", "<a>b", "<m>"});
  std::string text = "x<a>b <m>\ty<a>";
  std::vector<std::pair<int32_t, std::string>> found;
  for (const Segment &s : matcher.split(text))
    found.emplace_back(s.id, text.substr(s.begin, s.end - s.begin));
  EXPECT_THAT(found, ElementsAre(std::pair(-1, "x"), std::pair(8, "<a>b"), std::pair(9, " <m>\t"),
                                 std::pair(-1, "y"), std::pair(7, "<a>")));
}

TEST(Tokenizer, KnowsTheIdsThatBeginAndEndText) {
  auto tokenizer = load(goldensFolder() + "/llama3");
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->specialIds().bos, 0);
  EXPECT_EQ(tokenizer->specialIds().eos, 1);
  EXPECT_THAT(tokenizer->specialIds().stop, ElementsAre(1));
  auto fromGguf = load(goldensFolder() + "/llama3/vocabulary.gguf");
  ASSERT_TRUE(fromGguf);
  EXPECT_THAT(fromGguf->specialIds().stop, ElementsAre(1)); // <|eot_id|>, by its name
}

TEST(Tokenizer, NamesTheFilesThatAnArtifactNeeds) {
  EXPECT_THAT(tokenizerFiles(goldensFolder() + "/spm-legacy"),
              ElementsAre("tokenizer.model", "tokenizer_config.json"));
  EXPECT_TRUE(tokenizerFiles(goldensFolder()).empty());
}

TEST(Tokenizer, RefusesToDecodeIdsOutsideTheVocabulary) {
  auto tokenizer = load(goldensFolder() + "/gpt2");
  ASSERT_TRUE(tokenizer);
  auto text = tokenizer->decode({0, 123456});
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message(), "id 123456 is not in the vocabulary of 420 tokens");
}

} // namespace
