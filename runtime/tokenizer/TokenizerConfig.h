//===- TokenizerConfig.h - What stands beside tokenizer.json and tokenizer.model --------------===//
//
// tokenizer_config.json, special_tokens_map.json, added_tokens.json and generation_config.json,
// each of which may be missing.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_TOKENIZERCONFIG_H
#define LLMOPT_RUNTIME_TOKENIZER_TOKENIZERCONFIG_H

#include "runtime/tokenizer/AddedTokens.h"
#include "runtime/tokenizer/Tokenizer.h"
#include "support/Json.h"

#include <map>

namespace llmopt {

struct TokenizerConfig {
  bool present = false; // whether there is a tokenizer_config.json
  /// The texts of the tokens with a role: "bos_token", "eos_token", "unk_token", …
  std::map<std::string, std::string> roles;
  std::vector<std::string> additionalSpecial;
  std::vector<AddedToken> added;
  std::optional<bool> addBos;
  std::optional<bool> addEos;
  std::optional<bool> addPrefixSpace;
  bool legacy = true; // of the Llama kind: a blank before every stretch of text, not just the first
  std::vector<int32_t> stopIds; // generation_config.json's eos_token_id

  static Result<TokenizerConfig> read(const std::string &directory);

  /// Appends the texts of the vocabulary that have a role and are not among `added` yet.
  void addRoles(const Vocabulary &vocabulary, std::vector<AddedToken> &added) const;

  /// The ids with a role, whose texts are looked for among the added tokens first.
  SpecialIds specialIds(const std::vector<AddedToken> &added, const Vocabulary &vocabulary) const;

  /// Makes BOS and EOS around a text what add_bos_token and add_eos_token say, if they say
  /// anything.
  Status applyFrame(const SpecialIds &special, std::vector<int32_t> &prefix,
                    std::vector<int32_t> &suffix) const;
};

/// An entry of tokenizer.json's added_tokens or of added_tokens_decoder, all but the id.
Result<AddedToken> parseAddedToken(const Json &json, const std::string &what);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_TOKENIZERCONFIG_H
