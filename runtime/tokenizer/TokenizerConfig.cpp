#include "runtime/tokenizer/TokenizerConfig.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace llmopt {

namespace fs = std::filesystem;

/// The object in directory/name; null if there is no such file.
static Result<Json> readOptional(const std::string &directory, const char *name) {
  std::error_code code;
  fs::path path = fs::path(directory) / name;
  if (!fs::exists(path, code))
    return Json();
  LLMOPT_ASSIGN(Json json, readJsonFile(path.string()));
  if (!json.is_object())
    return makeError("{} is not a JSON object", path.string());
  return json;
}

Result<AddedToken> parseAddedToken(const Json &json, const std::string &what) {
  AddedToken token;
  LLMOPT_ASSIGN(token.content, jsonString(json, "content", what));
  auto flag = [&](const char *key, bool &value) -> Status {
    if (jsonHas(json, key)) {
      LLMOPT_ASSIGN(value, jsonBool(json, key, what));
    }
    return success();
  };
  LLMOPT_TRY(flag("special", token.special));
  LLMOPT_TRY(flag("single_word", token.singleWord));
  LLMOPT_TRY(flag("lstrip", token.stripLeft));
  LLMOPT_TRY(flag("rstrip", token.stripRight));
  token.normalized = !token.special;
  LLMOPT_TRY(flag("normalized", token.normalized));
  return token;
}

/// "bos_token" and the like: a text, or an object with its content.
static void readRoles(const Json &json, TokenizerConfig &config) {
  for (const char *role : {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token",
                           "cls_token", "mask_token"}) {
    if (!jsonHas(json, role) || config.roles.count(role))
      continue;
    const Json &value = json[role];
    if (value.is_string())
      config.roles[role] = value.get<std::string>();
    else if (jsonHas(value, "content") && value["content"].is_string())
      config.roles[role] = value["content"].get<std::string>();
  }
  if (!jsonHas(json, "additional_special_tokens") || !json["additional_special_tokens"].is_array())
    return;
  for (const Json &value : json["additional_special_tokens"]) {
    if (value.is_string())
      config.additionalSpecial.push_back(value.get<std::string>());
    else if (jsonHas(value, "content") && value["content"].is_string())
      config.additionalSpecial.push_back(value["content"].get<std::string>());
  }
}

static Status readFlags(const Json &json, const std::string &what, TokenizerConfig &config) {
  auto flag = [&](const char *key, std::optional<bool> &value) -> Status {
    if (jsonHas(json, key)) {
      LLMOPT_ASSIGN(value, jsonBool(json, key, what));
    }
    return success();
  };
  LLMOPT_TRY(flag("add_bos_token", config.addBos));
  LLMOPT_TRY(flag("add_eos_token", config.addEos));
  LLMOPT_TRY(flag("add_prefix_space", config.addPrefixSpace));
  std::optional<bool> legacy;
  LLMOPT_TRY(flag("legacy", legacy));
  config.legacy = legacy.value_or(true);
  return success();
}

/// added_tokens_decoder: from ids, as texts, to tokens.
static Status readAddedTokensDecoder(const Json &json, const std::string &what,
                                     TokenizerConfig &config) {
  if (!jsonHas(json, "added_tokens_decoder"))
    return success();
  LLMOPT_ASSIGN(const Json *entries, jsonObject(json, "added_tokens_decoder", what));
  for (const auto &[key, value] : entries->items()) {
    LLMOPT_ASSIGN(AddedToken token,
                  parseAddedToken(value, fmt::format("{}: added token {}", what, key)));
    auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token.id);
    if (error != std::errc() || end != key.data() + key.size() || token.id < 0)
      return makeError("{}: added_tokens_decoder has the key \"{}\", which is no id", what, key);
    config.added.push_back(std::move(token));
  }
  return success();
}

/// added_tokens.json: from texts to ids.
static Status readAddedTokens(const Json &json, const std::string &what, TokenizerConfig &config) {
  if (json.is_null())
    return success();
  for (const auto &entry : json.items()) {
    const std::string &text = entry.key();
    bool known = std::any_of(config.added.begin(), config.added.end(),
                             [&](const AddedToken &token) { return token.content == text; });
    if (known)
      continue;
    AddedToken token;
    token.content = text;
    LLMOPT_ASSIGN(int64_t id, jsonInteger(json, text.c_str(), what, 0, INT32_MAX));
    token.id = static_cast<int32_t>(id);
    config.added.push_back(std::move(token));
  }
  return success();
}

