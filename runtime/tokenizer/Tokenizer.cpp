#include "runtime/tokenizer/Tokenizer.h"
#include "runtime/tokenizer/GgufTokenizer.h"
#include "runtime/tokenizer/SentencePiece.h"
#include "runtime/tokenizer/TokenizerJson.h"

#include <filesystem>

namespace llmopt {

namespace fs = std::filesystem;

Result<std::string> Tokenizer::decode(const std::vector<int32_t> &ids, bool writeSpecial) const {
  DecodeState state = decoder().start();
  std::string bytes;
  for (int32_t id : ids) {
    if (!contains(id))
      return makeError("id {} is not in the vocabulary of {} tokens", id, vocabularySize());
    appendToken(id, writeSpecial, state, bytes);
  }
  return repairUtf8(bytes, decoder().repair());
}

StreamDecoder::StreamDecoder(const Tokenizer &tokenizer, bool writeSpecial)
    : tokenizer(tokenizer), writeSpecial(writeSpecial), state(tokenizer.decoder().start()) {}

std::string StreamDecoder::push(int32_t id) {
  std::string text;
  if (!tokenizer.contains(id))
    return text;
  tokenizer.appendToken(id, writeSpecial, state, pending);
  pending.erase(0, repairUtf8(pending, tokenizer.decoder().repair(), /*final=*/false, text));
  return text;
}

std::string StreamDecoder::flush() {
  std::string text = repairUtf8(pending, tokenizer.decoder().repair());
  pending.clear();
  state = tokenizer.decoder().start();
  return text;
}

Result<std::unique_ptr<Tokenizer>> loadTokenizer(const std::string &path) {
  std::error_code code;
  if (fs::is_regular_file(path, code))
    return loadGgufTokenizer(path);
  if (!fs::is_directory(path, code))
    return makeError("{} is neither a directory nor a file", path);
  if (fs::exists(fs::path(path) / "tokenizer.json", code))
    return loadTokenizerJson(path);
  if (fs::exists(fs::path(path) / "tokenizer.model", code))
    return loadSentencePiece(path);
  return makeError("{} has neither tokenizer.json nor tokenizer.model", path);
}

std::vector<std::string> tokenizerFiles(const std::string &directory) {
  std::vector<std::string> names;
  std::error_code code;
  auto has = [&](const char *name) {
    return fs::is_regular_file(fs::path(directory) / name, code);
  };
  // The others only say more about a tokenizer.
  if (!has("tokenizer.json") && !has("tokenizer.model"))
    return names;
  for (const char *name :
       {"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "generation_config.json"})
    if (has(name))
      names.push_back(name);
  return names;
}

} // namespace llmopt
