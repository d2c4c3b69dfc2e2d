#include "frontends/Config.h"

#include "support/Files.h"

#include <filesystem>

namespace llmopt {

namespace fs = std::filesystem;

Result<Config> Config::open(const std::string &path) {
  LLMOPT_ASSIGN(std::string text, readFile(path, uint64_t(1) << 24));
  LLMOPT_ASSIGN(Config config, parse(text, path));
  fs::path generation = fs::path(path).parent_path() / "generation_config.json";
  std::error_code error;
  if (fs::is_regular_file(generation, error)) {
    config.generationPath = generation.string();
    LLMOPT_ASSIGN(config.generation, readJsonFile(config.generationPath));
  }
  return config;
}

Result<Config> Config::parse(std::string_view text, const std::string &file) {
  LLMOPT_ASSIGN(Json json, parseJson(text, file));
  if (!json.is_object())
    return makeError("{} is not a JSON object", file);
  return Config(std::move(json), file);
}

const char *Config::find(const Names &names) const {
  for (const char *name : names)
    if (jsonHas(json, name))
      return name;
  return nullptr;
}

Result<int64_t> Config::size(const Names &names, int64_t maximum,
                             std::optional<int64_t> fallback) const {
  const char *name = find(names);
  if (!name && fallback)
    return *fallback;
  LLMOPT_ASSIGN(int64_t value, jsonInteger(json, name ? name : names.front(), path, 1, maximum));
  for (const char *other : names)
    if (jsonHas(json, other) && json[other] != json[name])
      return error("fields '{}' and '{}' contradict each other", name, other);
  return value;
}

Result<double> Config::number(const Names &names, double fallback) const {
  const char *name = find(names);
  if (!name)
    return fallback;
  return jsonNumber(json, name, path);
}

Result<double> Config::positive(const Names &names, std::optional<double> fallback) const {
  const char *name = find(names);
  if (!name && fallback)
    return *fallback;
  LLMOPT_ASSIGN(double value, jsonNumber(json, name ? name : names.front(), path));
  if (value <= 0)
    return error("field '{}' is {}, not above zero", name, value);
  return value;
}

Result<bool> Config::flag(const Names &names, bool fallback) const {
  const char *name = find(names);
  if (!name)
    return fallback;
  return jsonBool(json, name, path);
}

Result<std::string> Config::text(const Names &names, const std::string &fallback) const {
  const char *name = find(names);
  if (!name)
    return fallback;
  return jsonString(json, name, path);
}

Result<std::vector<std::string>> Config::texts(const char *name) const {
  std::vector<std::string> result;
  if (!has({name}))
    return result;
  LLMOPT_ASSIGN(const Json *array, jsonArray(json, name, path));
  for (const Json &entry : *array) {
    if (!entry.is_string())
      return error("field '{}' has {}, not a string", name, shortened(entry.dump()));
    result.push_back(entry.get<std::string>());
  }
  return result;
}

Result<std::optional<Config>> Config::object(const Names &names) const {
  const char *name = find(names);
  if (!name)
    return std::optional<Config>();
  LLMOPT_ASSIGN(const Json *inner, jsonObject(json, name, path));
  return std::optional<Config>(Config(*inner, fmt::format("{}: {}", path, name)));
}

Result<std::vector<int64_t>> Config::stopTokens(int64_t vocabulary) const {
  const char *key = "eos_token_id";
  bool generated = jsonHas(generation, key);
  const std::string &source = generated ? generationPath : path;
  Json field = generated ? generation[key] : jsonHas(json, key) ? json[key] : Json::array();
  if (!field.is_array())
    field = Json::array({field});
  std::vector<int64_t> tokens;
  for (const Json &token : field) {
    if (!token.is_number_unsigned())
      return makeError("{}: field '{}' has {}, not a token id", source, key,
                       shortened(token.dump()));
    if (token.get<uint64_t>() >= static_cast<uint64_t>(vocabulary))
      return makeError("{}: field '{}' has {}, outside the vocabulary of {} tokens", source, key,
                       token.get<uint64_t>(), vocabulary);
    tokens.push_back(token.get<int64_t>());
  }
  return tokens;
}

/// A field that changes the maths unless it has its neutral value.
struct ForeignFeature {
  const char *name;
  double neutral; ///< for numbers; false and null are neutral too
  const char *meaning;
};

static constexpr ForeignFeature foreignFeatures[] = {
    {"quantization_config", 0, "quantized weights (only F32, F16 and BF16 are read)"},
    {"compression_config", 0, "compressed weights (only F32, F16 and BF16 are read)"},
    {"is_encoder_decoder", 0, "an encoder"},
    {"add_cross_attention", 0, "cross-attention"},
    {"num_local_experts", 1, "experts"},
    {"num_experts", 1, "experts"},
    {"n_routed_experts", 1, "experts"},
    {"attn_logit_softcapping", 0, "a soft cap on attention scores"},
    {"final_logit_softcapping", 0, "a soft cap on logits"},
    {"query_pre_attn_scalar", 0, "another scale of attention scores"},
    {"attention_multiplier", 0, "another scale of attention scores"},
    {"attn_temperature_tuning", 0, "another scale of attention scores"},
    {"embedding_multiplier", 1, "scaled embeddings"},
    {"scale_embedding", 0, "scaled embeddings"},
    {"scale_emb", 1, "scaled embeddings"},
    {"residual_multiplier", 1, "scaled residuals"},
    {"scale_depth", 0, "scaled residuals"},
    {"logits_scaling", 1, "scaled logits"},
    {"logit_scale", 1, "scaled logits"},
    {"qk_layernorm", 0, "norms of queries and keys"},
    {"use_qk_norm", 0, "norms of queries and keys"},
    {"clip_qkv", 0, "clipped queries, keys and values"},
    {"kv_lora_rank", 0, "latent attention"},
    {"no_rope_layers", 0, "layers without rotary positions"},
    {"apply_residual_connection_post_layernorm", 0, "residuals after the norm"},
};

Status refuseForeignFeatures(const Config &config) {
  for (const ForeignFeature &feature : foreignFeatures) {
    if (!config.has({feature.name}))
      continue;
    // Whatever is neither false nor the neutral number is a use of the feature.
    if (auto flag = config.flag({feature.name}, true); flag && !*flag)
      continue;
    if (auto number = config.number({feature.name}, 0); number && *number == feature.neutral)
      continue;
    return config.error("field '{}' asks for {}, which is not supported", feature.name,
                        feature.meaning);
  }
  return success();
}

} // namespace llmopt
