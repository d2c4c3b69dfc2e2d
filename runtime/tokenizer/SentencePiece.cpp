#include "runtime/tokenizer/SentencePiece.h"
#include "runtime/tokenizer/Pipeline.h"
#include "runtime/tokenizer/SentencePieceCheck.h"
#include "support/Files.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <filesystem>

namespace llmopt {

using Processor = sentencepiece::SentencePieceProcessor;

static constexpr const char *lowerOneEighthBlock = "\xE2\x96\x81"; // ▁ stands for a blank
static constexpr const char *unknownSurface = " \xE2\x81\x87 ";    // " ⁇ "

namespace {
/// The library as a Model: a piece is a whole stretch of text.
class SentencePieceModel : public Model {
public:
  SentencePieceModel(Vocabulary vocabulary, std::unique_ptr<Processor> processor)
      : Model(std::move(vocabulary)), processor(std::move(processor)) {}

  Status encode(std::string_view piece, std::vector<int32_t> &ids) const override {
    std::vector<int> found;
    auto status = processor->Encode({piece.data(), piece.size()}, &found);
    if (!status.ok())
      return makeError("SentencePiece cannot encode the text: {}", status.ToString());
    ids.insert(ids.end(), found.begin(), found.end());
    return success();
  }

private:
  std::unique_ptr<Processor> processor;
};
} // namespace

static Vocabulary vocabularyOf(const Processor &processor) {
  std::vector<std::string> texts;
  texts.reserve(static_cast<size_t>(processor.GetPieceSize()));
  for (int id = 0; id < processor.GetPieceSize(); ++id)
    texts.push_back(processor.IdToPiece(id));
  return Vocabulary(std::move(texts));
}

/// What the model's normalizer does with blanks at the begin of a text, found out by trying.
static LeadingBlanks leadingBlanks(const Processor &processor) {
  std::vector<int> plain, blanks;
  if (!processor.Encode("a", &plain).ok() || !processor.Encode("  a", &blanks).ok())
    return LeadingBlanks::Keep;
  if (plain == blanks)
    return LeadingBlanks::DropAll;
  bool prefixed =
      !plain.empty() && processor.IdToPiece(plain[0]).compare(0, 3, lowerOneEighthBlock) == 0;
  return prefixed ? LeadingBlanks::DropOne : LeadingBlanks::Keep;
}

/// Control pieces and the unknown piece. Text means them by their names only if `recognized`; if
/// not, the unknown piece decodes to what the library writes for it.
static std::vector<AddedToken> controlPieces(const Processor &processor,
                                             const Vocabulary &vocabulary, bool recognized) {
  std::vector<AddedToken> tokens;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    if (!processor.IsControl(id) && !processor.IsUnknown(id))
      continue;
    AddedToken token;
    token.id = id;
    token.content = vocabulary.text(id);
    token.special = true;
    token.recognized = recognized;
    if (!recognized && processor.IsUnknown(id)) {
      token.content = unknownSurface;
      token.special = false;
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

/// What the configuration adds to the model's pieces: tokens with an id of their own, and roles
/// given to pieces.
static void addFromConfig(const TokenizerConfig &config, const Vocabulary &vocabulary,
                          std::vector<AddedToken> &added) {
  for (AddedToken token : config.added) {
    token.normalized = false; // the library normalizes; there is no text in between to look at
    auto known = findByContent(added, token.content);
    if (known != added.end())
      *known = std::move(token);
    else if (!token.content.empty())
      added.push_back(std::move(token));
  }
  config.addRoles(vocabulary, added);
}

static std::optional<int32_t> idIfAny(int id) {
  return id < 0 ? std::nullopt : std::make_optional<int32_t>(id);
}

Result<std::unique_ptr<Tokenizer>>
parseSentencePiece(std::string_view bytes, const TokenizerConfig &config, const std::string &what) {
  if (auto checked = checkSentencePieceModel(bytes); !checked)
    return makeError("{} is not a SentencePiece model: {}", what, checked.error().message());
  std::string serialized(bytes);
  // Appending to a serialized message merges into it: normalizer_spec (3) { add_dummy_prefix (3): 0
  // }. The blank before the first stretch of text is then put there by the pipeline alone.
  if (!config.legacy)
    serialized.append("\x1A\x02\x18\x00", 4);
  auto processor = std::make_unique<Processor>();
  auto status = processor->LoadFromSerializedProto(serialized);
  if (!status.ok())
    return makeError("{} is not a SentencePiece model: the library cannot read it", what);
  if (processor->GetPieceSize() == 0)
    return makeError("{} is not a SentencePiece model: it has no pieces", what);

  PipelineParts parts;
  parts.decodeAdded = false;
  Vocabulary vocabulary = vocabularyOf(*processor);
  parts.decoder =
      sentencePieceDecoder(config.legacy ? leadingBlanks(*processor) : LeadingBlanks::DropOne);
  if (!config.legacy)
    parts.preTokenizer = PreTokenizer({prependAtStartStep(lowerOneEighthBlock)});

  parts.added = controlPieces(*processor, vocabulary, config.present);
  addFromConfig(config, vocabulary, parts.added);
  parts.special = config.specialIds(parts.added, vocabulary);
  if (!parts.special.bos && !config.roles.count("bos_token"))
    parts.special.bos = idIfAny(processor->bos_id());
  if (!parts.special.eos && !config.roles.count("eos_token")) {
    parts.special.eos = idIfAny(processor->eos_id());
    if (parts.special.eos)
      parts.special.stop.push_back(*parts.special.eos);
  }
  TokenizerConfig frame = config;
  if (!frame.addBos)
    frame.addBos = parts.special.bos.has_value();
  LLMOPT_TRY(frame.applyFrame(parts.special, parts.prefix, parts.suffix));
  parts.model = std::make_unique<SentencePieceModel>(std::move(vocabulary), std::move(processor));
  auto tokenizer = makePipeline(std::move(parts));
  if (!tokenizer)
    return tokenizer.error().within(what);
  return tokenizer;
}

Result<std::unique_ptr<Tokenizer>> loadSentencePiece(const std::string &directory) {
  std::string path = (std::filesystem::path(directory) / "tokenizer.model").string();
  LLMOPT_ASSIGN(std::string bytes, readFile(path));
  LLMOPT_ASSIGN(TokenizerConfig config, TokenizerConfig::read(directory));
  return parseSentencePiece(bytes, config, path);
}

} // namespace llmopt
