#include "runtime/eval/ChoiceFile.h"

#include "support/Json.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

namespace llmopt {

static bool isBlank(char character) {
  return character == ' ' || character == '\n' || character == '\t' || character == '\r';
}

std::string ChoiceQuestion::textWith(size_t choice) const {
  const std::string &text = choices[choice];
  bool apart = query.empty() || isBlank(query.back()) || isBlank(text.front());
  return query + (apart ? "" : " ") + text;
}

/// The first of the keys that the question has.
static Result<const char *> keyOf(const Json &json, std::initializer_list<const char *> keys,
                                  const std::string &what) {
  std::string names;
  for (const char *key : keys) {
    if (jsonHas(json, key))
      return key;
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", key);
  }
  return makeError("{} has none of {}", what, names);
}

static Result<size_t> goldIndex(const Json &json, const char *key, size_t choices,
                                const std::string &what) {
  const Json &value = json[key];
  int64_t index = -1;
  if (value.is_number_integer()) {
    index = value.get<int64_t>();
  } else if (value.is_string()) {
    const std::string &text = value.get_ref<const std::string &>();
    auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), index);
    if (problem != std::errc() || end != text.data() + text.size())
      index = -1;
  }
  if (index < 0 || index >= static_cast<int64_t>(choices))
    return makeError("{}: '{}' is {}, and the index of one of {} choices is needed", what, key,
                     shortened(value.dump()), choices);
  return static_cast<size_t>(index);
}

static Result<ChoiceQuestion> parseQuestion(std::string_view line, int64_t number,
                                            const std::string &what) {
  LLMOPT_ASSIGN(Json json, parseJson(line, what));
  if (!json.is_object())
    return makeError("{} is no JSON object", what);
  ChoiceQuestion question;
  question.line = number;
  LLMOPT_ASSIGN(const char *query, keyOf(json, {"query", "context", "ctx", "question"}, what));
  LLMOPT_ASSIGN(question.query, jsonString(json, query, what));
  LLMOPT_ASSIGN(const char *choices, keyOf(json, {"choices", "endings"}, what));
  LLMOPT_ASSIGN(const Json *texts, jsonArray(json, choices, what));
  for (const Json &text : *texts) {
    if (!text.is_string() || text.get_ref<const std::string &>().empty())
      return makeError("{}: choice {} is {}, and a text is needed", what, question.choices.size(),
                       shortened(text.dump()));
    question.choices.push_back(text.get<std::string>());
  }
  if (question.choices.size() < 2)
    return makeError("{}: '{}' has {} of at least 2 texts", what, choices, question.choices.size());
  LLMOPT_ASSIGN(const char *gold, keyOf(json, {"gold", "label", "answer"}, what));
  LLMOPT_ASSIGN(question.gold, goldIndex(json, gold, question.choices.size(), what));
  return question;
}

Result<std::vector<ChoiceQuestion>> parseChoices(std::string_view text, const std::string &what) {
  std::vector<ChoiceQuestion> questions;
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (std::all_of(line.begin(), line.end(), isBlank))
      continue;
    LLMOPT_ASSIGN(ChoiceQuestion question,
                  parseQuestion(line, number, fmt::format("{}: line {}", what, number)));
    questions.push_back(std::move(question));
  }
  if (questions.empty())
    return makeError("{} has no questions", what);
  return questions;
}

} // namespace llmopt
