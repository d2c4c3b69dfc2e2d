#include "runtime/check/Goldens.h"

#include "support/Files.h"
#include "support/Json.h"
#include "support/Safetensors.h"

#include <cstring>
#include <filesystem>

namespace llmopt {

static Result<std::vector<int32_t>> tokenIds(const Json &json, const std::string &what) {
  if (!json.is_array())
    return makeError("{} is not an array of token ids", what);
  std::vector<int32_t> ids;
  for (const Json &id : json) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX)
      return makeError("{} has {}, which is not a token id", what, id.dump());
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

static Result<std::vector<float>> logitsOf(const SafetensorsFile &file, const std::string &name,
                                           size_t tokens, int64_t vocabulary) {
  const SafetensorsEntry *entry = file.find(name);
  if (!entry)
    return makeError("{} has no tensor '{}'", file.path(), name);
  if (entry->dtype != "F32" ||
      entry->shape != std::vector<int64_t>{static_cast<int64_t>(tokens), vocabulary})
    return makeError("'{}' of {} is not F32 [{}, {}], the prompt's tokens and the vocabulary", name,
                     file.path(), tokens, vocabulary);
  std::vector<float> values(tokens * static_cast<size_t>(vocabulary));
  std::memcpy(values.data(), file.data(*entry), entry->bytes());
  return values;
}

Result<std::vector<Golden>> readGoldens(const std::string &folder, int64_t vocabulary) {
  std::filesystem::path path(folder);
  std::string expected = (path / "expected.json").string();
  bool text = std::filesystem::exists(expected);
  std::string source = text ? expected : (path / "prompts.json").string();
  LLMOPT_ASSIGN(Json json, readJsonFile(source));
  const Json *prompts = &json;
  if (text) {
    LLMOPT_ASSIGN(prompts, jsonArray(json, "prompts", source));
  }
  if (!prompts->is_array() || prompts->empty())
    return makeError("{} has no prompts", source);
  LLMOPT_ASSIGN(SafetensorsFile file,
                SafetensorsFile::open((path / "logits.safetensors").string()));

  std::vector<Golden> goldens;
  for (size_t i = 0; i < prompts->size(); ++i) {
    const Json &entry = (*prompts)[i];
    std::string what = fmt::format("{}: prompt {}", source, i);
    Golden golden;
    if (text) {
      LLMOPT_ASSIGN(const Json *ids, jsonArray(entry, "ids", what));
      LLMOPT_ASSIGN(const Json *greedy, jsonArray(entry, "greedy", what));
      LLMOPT_ASSIGN(golden.prompt, tokenIds(*ids, what));
      LLMOPT_ASSIGN(golden.greedy, tokenIds(*greedy, what));
    } else {
      LLMOPT_ASSIGN(golden.prompt, tokenIds(entry, what));
    }
    if (!text || i == 0) {
      LLMOPT_ASSIGN(golden.logits, logitsOf(file, text ? "logits" : fmt::format("logits_{}", i),
                                            golden.prompt.size(), vocabulary));
    }
    goldens.push_back(std::move(golden));
  }
  return goldens;
}

} // namespace llmopt
