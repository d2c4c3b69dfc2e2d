// The manifest's text ends with its own checksum: XXH3-64 of everything before the field.

#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/Checksum.h"

namespace llmopt {

static const char checksumPrefix[] = ",\n  \"checksum\": \"";
static const char checksumSuffix[] = "\"\n}\n";

std::string Manifest::serialize() const {
  OrderedJson json;
  json["format"] = "llmopt artifact";
  json["version"] = artifactFormatVersion;
  json["compiler_version"] = compilerVersion;
  json["target"] = target;
  json["arch"] = arch;
  json["required_features"] = requiredFeatures;
  json["precision"] = precision;
  if (!quantization.empty())
    json["quantization"] = quantization;
  json["batch_invariant"] = batchInvariant;
  json["model"] = model;
  json["vocabulary_size"] = vocabularySize;
  json["context_length"] = contextLength;
  json["parameters"] = parameters;
  json["weight_bytes"] = weightBytes;
  json["random_weights"] = randomWeights;
  json["stop_tokens"] = stopTokens;
  json["files"] = OrderedJson::object();
  for (const auto &[name, record] : files)
    json["files"][name] = {{"bytes", record.bytes}, {"checksums", record.checksums}};
  // Strings from a checkpoint need not be UTF-8; what is not becomes U+FFFD.
  std::string text = json.dump(2, ' ', false, OrderedJson::error_handler_t::replace);
  text.resize(text.size() - 2); // "\n}"
  return text + checksumPrefix + checksumText(text.data(), text.size()) + checksumSuffix;
}

static Status checkOwnChecksum(const std::string &text, const std::string &what) {
  size_t tail = sizeof(checksumPrefix) - 1 + 16 + sizeof(checksumSuffix) - 1;
  if (text.size() < tail)
    return makeError("{} is truncated", what);
  std::string body = text.substr(0, text.size() - tail);
  if (text.substr(body.size()) !=
      checksumPrefix + checksumText(body.data(), body.size()) + checksumSuffix)
    return makeError("{} has been changed: its checksum does not match", what);
  return success();
}

/// A name must stay inside the artifact: no root, no empty, "." or ".." part.
static Status checkFileName(const std::string &name, const std::string &what) {
  bool good = !name.empty() && name.find('\0') == std::string::npos;
  for (size_t begin = 0; good && begin <= name.size();) {
    size_t end = std::min(name.find('/', begin), name.size());
    std::string part = name.substr(begin, end - begin);
    good = !part.empty() && part != "." && part != "..";
    begin = end + 1;
  }
  if (!good)
    return makeError("{}: file name {} does not stay inside the artifact", what,
                     Json(name).dump(-1, ' ', true, Json::error_handler_t::replace));
  return success();
}

static Result<FileRecord> parseRecord(const Json &json, const std::string &what) {
  FileRecord record;
  LLMOPT_ASSIGN(int64_t bytes, jsonInteger(json, "bytes", what, 0, int64_t(1) << 50));
  record.bytes = static_cast<uint64_t>(bytes);
  LLMOPT_ASSIGN(const Json *checksums, jsonArray(json, "checksums", what));
  uint64_t chunks = (record.bytes + checksumChunkBytes - 1) / checksumChunkBytes;
  if (checksums->size() != chunks)
    return makeError("{}: {} checksums for {} bytes, {} are needed", what, checksums->size(), bytes,
                     chunks);
  for (const Json &checksum : *checksums) {
    if (!checksum.is_string())
      return makeError("{}: a checksum is not a string", what);
    record.checksums.push_back(checksum.get<std::string>());
  }
  return record;
}

static Result<std::vector<std::string>> parseStrings(const Json &json, const char *key,
                                                     const std::string &what) {
  LLMOPT_ASSIGN(const Json *array, jsonArray(json, key, what));
  std::vector<std::string> strings;
  for (const Json &element : *array) {
    if (!element.is_string())
      return makeError("{}: field '{}' has an element that is not a string", what, key);
    strings.push_back(element.get<std::string>());
  }
  return strings;
}

Result<Manifest> Manifest::parse(const std::string &text, const std::string &what) {
  LLMOPT_ASSIGN(Json json, parseJson(text, what));
  LLMOPT_ASSIGN(std::string format, jsonString(json, "format", what));
  if (format != "llmopt artifact")
    return makeError("{}: not a manifest of an llmopt artifact", what);
  // Before the checksum, since another version may compute it otherwise.
  LLMOPT_ASSIGN(int64_t version, jsonInteger(json, "version", what, 0, INT64_MAX));
  if (version != artifactFormatVersion)
    return makeError("{}: artifact format version {}, this program opens version {}; compile the "
                     "checkpoint again",
                     what, version, artifactFormatVersion);
  LLMOPT_TRY(checkOwnChecksum(text, what));

  constexpr int64_t any = INT64_MAX;
  Manifest manifest;
  LLMOPT_ASSIGN(manifest.compilerVersion, jsonString(json, "compiler_version", what));
  LLMOPT_ASSIGN(manifest.target, jsonString(json, "target", what));
  LLMOPT_ASSIGN(manifest.arch, jsonString(json, "arch", what));
  LLMOPT_ASSIGN(manifest.requiredFeatures, parseStrings(json, "required_features", what));
  LLMOPT_ASSIGN(manifest.precision, jsonString(json, "precision", what));
  if (jsonHas(json, "quantization")) {
    LLMOPT_ASSIGN(manifest.quantization, jsonString(json, "quantization", what));
  }
  LLMOPT_ASSIGN(manifest.batchInvariant, jsonBool(json, "batch_invariant", what));
  LLMOPT_ASSIGN(manifest.model, jsonString(json, "model", what));
  LLMOPT_ASSIGN(manifest.vocabularySize, jsonInteger(json, "vocabulary_size", what, 1, INT32_MAX));
  LLMOPT_ASSIGN(manifest.contextLength, jsonInteger(json, "context_length", what, 1, INT32_MAX));
  LLMOPT_ASSIGN(manifest.parameters, jsonInteger(json, "parameters", what, 0, any));
  LLMOPT_ASSIGN(manifest.weightBytes, jsonInteger(json, "weight_bytes", what, 0, any));
  LLMOPT_ASSIGN(manifest.randomWeights, jsonBool(json, "random_weights", what));
  LLMOPT_ASSIGN(const Json *stops, jsonArray(json, "stop_tokens", what));
  for (const Json &stop : *stops) {
    if (!stop.is_number_integer() || stop < 0 || stop >= manifest.vocabularySize)
      return makeError("{}: stop token {} is outside the vocabulary of {}", what, stop.dump(),
                       manifest.vocabularySize);
    manifest.stopTokens.push_back(stop.get<int32_t>());
  }
  LLMOPT_ASSIGN(const Json *files, jsonObject(json, "files", what));
  for (const auto &[name, value] : files->items()) {
    LLMOPT_TRY(checkFileName(name, what));
    LLMOPT_ASSIGN(manifest.files[name],
                  parseRecord(value, fmt::format("{}: file '{}'", what, name)));
  }
  return manifest;
}

} // namespace llmopt
