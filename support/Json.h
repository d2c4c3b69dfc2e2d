//===- Json.h - JSON with errors instead of exceptions ----------------------------------------===//
//
// Parsing and checked field access for JSON that nobody vouches for. `what` names the document in
// messages, normally its path.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_SUPPORT_JSON_H
#define LLMOPT_SUPPORT_JSON_H

#include "support/Error.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace llmopt {

using Json = nlohmann::json;
/// Keeps the order of its keys, for files that people read.
using OrderedJson = nlohmann::ordered_json;

Result<Json> parseJson(std::string_view text, const std::string &what);
/// The same, but an object that has a key twice is an error, where parseJson() takes the last.
Result<Json> parseUniqueJson(std::string_view text, const std::string &what);
Result<Json> readJsonFile(const std::string &path);

/// An object's field of a JSON type; an Error if it is missing, of another type or out of range.
/// `what` names the object: "config.json", "plan.json: launch 3".
Result<int64_t> jsonInteger(const Json &object, const char *key, const std::string &what,
                            int64_t minimum, int64_t maximum);
Result<double> jsonNumber(const Json &object, const char *key, const std::string &what);
Result<bool> jsonBool(const Json &object, const char *key, const std::string &what);
Result<std::string> jsonString(const Json &object, const char *key, const std::string &what);
Result<const Json *> jsonArray(const Json &object, const char *key, const std::string &what);
Result<const Json *> jsonObject(const Json &object, const char *key, const std::string &what);

/// True if the field is there and not null.
bool jsonHas(const Json &object, const char *key);

} // namespace llmopt

#endif // LLMOPT_SUPPORT_JSON_H
