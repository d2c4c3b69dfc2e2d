#include "support/CudaTuning.h"

#include "support/Files.h"
#include "support/Json.h"

#include <cmath>

namespace llmopt {

//===- The file -------------------------------------------------------------------------------===//

static Result<double> readMicroseconds(const Json &json, const char *key, const std::string &what) {
  LLMOPT_ASSIGN(double value, jsonNumber(json, key, what));
  if (!std::isfinite(value) || value < 0)
    return makeError("{}: field '{}' is {}, which is no time", what, key, value);
  return value;
}

static Result<CudaTuning::Function> readFunction(const Json &json, const std::string &what) {
  CudaTuning::Function function;
  LLMOPT_ASSIGN(const Json *parameters, jsonObject(json, "parameters", what));
  for (const auto &[name, value] : parameters->items()) {
    if (!value.is_number_integer())
      return makeError("{}: parameter '{}' is no whole number", what, shortened(name));
    LLMOPT_ASSIGN(function.parameters[name],
                  jsonInteger(*parameters, name.c_str(), what, 1, INT32_MAX));
  }
  LLMOPT_ASSIGN(function.microseconds, readMicroseconds(json, "microseconds", what));
  LLMOPT_ASSIGN(function.defaultMicroseconds, readMicroseconds(json, "default_microseconds", what));
  return function;
}

Result<CudaTuning> CudaTuning::parse(const std::string &text, const std::string &what) {
  LLMOPT_ASSIGN(Json json, parseUniqueJson(text, what));
  CudaTuning tuning;
  tuning.path = what;
  LLMOPT_ASSIGN(int64_t number, jsonInteger(json, "format", what, 0, INT32_MAX));
  if (number != format)
    return makeError("{} is of format {}; this program reads format {}", what, number, format);
  LLMOPT_ASSIGN(tuning.card, jsonString(json, "card", what));
  LLMOPT_ASSIGN(tuning.arch, jsonString(json, "arch", what));
  LLMOPT_ASSIGN(const Json *functions, jsonObject(json, "functions", what));
  for (const auto &[key, value] : functions->items()) {
    std::string where = fmt::format("{}: function '{}'", what, shortened(key, 200));
    if (!value.is_object())
      return makeError("{} is no object", where);
    LLMOPT_ASSIGN(tuning.functions[key], readFunction(value, where));
  }
  return tuning;
}

Result<CudaTuning> CudaTuning::read(const std::string &path) {
  LLMOPT_ASSIGN(std::string text, readFile(path));
  return parse(text, path);
}

std::string CudaTuning::toText() const {
  OrderedJson json;
  json["format"] = format;
  json["card"] = card;
  json["arch"] = arch;
  json["functions"] = OrderedJson::object();
  for (const auto &[key, function] : functions) {
    OrderedJson &entry = json["functions"][key];
    entry["parameters"] = function.parameters;
    entry["microseconds"] = function.microseconds;
    entry["default_microseconds"] = function.defaultMicroseconds;
  }
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

//===- Use ------------------------------------------------------------------------------------===//

Result<std::optional<CudaParameters>> CudaTuning::find(const CudaTemplate &kind,
                                                       const CudaLinearShape &shape,
                                                       int64_t maxRows, bool batchInvariant,
                                                       int64_t sharedBytes) const {
  auto found = functions.find(cudaFunctionKey(kind.kind, shape, maxRows, batchInvariant));
  if (found == functions.end())
    return std::optional<CudaParameters>();
  const auto &[key, function] = *found;
  Status status = kind.check(shape, function.parameters);
  if (!status)
    return status.error().within(fmt::format("{}: function '{}'", path, key));
  int64_t bytes = kind.sharedBytes(shape, function.parameters);
  if (bytes > sharedBytes)
    return makeError("{}: function '{}': a block would take {} bytes of shared memory; {} is the "
                     "most",
                     path, key, bytes, sharedBytes);
  return std::optional<CudaParameters>(function.parameters);
}

} // namespace llmopt
