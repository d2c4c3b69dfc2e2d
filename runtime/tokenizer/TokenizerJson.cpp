#include "runtime/tokenizer/TokenizerJson.h"
#include "runtime/tokenizer/Bpe.h"
#include "runtime/tokenizer/Pipeline.h"
#include "runtime/tokenizer/Unigram.h"
#include "support/Files.h"

#include <algorithm>
#include <filesystem>

namespace llmopt {

//===------------------------------------------------------------------------------------------===//
// Models
//===------------------------------------------------------------------------------------------===//

/// The `vocab` of a BPE model: from texts to ids.
static Result<Vocabulary> parseVocabulary(const Json &model, const std::string &what) {
  LLMOPT_ASSIGN(const Json *vocab, jsonObject(model, "vocab", what));
  std::vector<std::string> texts;
  // Holes are allowed, but a file may not make us allocate what it does not hold.
  const int64_t limit = static_cast<int64_t>(vocab->size()) * 16 + 4096;
  for (const auto &[text, id] : vocab->items()) {
    if (!id.is_number_integer() || id < 0 || id >= limit)
      return makeError("{}: the token \"{}\" has the id {} in a vocabulary of {} tokens", what,
                       text, id.dump(), vocab->size());
    size_t index = id.get<size_t>();
    if (index >= texts.size())
      texts.resize(index + 1);
    texts[index] = text;
  }
  return Vocabulary(std::move(texts));
}

/// The `merges` of a BPE model: "left right", or [left, right] in newer files.
static Result<std::vector<std::pair<std::string, std::string>>>
parseMerges(const Json &model, const std::string &what) {
  LLMOPT_ASSIGN(const Json *list, jsonArray(model, "merges", what));
  std::vector<std::pair<std::string, std::string>> merges;
  merges.reserve(list->size());
  for (const Json &entry : *list) {
    if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
      merges.emplace_back(entry[0].get<std::string>(), entry[1].get<std::string>());
      continue;
    }
    std::string line = entry.is_string() ? entry.get<std::string>() : std::string();
    size_t blank = line.find(' ');
    if (blank == std::string::npos || line.find(' ', blank + 1) != std::string::npos)
      return makeError("{}: merge {} is not two tokens", what, merges.size());
    merges.emplace_back(line.substr(0, blank), line.substr(blank + 1));
  }
  return merges;
}

static Status readFlag(const Json &json, const char *key, const std::string &what, bool &value) {
  if (jsonHas(json, key)) {
    LLMOPT_ASSIGN(value, jsonBool(json, key, what));
  }
  return success();
}

static Result<std::unique_ptr<Model>> parseBpe(const Json &model, const std::string &what) {
  if (jsonHas(model, "dropout")) {
    LLMOPT_ASSIGN(double dropout, jsonNumber(model, "dropout", what));
    if (dropout != 0)
      return makeError("{}: a dropout of {} is not supported: it makes ids random", what, dropout);
  }
  LLMOPT_ASSIGN(Vocabulary vocabulary, parseVocabulary(model, what));
  LLMOPT_ASSIGN(auto merges, parseMerges(model, what));
  BpeOptions options;
  LLMOPT_TRY(readFlag(model, "fuse_unk", what, options.fuseUnknown));
  LLMOPT_TRY(readFlag(model, "byte_fallback", what, options.byteFallback));
  LLMOPT_TRY(readFlag(model, "ignore_merges", what, options.ignoreMerges));
  if (jsonHas(model, "continuing_subword_prefix")) {
    LLMOPT_ASSIGN(options.continuingPrefix, jsonString(model, "continuing_subword_prefix", what));
  }
  if (jsonHas(model, "end_of_word_suffix")) {
    LLMOPT_ASSIGN(options.endSuffix, jsonString(model, "end_of_word_suffix", what));
  }
  if (jsonHas(model, "unk_token")) {
    LLMOPT_ASSIGN(std::string unknown, jsonString(model, "unk_token", what));
    options.unknown = vocabulary.find(unknown);
    if (options.unknown < 0)
      return makeError("{}: the unknown token \"{}\" is not in the vocabulary", what, unknown);
  }
  auto made = BpeModel::create(std::move(vocabulary), merges, std::move(options));
  if (!made)
    return made.error().within(what);
  return std::unique_ptr<Model>(*std::move(made));
}

