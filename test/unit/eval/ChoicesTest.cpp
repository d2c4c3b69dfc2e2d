#include "runtime/eval/Choices.h"

#include "test/unit/runtime/TinyModel.h"

#include <gmock/gmock.h>

#include <cmath>

using namespace llmopt;
using namespace llmopt::tiny;
using testing::ElementsAre;
using testing::HasSubstr;

//===- Files ----------------------------------------------------------------------------------===//

static std::string parseError(const std::string &text) {
  auto questions = parseChoices(text, "q.jsonl");
  return questions ? "parsed" : questions.error().message();
}

TEST(ChoiceFile, ReadsTheKeysOfTheUsualHarnesses) {
  auto questions = parseChoices(R"({"query": "Q", "choices": ["x", "yy"], "gold": 1}

{"context": "C", "choices": ["x", "y"], "label": "0"}
{"ctx": "E", "endings": ["x", "y", "z"], "label": 2, "ind": 7}
{"question": "F", "choices": ["x", "y"], "answer": 0})",
                                "q.jsonl");
  ASSERT_TRUE(questions) << questions.error().message();
  ASSERT_EQ(questions->size(), 4u);
  EXPECT_EQ((*questions)[0].query, "Q");
  EXPECT_THAT((*questions)[0].choices, ElementsAre("x", "yy"));
  EXPECT_EQ((*questions)[0].gold, 1u);
  EXPECT_EQ((*questions)[1].line, 3);
  EXPECT_EQ((*questions)[1].gold, 0u);
  EXPECT_THAT((*questions)[2].choices, ElementsAre("x", "y", "z"));
  EXPECT_EQ((*questions)[3].query, "F");
}

TEST(ChoiceFile, ABlankIsPutWhereThereIsNone) {
  auto text = [](const char *query, const char *choice) {
    return ChoiceQuestion{1, query, {choice}, 0}.textWith(0);
  };
  EXPECT_EQ(text("Q: why?", "so"), "Q: why? so");
  EXPECT_EQ(text("Q: why?", " so"), "Q: why? so");
  EXPECT_EQ(text("Q: why?\n", "so"), "Q: why?\nso");
  EXPECT_EQ(text("", "so"), "so");
}

TEST(ChoiceFile, MalformedLinesAreNamed) {
  EXPECT_THAT(parseError("\n{\"query\": "), HasSubstr("q.jsonl: line 2"));
  EXPECT_EQ(parseError("[1]"), "q.jsonl: line 1 is no JSON object");
  EXPECT_EQ(parseError(R"({"text": "a"})"),
            "q.jsonl: line 1 has none of 'query', 'context', 'ctx', 'question'");
  EXPECT_THAT(parseError(R"({"query": 3})"), HasSubstr("q.jsonl: line 1"));
  EXPECT_EQ(parseError(R"({"query": "a"})"), "q.jsonl: line 1 has none of 'choices', 'endings'");
  EXPECT_EQ(parseError(R"({"query": "a", "choices": ["b", 1]})"),
            "q.jsonl: line 1: choice 1 is 1, and a text is needed");
  EXPECT_EQ(parseError(R"({"query": "a", "choices": ["b", ""]})"),
            "q.jsonl: line 1: choice 1 is \"\", and a text is needed");
  EXPECT_EQ(parseError(R"({"query": "a", "choices": ["b"]})"),
            "q.jsonl: line 1: 'choices' has 1 of at least 2 texts");
  EXPECT_EQ(parseError(R"({"query": "a", "choices": ["b", "c"]})"),
            "q.jsonl: line 1 has none of 'gold', 'label', 'answer'");
  for (const char *gold : {"2", "-1", "\"x\"", "\"\"", "0.5", "\"0 \"", "18446744073709551615"})
    EXPECT_EQ(
        parseError(fmt::format(R"({{"query": "a", "endings": ["b", "c"], "gold": {}}})", gold)),
        fmt::format("q.jsonl: line 1: 'gold' is {}, and the index of one of 2 choices is needed",
                    gold));
  EXPECT_EQ(parseError("\n\n"), "q.jsonl has no questions");
}

//===- Answers --------------------------------------------------------------------------------===//

namespace {
struct ChoicesTest : testing::Test {
  ChoicesTest() {
    Parts parts;
    parts.tokenizer = true;
    writeArtifact(parts, options.artifacts[0]);
  }
  void add(const std::string &query, const std::vector<std::string> &choices, size_t gold) {
    options.questions.push_back(
        {static_cast<int64_t>(options.questions.size()) + 1, query, choices, gold});
  }
  std::string error() {
    auto result = runChoices(options);
    return result ? "evaluated" : result.error().message();
  }
  TemporaryDirectory directory;
  ChoicesOptions options = {{directory / "a"}, "", {}, "q.jsonl", {}};
};
} // namespace

/// The log-likelihood of the letters, digits and blanks of `text` behind its first `known` ones.
static double logLikelihood(const std::string &text, size_t known) {
  std::vector<int32_t> ids;
  double sum = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    int32_t id = text[i] == ' ' ? 39 : 3 + (text[i] - 'a');
    if (i >= known) {
      std::vector<float> logits = referenceLogits(ids);
      double total = 0;
      for (float logit : logits)
        total += std::exp(double(logit));
      sum += logits[size_t(id)] - std::log(total);
    }
    ids.push_back(id);
  }
  return sum;
}

TEST_F(ChoicesTest, TheMostProbableContinuationIsTheAnswer) {
  double right = 0, normalized = 0;
  const std::vector<std::string> choices = {"xyz", "k", "pqrstu", "ab"};
  for (const char *query : {"abc", "the cat", "q", "who is there", "no", "yes"}) {
    size_t best = 0, bestNormalized = 0;
    auto sum = [&](size_t i) {
      return logLikelihood(std::string(query) + " " + choices[i], std::string(query).size());
    };
    for (size_t i = 1; i < choices.size(); ++i) {
      best = sum(i) > sum(best) ? i : best;
      if (sum(i) / double(choices[i].size()) >
          sum(bestNormalized) / double(choices[bestNormalized].size()))
        bestNormalized = i;
    }
    size_t gold = options.questions.size() < 4 ? best : 0;
    add(query, choices, gold);
    right += gold == best;
    normalized += gold == bestNormalized;
  }
  options.baseline = options.artifacts[0];
  auto result = runChoices(options);
  ASSERT_TRUE(result) << result.error().message();
  const ChoicesScore &own = result->results[0].own;
  EXPECT_DOUBLE_EQ(own.accuracy.value, right / 6);
  EXPECT_DOUBLE_EQ(own.normalized.value, normalized / 6);
  EXPECT_NEAR(own.accuracy.error, std::sqrt(right / 6 * (1 - right / 6) / 5), 1e-12);
  EXPECT_EQ(result->results[0].baseline->accuracy.value, own.accuracy.value);
  OrderedJson json = result->toJson();
  EXPECT_EQ(json["questions"], 6);
  EXPECT_EQ(json["baseline"]["acc_norm"], json["acc_norm"]);
}

TEST_F(ChoicesTest, QuestionsThatCannotBeScoredAreNamed) {
  add("", {"ab", "c"}, 0);
  EXPECT_EQ(error(), "q.jsonl: line 1: there is no token before choice 0 to continue");
  options.questions.clear();
  add("ab", {"c", "d"}, 0);
  add(std::string(60, 'a'), {"b", std::string(4, 'c')}, 0);
  EXPECT_EQ(error(),
            "q.jsonl: line 2: the query and choice 1 have 65 tokens, more than the context "
            "of " +
                options.artifacts[0] + ", 64");
}