static Status readStopIds(const Json &json, const std::string &what, TokenizerConfig &config) {
  if (!jsonHas(json, "eos_token_id"))
    return success();
  const Json &value = json["eos_token_id"];
  for (const Json &id : value.is_array() ? value : Json::array({value})) {
    if (!id.is_number_integer() || id < 0 || id > INT32_MAX)
      return makeError("{}: eos_token_id has the entry {}, which is no id", what, id.dump());
    config.stopIds.push_back(id.get<int32_t>());
  }
  return success();
}

Result<TokenizerConfig> TokenizerConfig::read(const std::string &directory) {
  TokenizerConfig config;
  auto name = [&](const char *file) { return (fs::path(directory) / file).string(); };
  LLMOPT_ASSIGN(Json json, readOptional(directory, "tokenizer_config.json"));
  config.present = !json.is_null();
  readRoles(json, config);
  LLMOPT_TRY(readFlags(json, name("tokenizer_config.json"), config));
  LLMOPT_TRY(readAddedTokensDecoder(json, name("tokenizer_config.json"), config));
  LLMOPT_ASSIGN(Json map, readOptional(directory, "special_tokens_map.json"));
  readRoles(map, config);
  LLMOPT_ASSIGN(Json added, readOptional(directory, "added_tokens.json"));
  LLMOPT_TRY(readAddedTokens(added, name("added_tokens.json"), config));
  LLMOPT_ASSIGN(Json generation, readOptional(directory, "generation_config.json"));
  LLMOPT_TRY(readStopIds(generation, name("generation_config.json"), config));
  return config;
}

void TokenizerConfig::addRoles(const Vocabulary &vocabulary, std::vector<AddedToken> &added) const {
  auto addRole = [&](const std::string &text) {
    int32_t id = text.empty() ? -1 : vocabulary.find(text);
    if (id < 0 || findByContent(added, text) != added.end())
      return;
    AddedToken token;
    token.id = id;
    token.content = text;
    token.special = true;
    added.push_back(std::move(token));
  };
  for (const auto &[role, text] : roles)
    addRole(text);
  for (const std::string &text : additionalSpecial)
    addRole(text);
}

SpecialIds TokenizerConfig::specialIds(const std::vector<AddedToken> &added,
                                       const Vocabulary &vocabulary) const {
  auto find = [&](const std::string &text) {
    auto token = findByContent(added, text);
    return token == added.end() ? vocabulary.find(text) : token->id;
  };
  SpecialIds special;
  auto idOf = [&](const char *role) -> std::optional<int32_t> {
    auto text = roles.find(role);
    int32_t id = text == roles.end() ? -1 : find(text->second);
    return id < 0 ? std::nullopt : std::make_optional(id);
  };
  special.bos = idOf("bos_token");
  special.eos = idOf("eos_token");
  special.stop = stopIds;
  if (special.eos)
    special.stop.push_back(*special.eos);
  return special;
}

/// Puts `id` into a frame that lacks it, or takes it out.
static Status applyFlag(const std::optional<bool> &flag, const std::optional<int32_t> &id,
                        const char *name, std::vector<int32_t> &frame) {
  if (!flag)
    return success();
  if (*flag && !id)
    return makeError("tokenizer_config.json sets {} but names no such token of the vocabulary",
                     name);
  if (!id)
    return success();
  auto found = std::find(frame.begin(), frame.end(), *id);
  if (*flag && found == frame.end())
    frame.push_back(*id);
  else if (!*flag && found != frame.end())
    frame.erase(found);
  return success();
}

Status TokenizerConfig::applyFrame(const SpecialIds &special, std::vector<int32_t> &prefix,
                                   std::vector<int32_t> &suffix) const {
  LLMOPT_TRY(applyFlag(addBos, special.bos, "add_bos_token", prefix));
  return applyFlag(addEos, special.eos, "add_eos_token", suffix);
}

} // namespace llmopt