static Result<std::unique_ptr<Model>> parseUnigram(const Json &model, const std::string &what) {
  LLMOPT_ASSIGN(const Json *vocab, jsonArray(model, "vocab", what));
  std::vector<std::string> texts;
  std::vector<double> scores;
  for (const Json &entry : *vocab) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
      return makeError("{}: entry {} of the vocabulary is not a text and a score", what,
                       texts.size());
    texts.push_back(entry[0].get<std::string>());
    scores.push_back(entry[1].get<double>());
  }
  int32_t unknown = -1;
  if (jsonHas(model, "unk_id")) {
    LLMOPT_ASSIGN(int64_t id,
                  jsonInteger(model, "unk_id", what, 0, static_cast<int64_t>(texts.size()) - 1));
    unknown = static_cast<int32_t>(id);
    if (texts[static_cast<size_t>(id)].empty())
      return makeError("{}: the unknown token, {}, has no text", what, id);
  }
  bool byteFallback = false;
  LLMOPT_TRY(readFlag(model, "byte_fallback", what, byteFallback));
  return std::unique_ptr<Model>(std::make_unique<UnigramModel>(
      Vocabulary(std::move(texts)), std::move(scores), unknown, byteFallback));
}

static Result<std::unique_ptr<Model>> parseModel(const Json &json, const std::string &what) {
  LLMOPT_ASSIGN(const Json *model, jsonObject(json, "model", what));
  std::string type = jsonHas(*model, "merges") ? "BPE" : "Unigram"; // early files do not say
  if (jsonHas(*model, "type")) {
    LLMOPT_ASSIGN(type, jsonString(*model, "type", what));
  }
  if (type == "BPE")
    return parseBpe(*model, what);
  if (type == "Unigram")
    return parseUnigram(*model, what);
  return makeError("{}: models of type \"{}\" are not supported (BPE and Unigram are)", what, type);
}

//===------------------------------------------------------------------------------------------===//
// Post-processors
//===------------------------------------------------------------------------------------------===//

namespace {
struct Frame {
  std::vector<int32_t> prefix;
  std::vector<int32_t> suffix;
};
} // namespace

/// The template for a single text: special tokens before and after the one sequence.
static Status parseTemplate(const Json &json, const std::string &what, Frame &frame) {
  LLMOPT_ASSIGN(const Json *single, jsonArray(json, "single", what));
  LLMOPT_ASSIGN(const Json *tokens, jsonObject(json, "special_tokens", what));
  bool behind = false;
  for (const Json &part : *single) {
    if (jsonHas(part, "Sequence")) {
      if (behind)
        return makeError("{}: a template that has the text twice is not supported", what);
      behind = true;
      continue;
    }
    LLMOPT_ASSIGN(const Json *special, jsonObject(part, "SpecialToken", what));
    LLMOPT_ASSIGN(std::string name, jsonString(*special, "id", what));
    LLMOPT_ASSIGN(const Json *token, jsonObject(*tokens, name.c_str(), what));
    LLMOPT_ASSIGN(const Json *ids, jsonArray(*token, "ids", what));
    for (const Json &id : *ids) {
      if (!id.is_number_integer() || id < 0 || id > INT32_MAX)
        return makeError("{}: the template's token \"{}\" has the id {}", what, name, id.dump());
      (behind ? frame.suffix : frame.prefix).push_back(id.get<int32_t>());
    }
  }
  if (!behind)
    return makeError("{}: the template has no place for the text", what);
  return success();
}

/// A pair [text, id], as BertProcessing and RobertaProcessing name their tokens.
static Result<int32_t> parsePair(const Json &json, const char *key, const std::string &what) {
  LLMOPT_ASSIGN(const Json *pair, jsonArray(json, key, what));
  if (pair->size() != 2 || !(*pair)[1].is_number_integer() || (*pair)[1] < 0 ||
      (*pair)[1] > INT32_MAX)
    return makeError("{}: field '{}' is not a token and its id", what, key);
  return (*pair)[1].get<int32_t>();
}

static Status parsePostProcessor(const Json &json, const std::string &what, int depth,
                                 Frame &frame) {
  if (json.is_null())
    return success();
  LLMOPT_ASSIGN(std::string type, jsonString(json, "type", what));
  if (type == "ByteLevel") // only corrects offsets
    return success();
  if (type == "Sequence") {
    if (depth > 16)
      return makeError("{}: post-processors are nested too deeply", what);
    LLMOPT_ASSIGN(const Json *parts, jsonArray(json, "processors", what));
    for (const Json &part : *parts)
      LLMOPT_TRY(parsePostProcessor(part, what, depth + 1, frame));
    return success();
  }
  // A processor behind another frames what that has framed.
  Frame own;
  if (type == "TemplateProcessing") {
    LLMOPT_TRY(parseTemplate(json, what, own));
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    LLMOPT_ASSIGN(int32_t begin, parsePair(json, "cls", what));
    LLMOPT_ASSIGN(int32_t end, parsePair(json, "sep", what));
    own = {{begin}, {end}};
  } else {
    return makeError("{}: post-processor \"{}\" is not supported", what, type);
  }
  frame.prefix.insert(frame.prefix.begin(), own.prefix.begin(), own.prefix.end());
  frame.suffix.insert(frame.suffix.end(), own.suffix.begin(), own.suffix.end());
  return success();
}

