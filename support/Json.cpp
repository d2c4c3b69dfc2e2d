#include "support/Json.h"

#include "support/Files.h"

#include <cmath>

namespace llmopt {

Result<Json> parseJson(std::string_view text, const std::string &what) {
  // Strings are checked here too: a lone surrogate or invalid UTF-8 is a parse error.
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded())
    return makeError("{} is not valid JSON", what);
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
