#include "runtime/tokenizer/Pipeline.h"

#include <algorithm>
#include <unordered_map>

namespace llmopt {

namespace {
class PipelineTokenizer : public Tokenizer {
public:
  static Result<std::unique_ptr<Tokenizer>> create(PipelineParts parts);

  Result<std::vector<int32_t>> encode(std::string_view text, bool addSpecial) const override;
  size_t vocabularySize() const override { return size; }
  bool contains(int32_t id) const override {
    return addedById.count(id) != 0 || parts.model->vocabulary.contains(id);
  }
  const SpecialIds &specialIds() const override { return parts.special; }

protected:
  const Decoder &decoder() const override { return parts.decoder; }
  void appendToken(int32_t id, bool writeSpecial, DecodeState &state,
                   std::string &bytes) const override;

private:
  explicit PipelineTokenizer(PipelineParts parts) : parts(std::move(parts)) {}
  Status prepare();
  Status encodeText(std::string_view text, bool atStart, std::vector<int32_t> &ids) const;

  PipelineParts parts;
  AddedTokenMatcher inRawText;
  AddedTokenMatcher inNormalText;
  bool anyInNormalText = false;
  std::unordered_map<int32_t, const AddedToken *> addedById;
  size_t size = 0;
};
} // namespace

Result<std::unique_ptr<Tokenizer>> PipelineTokenizer::create(PipelineParts parts) {
  std::unique_ptr<PipelineTokenizer> tokenizer(new PipelineTokenizer(std::move(parts)));
  LLMOPT_TRY(tokenizer->prepare());
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

Status PipelineTokenizer::prepare() {
  size = parts.model->vocabulary.size();
  std::vector<AddedToken> raw, normal;
  std::vector<std::string> rawTexts, normalTexts;
  for (const AddedToken &token : parts.added) {
    // Ids far past the vocabulary are a broken file, not a table to be allocated.
    if (token.id < 0 || static_cast<size_t>(token.id) > parts.model->vocabulary.size() + (1 << 20))
      return makeError("added token \"{}\" has the id {}, but the vocabulary has {} tokens",
                       token.content, token.id, parts.model->vocabulary.size());
    addedById[token.id] = &token;
    size = std::max(size, static_cast<size_t>(token.id) + 1);
    if (!token.recognized)
      continue;
    if (token.normalized) {
      LLMOPT_ASSIGN(std::string text, parts.normalizer.apply(token.content));
      normal.push_back(token);
      normalTexts.push_back(std::move(text));
    } else {
      raw.push_back(token);
      rawTexts.push_back(token.content);
    }
  }
  anyInNormalText = !normal.empty();
  inRawText = AddedTokenMatcher(std::move(raw), rawTexts);
  inNormalText = AddedTokenMatcher(std::move(normal), normalTexts);

  std::sort(parts.special.stop.begin(), parts.special.stop.end());
  parts.special.stop.erase(std::unique(parts.special.stop.begin(), parts.special.stop.end()),
                           parts.special.stop.end());
  for (const std::vector<int32_t> *frame : {&parts.prefix, &parts.suffix})
    for (int32_t id : *frame)
      if (!contains(id))
        return makeError("the ids around a text include {}, which is not in the vocabulary of {} "
                         "tokens",
                         id, size);
  return success();
}

Result<std::vector<int32_t>> PipelineTokenizer::encode(std::string_view input,
                                                       bool addSpecial) const {
  std::string text = repairUtf8(input);
  std::vector<int32_t> ids;
  if (addSpecial)
    ids = parts.prefix;
  for (const Segment &segment : inRawText.split(text)) {
    if (segment.id >= 0) {
      ids.push_back(segment.id);
      continue;
    }
    std::string_view between =
        std::string_view(text).substr(segment.begin, segment.end - segment.begin);
    LLMOPT_ASSIGN(std::string normal, parts.normalizer.apply(std::string(between)));
    if (!anyInNormalText) {
      LLMOPT_TRY(encodeText(normal, segment.begin == 0, ids));
      continue;
    }
    for (const Segment &part : inNormalText.split(normal)) {
      if (part.id >= 0)
        ids.push_back(part.id);
      else
        LLMOPT_TRY(encodeText(std::string_view(normal).substr(part.begin, part.end - part.begin),
                              segment.begin == 0 && part.begin == 0, ids));
    }
  }
  if (addSpecial)
    ids.insert(ids.end(), parts.suffix.begin(), parts.suffix.end());
  return ids;
}

Status PipelineTokenizer::encodeText(std::string_view text, bool atStart,
                                     std::vector<int32_t> &ids) const {
  if (text.empty())
    return success();
  std::vector<Piece> pieces{{std::string(text), atStart}};
  LLMOPT_TRY(parts.preTokenizer.apply(pieces));
  for (const Piece &piece : pieces)
    LLMOPT_TRY(parts.model->encode(piece.text, ids));
  return success();
}

void PipelineTokenizer::appendToken(int32_t id, bool writeSpecial, DecodeState &state,
                                    std::string &bytes) const {
  auto added = addedById.find(id);
  if (added == addedById.end())
    return parts.decoder.append(parts.model->vocabulary.text(id), state, bytes);
  const AddedToken &token = *added->second;
  if (token.special && !writeSpecial)
    return;
  if (parts.decodeAdded)
    parts.decoder.append(token.content, state, bytes);
  else
    parts.decoder.appendLiteral(token.content, state, bytes);
}

Result<std::unique_ptr<Tokenizer>> makePipeline(PipelineParts parts) {
  return PipelineTokenizer::create(std::move(parts));
}

} // namespace llmopt
