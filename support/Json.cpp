#include "support/Json.h"

#include "support/Files.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <optional>
#include <set>
#include <vector>

namespace llmopt {

namespace {
/// Goes through a text for what the parsed value does not tell: where it is no JSON, and the first
/// key that an object has twice.
class JsonScan : public nlohmann::json_sax<Json> {
public:
  explicit JsonScan(std::string_view text) : text(text) {
    Json::sax_parse(text.begin(), text.end(), static_cast<nlohmann::json_sax<Json> *>(this));
  }

  std::string mistake;
  std::optional<std::string> repeatedKey;

private:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t &) override { return true; }
  bool string(string_t &) override { return true; }
  bool binary(binary_t &) override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool start_object(std::size_t) override {
    keys.emplace_back();
    return true;
  }
  bool end_object() override {
    keys.pop_back();
    return true;
  }
  bool key(string_t &name) override {
    if (!keys.back().insert(name).second && !repeatedKey)
      repeatedKey = name;
    return true;
  }
  bool parse_error(std::size_t read, const std::string &,
                   const nlohmann::detail::exception &problem) override;

  std::string_view text;
  std::vector<std::set<std::string>> keys; ///< of the objects around, innermost last
};
} // namespace

/// `read` bytes were, the last of them being the wrong one or the end of what is too large.
bool JsonScan::parse_error(std::size_t read, const std::string &,
                           const nlohmann::detail::exception &problem) {
  if (read == 0 || read > text.size()) {
    mistake = "it ends too early";
    return false;
  }
  auto inWord = [&](size_t i) {
    return std::isalnum(static_cast<unsigned char>(text[i])) ||
           (text[i] != 0 && std::strchr("+-._", text[i]));
  };
  size_t begin = read - 1, end = read;
  while (inWord(read - 1) && begin > 0 && inWord(begin - 1))
    --begin;
  while (inWord(read - 1) && end < text.size() && inWord(end))
    ++end;
  std::string_view before = text.substr(0, begin);
  constexpr int outOfRange = 406; // of the library's numbers for what can be wrong
  mistake =
      fmt::format("line {}, column {}: {} '{}'", 1 + std::count(before.begin(), before.end(), '\n'),
                  begin - (before.rfind('\n') + 1) + 1,
                  problem.id == outOfRange ? "too large a number," : "unexpected",
                  shortened(text.substr(begin, end - begin), 40));
  return false;
}

Result<Json> parseJson(std::string_view text, const std::string &what) {
  // Strings are checked here too: a lone surrogate or invalid UTF-8 is a parse error.
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded())
    return makeError("{} is not valid JSON: {}", what, JsonScan(text).mistake);
  return json;
}

Result<Json> parseUniqueJson(std::string_view text, const std::string &what) {
  LLMOPT_ASSIGN(Json json, parseJson(text, what));
  if (auto key = JsonScan(text).repeatedKey)
    return makeError("{} has the key '{}' twice", what, shortened(*key));
  return json;
}

Result<Json> readJsonFile(const std::string &path) {
  LLMOPT_ASSIGN(std::string text, readFile(path, uint64_t(1) << 30));
  return parseJson(text, path);
}

bool jsonHas(const Json &object, const char *key) {
  if (!object.is_object())
    return false;
  auto field = object.find(key);
  return field != object.end() && !field->is_null();
}

static Result<const Json *> findField(const Json &object, const char *key,
                                      const std::string &what) {
  if (!object.is_object())
    return makeError("{} is not a JSON object", what);
  auto field = object.find(key);
  if (field == object.end())
    return makeError("{}: field '{}' is missing", what, key);
  return &*field;
}

static Error wrongType(const char *key, const std::string &what, const char *expected,
                       const Json &actual) {
  return makeError("{}: field '{}' must be {}, not {}", what, key, expected, actual.type_name());
}

Result<int64_t> jsonInteger(const Json &object, const char *key, const std::string &what,
                            int64_t minimum, int64_t maximum) {
  LLMOPT_ASSIGN(const Json *field, findField(object, key, what));
  if (!field->is_number_integer())
    return wrongType(key, what, "an integer", *field);
  bool tooLarge = field->is_number_unsigned() && field->get<uint64_t>() > uint64_t(INT64_MAX);
  int64_t value = tooLarge ? 0 : field->get<int64_t>();
  if (tooLarge || value < minimum || value > maximum)
    return makeError("{}: field '{}' is {}, outside {} to {}", what, key, field->dump(), minimum,
                     maximum);
  return value;
}

Result<double> jsonNumber(const Json &object, const char *key, const std::string &what) {
  LLMOPT_ASSIGN(const Json *field, findField(object, key, what));
  if (!field->is_number())
    return wrongType(key, what, "a number", *field);
  double value = field->get<double>();
  if (!std::isfinite(value))
    return makeError("{}: field '{}' is not finite", what, key);
  return value;
}

Result<bool> jsonBool(const Json &object, const char *key, const std::string &what) {
  LLMOPT_ASSIGN(const Json *field, findField(object, key, what));
  if (!field->is_boolean())
    return wrongType(key, what, "true or false", *field);
  return field->get<bool>();
}

Result<std::string> jsonString(const Json &object, const char *key, const std::string &what) {
  LLMOPT_ASSIGN(const Json *field, findField(object, key, what));
  if (!field->is_string())
    return wrongType(key, what, "a string", *field);
  return field->get<std::string>();
}

Result<const Json *> jsonArray(const Json &object, const char *key, const std::string &what) {
  LLMOPT_ASSIGN(const Json *field, findField(object, key, what));
  if (!field->is_array())
    return wrongType(key, what, "an array", *field);
  return field;
}

Result<const Json *> jsonObject(const Json &object, const char *key, const std::string &what) {
  LLMOPT_ASSIGN(const Json *field, findField(object, key, what));
  if (!field->is_object())
    return wrongType(key, what, "an object", *field);
  return field;
}

} // namespace llmopt
