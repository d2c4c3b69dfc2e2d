#include "runtime/tokenizer/GgufTokenizer.h"
#include "runtime/tokenizer/Bpe.h"
#include "runtime/tokenizer/GgufMetadata.h"
#include "runtime/tokenizer/GgufPreTokenizers.h"
#include "runtime/tokenizer/Pipeline.h"
#include "support/Files.h"

#include <algorithm>
#include <cmath>

namespace llmopt {

static constexpr const char *lowerOneEighthBlock = "\xE2\x96\x81"; // ▁ stands for a blank

namespace {
enum TokenType : int32_t {
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6
};

/// What both kinds of vocabulary have.
struct Tokens {
  std::vector<std::string_view> texts;
  std::vector<int32_t> types;
};
} // namespace

static Result<Tokens> readTokens(const GgufMetadata &metadata, const std::string &what) {
  LLMOPT_ASSIGN(auto texts, metadata.strings("tokenizer.ggml.tokens"));
  LLMOPT_ASSIGN(auto types, metadata.integers("tokenizer.ggml.token_type"));
  if (texts.empty())
    return makeError("{} holds no vocabulary: tokenizer.ggml.tokens is missing or empty", what);
  if (texts.size() > size_t(1) << 24)
    return makeError("{}: a vocabulary of {} tokens is not supported", what, texts.size());
  Tokens tokens{std::move(texts), std::move(types)};
  if (!metadata.has("tokenizer.ggml.token_type"))
    tokens.types.assign(tokens.texts.size(), Normal);
  if (tokens.types.size() != tokens.texts.size())
    return makeError("{}: tokenizer.ggml.token_type has {} entries for {} tokens", what,
                     tokens.types.size(), tokens.texts.size());
  for (size_t i = 0; i < tokens.texts.size(); ++i)
    if (repairUtf8(tokens.texts[i]) != tokens.texts[i])
      return makeError("{}: the text of token {} is not UTF-8", what, i);
  return tokens;
}

static Vocabulary makeVocabulary(const Tokens &tokens) {
  return Vocabulary(std::vector<std::string>(tokens.texts.begin(), tokens.texts.end()));
}

static Result<std::unique_ptr<Model>>
readScoredModel(const GgufMetadata &metadata, const Tokens &tokens, const std::string &what) {
  LLMOPT_ASSIGN(auto scores, metadata.floats("tokenizer.ggml.scores"));
  if (scores.size() != tokens.texts.size())
    return makeError("{}: tokenizer.ggml.scores has {} entries for {} tokens", what, scores.size(),
                     tokens.texts.size());
  if (std::any_of(scores.begin(), scores.end(), [](float s) { return std::isnan(s); }))
    return makeError("{}: tokenizer.ggml.scores has an entry that is not a number", what);
  Vocabulary vocabulary = makeVocabulary(tokens);
  LLMOPT_ASSIGN(auto unknown, metadata.integer("tokenizer.ggml.unknown_token_id", 0,
                                               static_cast<int64_t>(tokens.texts.size()) - 1));
  if (unknown && tokens.texts[static_cast<size_t>(*unknown)].empty())
    return makeError("{}: the unknown token, {}, has no text", what, *unknown);
  int32_t unknownId = unknown ? static_cast<int32_t>(*unknown) : vocabulary.find("<unk>");
  return std::unique_ptr<Model>(
      std::make_unique<ScoredBpeModel>(std::move(vocabulary), scores, unknownId));
}

static Result<std::unique_ptr<Model>> readMergeModel(const GgufMetadata &metadata,
                                                     const Tokens &tokens, bool ignoreMerges,
                                                     const std::string &what) {
  LLMOPT_ASSIGN(auto lines, metadata.strings("tokenizer.ggml.merges"));
  if (!metadata.has("tokenizer.ggml.merges"))
    return makeError("{}: tokenizer.ggml.merges is missing", what);
  std::vector<std::pair<std::string, std::string>> merges;
  merges.reserve(lines.size());
  for (std::string_view line : lines) {
    size_t blank = line.find(' ', 1); // a token is never empty, so the first byte belongs to it
    if (blank == std::string_view::npos)
      return makeError("{}: the merge \"{}\" is not two tokens", what, repairUtf8(line));
    merges.emplace_back(line.substr(0, blank), line.substr(blank + 1));
  }
  BpeOptions options;
  options.ignoreMerges = ignoreMerges;
  auto model = BpeModel::create(makeVocabulary(tokens), merges, std::move(options));
  if (!model)
    return model.error().within(what);
  return std::unique_ptr<Model>(*std::move(model));
}

/// Names that chat models give to the end of a turn; files made before tokenizer.ggml.eot_token_id
/// was written have no other sign of it.
static bool endsATurn(std::string_view text) {
  for (const char *name : {"<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>",
                           "<|endoftext|>", "<|end_of_text|>", "<EOT>", "<|end_of_turn|>"})
    if (text == name)
      return true;
  return false;
}

static Result<SpecialIds> readSpecialIds(const GgufMetadata &metadata, const Tokens &tokens,
                                         const Vocabulary *defaults) {
  SpecialIds special;
  const int64_t last = static_cast<int64_t>(tokens.texts.size()) - 1;
  LLMOPT_ASSIGN(auto bos, metadata.integer("tokenizer.ggml.bos_token_id", 0, last));
  LLMOPT_ASSIGN(auto eos, metadata.integer("tokenizer.ggml.eos_token_id", 0, last));
  if (bos)
    special.bos = static_cast<int32_t>(*bos);
  else if (defaults && defaults->find("<s>") >= 0)
    special.bos = defaults->find("<s>");
  if (eos)
    special.eos = static_cast<int32_t>(*eos);
  else if (defaults && defaults->find("</s>") >= 0)
    special.eos = defaults->find("</s>");
  if (special.eos)
    special.stop.push_back(*special.eos);
  for (const char *key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    LLMOPT_ASSIGN(auto id, metadata.integer(key, 0, last));
    if (id)
      special.stop.push_back(static_cast<int32_t>(*id));
  }
  for (size_t i = 0; i < tokens.texts.size(); ++i)
    if (tokens.types[i] == Control && endsATurn(tokens.texts[i]))
      special.stop.push_back(static_cast<int32_t>(i));
  return special;
}

static std::vector<AddedToken> addedTokens(const Tokens &tokens) {
  std::vector<AddedToken> added;
  for (size_t i = 0; i < tokens.texts.size(); ++i) {
    int32_t type = tokens.types[i];
    if (tokens.texts[i].empty() || (type != Unknown && type != Control && type != UserDefined))
      continue;
    AddedToken token;
    token.id = static_cast<int32_t>(i);
    token.content = std::string(tokens.texts[i]);
    token.special = type != UserDefined;
    added.push_back(std::move(token));
  }
  return added;
}

/// BOS and EOS around a text, as the file says or else `addBos`.
static Status readFrame(const GgufMetadata &metadata, bool addBos, const std::string &what,
                        PipelineParts &parts) {
  LLMOPT_ASSIGN(auto bos, metadata.boolean("tokenizer.ggml.add_bos_token"));
  LLMOPT_ASSIGN(auto eos, metadata.boolean("tokenizer.ggml.add_eos_token"));
  if (bos.value_or(addBos) && parts.special.bos)
    parts.prefix = {*parts.special.bos};
  else if (bos.value_or(false))
    return makeError("{} asks for a BOS token and names none", what);
  if (eos.value_or(false)) {
    if (!parts.special.eos)
      return makeError("{} asks for an EOS token and names none", what);
    parts.suffix = {*parts.special.eos};
  }
  return success();
}

Result<std::unique_ptr<Tokenizer>> parseGgufTokenizer(std::string_view bytes,
                                                      const std::string &what) {
  LLMOPT_ASSIGN(GgufMetadata metadata, GgufMetadata::parse(bytes, what));
  LLMOPT_ASSIGN(auto model, metadata.string("tokenizer.ggml.model"));
  if (!model)
    return makeError("{} holds no vocabulary: tokenizer.ggml.model is missing", what);
  LLMOPT_ASSIGN(Tokens tokens, readTokens(metadata, what));

  PipelineParts parts;
  parts.decodeAdded = false;
  bool addBos = false;
  if (*model == "llama") {
    LLMOPT_ASSIGN(parts.model, readScoredModel(metadata, tokens, what));
    LLMOPT_ASSIGN(auto spacePrefix, metadata.boolean("tokenizer.ggml.add_space_prefix"));
    const bool prefixed = spacePrefix.value_or(true);
    std::vector<Normalizer::Step> steps;
    if (prefixed)
      steps.push_back(prependStep(" "));
    steps.push_back(replaceStep(" ", lowerOneEighthBlock));
    parts.normalizer = Normalizer(std::move(steps));
    parts.decoder = sentencePieceDecoder(prefixed ? LeadingBlanks::DropOne : LeadingBlanks::Keep);
    addBos = true;
  } else if (*model == "gpt2") {
    LLMOPT_ASSIGN(auto name, metadata.string("tokenizer.ggml.pre"));
    auto pre = ggufPreTokenizer(std::string(name.value_or("default")));
    if (!pre)
      return pre.error().within(what);
    LLMOPT_ASSIGN(parts.model, readMergeModel(metadata, tokens, pre->ignoreMerges, what));
    parts.preTokenizer = std::move(pre->preTokenizer);
    parts.decoder = Decoder({byteLevelDecodeStep()}, Utf8Repair::PerSequence);
    addBos = pre->addBos;
  } else {
    return makeError("{}: vocabularies of the model \"{}\" are not supported (llama and gpt2 are)",
                     what, repairUtf8(*model));
  }
  LLMOPT_ASSIGN(
      parts.special,
      readSpecialIds(metadata, tokens, *model == "llama" ? &parts.model->vocabulary : nullptr));
  parts.added = addedTokens(tokens);
  LLMOPT_TRY(readFrame(metadata, addBos, what, parts));
  auto tokenizer = makePipeline(std::move(parts));
  if (!tokenizer)
    return tokenizer.error().within(what);
  return tokenizer;
}

Result<std::unique_ptr<Tokenizer>> loadGgufTokenizer(const std::string &path) {
  LLMOPT_ASSIGN(MappedFile file, MappedFile::open(path));
  return parseGgufTokenizer({reinterpret_cast<const char *>(file.data()), file.size()}, path);
}

} // namespace llmopt
