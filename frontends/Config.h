//===- Config.h - A model's config.json, read with care ---------------------------------------===//
//
// Nothing in a config is trusted: a size is read with its bounds, so that no product of two of them
// overflows 64 bits and no loop over one runs away. A field is asked for under all the names that
// it has had; null counts as absent, as it does in transformers.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_FRONTENDS_CONFIG_H
#define LLMOPT_FRONTENDS_CONFIG_H

#include "support/Json.h"

#include <optional>
#include <string>
#include <vector>

namespace llmopt {

/// Bounds far above every published model.
namespace limits {
constexpr int64_t layers = 4096;
constexpr int64_t heads = 1 << 14;
constexpr int64_t headDim = 1 << 14;
constexpr int64_t width = 1 << 22; ///< hidden and feed-forward
constexpr int64_t vocabulary = 1 << 24;
constexpr int64_t context = 1 << 27;
} // namespace limits

class Config {
public:
  /// A field's names, the usual one first.
  using Names = std::vector<const char *>;

  /// Reads `path`, a config.json, and beside it generation_config.json if there is one.
  static Result<Config> open(const std::string &path);
  static Result<Config> parse(std::string_view text, const std::string &file);

  const std::string &file() const { return path; }
  bool has(const Names &names) const { return find(names) != nullptr; }

  /// An integer in [1, maximum]; without a fallback the field must be there.
  Result<int64_t> size(const Names &names, int64_t maximum,
                       std::optional<int64_t> fallback = std::nullopt) const;
  /// A finite number.
  Result<double> number(const Names &names, double fallback) const;
  /// A finite number above zero; without a fallback the field must be there.
  Result<double> positive(const Names &names, std::optional<double> fallback = std::nullopt) const;
  Result<bool> flag(const Names &names, bool fallback) const;
  Result<std::string> text(const Names &names, const std::string &fallback) const;
  /// A list of strings; empty if the field is absent.
  Result<std::vector<std::string>> texts(const char *name) const;
  /// An object as a config of its own; empty if the field is absent.
  Result<std::optional<Config>> object(const Names &names) const;

  /// `eos_token_id` of generation_config.json, or else of config.json: an integer, a list or null.
  Result<std::vector<int64_t>> stopTokens(int64_t vocabulary) const;

  /// An error that begins with the file's name.
  template <typename... Args>
  Error error(fmt::format_string<Args...> format, Args &&...args) const {
    return makeError(format, std::forward<Args>(args)...).within(path);
  }

private:
  Config(Json json, std::string path) : json(std::move(json)), path(std::move(path)) {}
  /// The name under which the field is there, or null.
  const char *find(const Names &names) const;

  Json json;
  std::string path;
  Json generation; ///< generation_config.json, null without one
  std::string generationPath;
};

/// Refuses, by name, what no family here computes: quantized weights, experts, soft caps, scalings
/// of attention, embeddings or logits, encoders.
Status refuseForeignFeatures(const Config &config);

} // namespace llmopt

#endif // LLMOPT_FRONTENDS_CONFIG_H