//===------------------------------------------------------------------------------------------===//
// The whole
//===------------------------------------------------------------------------------------------===//

static Status parseAdded(const Json &json, const std::string &what, const Vocabulary &vocabulary,
                         std::vector<AddedToken> &added) {
  if (!jsonHas(json, "added_tokens"))
    return success();
  LLMOPT_ASSIGN(const Json *list, jsonArray(json, "added_tokens", what));
  for (const Json &entry : *list) {
    LLMOPT_ASSIGN(AddedToken token, parseAddedToken(entry, what));
    LLMOPT_ASSIGN(int64_t id, jsonInteger(entry, "id", what, 0, INT32_MAX));
    // A text that the model knows keeps the id it has there.
    int32_t known = vocabulary.find(token.content);
    token.id = known >= 0 ? known : static_cast<int32_t>(id);
    if (!token.content.empty())
      added.push_back(std::move(token));
  }
  return success();
}

/// What tokenizer_config.json knows and tokenizer.json does not: more added tokens, and texts of
/// the vocabulary that have a role.
static void addFromConfig(const TokenizerConfig &config, const Vocabulary &vocabulary,
                          std::vector<AddedToken> &added) {
  for (const AddedToken &token : config.added)
    if (!token.content.empty() && findByContent(added, token.content) == added.end())
      added.push_back(token);
  config.addRoles(vocabulary, added);
}

static Result<PreTokenizer> parsePreTokenizer(const Json &json, const TokenizerConfig &config,
                                              const std::string &what) {
  Json pre = jsonHas(json, "pre_tokenizer") ? json["pre_tokenizer"] : Json();
  // As in the reference library, the configuration has the last word on the blank before a text.
  if (config.addPrefixSpace && jsonHas(pre, "add_prefix_space") && pre["type"] == "ByteLevel")
    pre["add_prefix_space"] = *config.addPrefixSpace;
  return PreTokenizer::parse(pre, what);
}

static Result<PipelineParts> parseParts(const Json &json, const TokenizerConfig &config,
                                        const std::string &what) {
  PipelineParts parts;
  LLMOPT_ASSIGN(parts.model, parseModel(json, what));
  const Vocabulary &vocabulary = parts.model->vocabulary;
  LLMOPT_TRY(parseAdded(json, what, vocabulary, parts.added));
  addFromConfig(config, vocabulary, parts.added);
  auto field = [&](const char *key) { return jsonHas(json, key) ? json[key] : Json(); };
  LLMOPT_ASSIGN(parts.normalizer, Normalizer::parse(field("normalizer"), what));
  LLMOPT_ASSIGN(parts.preTokenizer, parsePreTokenizer(json, config, what));
  LLMOPT_ASSIGN(parts.decoder, Decoder::parse(field("decoder"), what));
  Frame frame;
  LLMOPT_TRY(parsePostProcessor(field("post_processor"), what, 0, frame));
  parts.prefix = std::move(frame.prefix);
  parts.suffix = std::move(frame.suffix);
  parts.special = config.specialIds(parts.added, vocabulary);
  LLMOPT_TRY(config.applyFrame(parts.special, parts.prefix, parts.suffix));
  return parts;
}

Result<std::unique_ptr<Tokenizer>>
parseTokenizerJson(std::string_view text, const TokenizerConfig &config, const std::string &what) {
  LLMOPT_ASSIGN(Json json, parseJson(text, what));
  if (!json.is_object())
    return makeError("{} is not a JSON object", what);
  LLMOPT_ASSIGN(PipelineParts parts, parseParts(json, config, what));
  auto tokenizer = makePipeline(std::move(parts));
  if (!tokenizer)
    return tokenizer.error().within(what);
  return tokenizer;
}

Result<std::unique_ptr<Tokenizer>> loadTokenizerJson(const std::string &directory) {
  std::string path = (std::filesystem::path(directory) / "tokenizer.json").string();
  LLMOPT_ASSIGN(std::string text, readFile(path));
  LLMOPT_ASSIGN(TokenizerConfig config, TokenizerConfig::read(directory));
  return parseTokenizerJson(text, config, path);
}

} // namespace llmopt
