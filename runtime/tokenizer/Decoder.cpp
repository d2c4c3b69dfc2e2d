#include "runtime/tokenizer/Decoder.h"
#include "runtime/tokenizer/Vocabulary.h"

namespace llmopt {

void Decoder::append(std::string token, DecodeState &state, std::string &bytes) const {
  for (const Step &step : steps)
    step(token, state.first);
  state.first = false;
  std::string_view text = token;
  while (state.strippable > 0 && text.substr(0, leading.size()) == leading) {
    text.remove_prefix(leading.size());
    --state.strippable;
  }
  if (!text.empty())
    state.strippable = 0;
  bytes.append(text);
}

void Decoder::appendLiteral(std::string_view text, DecodeState &state, std::string &bytes) const {
  state = {/*first=*/false, /*strippable=*/0};
  bytes.append(text);
}

//===------------------------------------------------------------------------------------------===//
// Steps
//===------------------------------------------------------------------------------------------===//

Decoder::Step byteLevelDecodeStep() {
  return [](std::string &token, bool) {
    std::string bytes;
    for (size_t position = 0; position < token.size();) {
      int byte = characterToByte(nextCharacter(token, position));
      if (byte < 0)
        return;
      bytes.push_back(static_cast<char>(byte));
    }
    token = std::move(bytes);
  };
}

Decoder::Step byteFallbackStep() {
  return [](std::string &token, bool) {
    if (int byte = byteOfToken(token); byte >= 0)
      token.assign(1, static_cast<char>(byte));
  };
}

static void replaceAll(std::string &text, const std::string &from, const std::string &to) {
  for (size_t found = 0; !from.empty() && (found = text.find(from, found)) != std::string::npos;
       found += to.size())
    text.replace(found, from.size(), to);
}

Decoder::Step decodeReplaceStep(std::string from, std::string to) {
  return [from = std::move(from), to = std::move(to)](std::string &token, bool) {
    replaceAll(token, from, to);
  };
}

/// The replacement becomes a blank, and nothing in the text's first token if a prefix was put
/// there.
static Decoder::Step metaspaceStep(std::string replacement, bool prefixed) {
  return [replacement = std::move(replacement), prefixed](std::string &token, bool first) {
    replaceAll(token, replacement, first && prefixed ? "" : " ");
  };
}

/// Drops up to `start` and `stop` times `content` from the ends of each token.
static Decoder::Step stripTokenStep(std::string content, size_t start, size_t stop) {
  return [=](std::string &token, bool) {
    for (size_t i = 0; i < start && token.compare(0, content.size(), content) == 0; ++i)
      token.erase(0, content.size());
    for (size_t i = 0; i < stop && token.size() >= content.size() &&
                       token.compare(token.size() - content.size(), content.size(), content) == 0;
         ++i)
      token.erase(token.size() - content.size());
  };
}

Decoder sentencePieceDecoder(LeadingBlanks blanks) {
  static const std::string blank = "\xE2\x96\x81"; // ▁
  std::vector<Decoder::Step> steps;
  if (blanks == LeadingBlanks::DropOne)
    steps.push_back([](std::string &token, bool first) {
      if (first && token.compare(0, blank.size(), blank) == 0)
        token.erase(0, blank.size());
    });
  steps.push_back(decodeReplaceStep(blank, " "));
  steps.push_back(byteFallbackStep());
  if (blanks == LeadingBlanks::DropAll)
    return Decoder(std::move(steps), Utf8Repair::PerByte, " ", SIZE_MAX);
  return Decoder(std::move(steps), Utf8Repair::PerByte);
}

//===------------------------------------------------------------------------------------------===//
// tokenizer.json
//===------------------------------------------------------------------------------------------===//

namespace {
/// What the parts of a decoder add up to.
struct Parts {
  std::vector<Decoder::Step> steps;
  Utf8Repair repair = Utf8Repair::PerSequence;
  bool fused = false; // the steps from here on see the whole text, not a token
  std::string leading;
  size_t leadingCount = 0;
};
} // namespace

static Status parseStrip(const Json &json, const std::string &what, Parts &parts) {
  LLMOPT_ASSIGN(std::string content, jsonString(json, "content", what));
  LLMOPT_ASSIGN(int64_t start, jsonInteger(json, "start", what, 0, 1 << 20));
  LLMOPT_ASSIGN(int64_t stop, jsonInteger(json, "stop", what, 0, 1 << 20));
  if (content.empty())
    return makeError("{}: decoder \"Strip\" has no content", what);
  if (!parts.fused) {
    parts.steps.push_back(
        stripTokenStep(std::move(content), static_cast<size_t>(start), static_cast<size_t>(stop)));
    return success();
  }
  if (stop > 0 || !parts.leading.empty())
    return makeError("{}: decoder \"Strip\" after \"Fuse\" is supported once, at the start", what);
  parts.leading = std::move(content);
  parts.leadingCount = static_cast<size_t>(start);
  return success();
}

static Status parseInto(const Json &json, const std::string &what, int depth, Parts &parts) {
  LLMOPT_ASSIGN(std::string type, jsonString(json, "type", what));
  if (type == "Sequence") {
    if (depth > 16)
      return makeError("{}: decoders are nested too deeply", what);
    LLMOPT_ASSIGN(const Json *list, jsonArray(json, "decoders", what));
    for (const Json &part : *list)
      LLMOPT_TRY(parseInto(part, what, depth + 1, parts));
    return success();
  }
  if (type == "Strip")
    return parseStrip(json, what, parts);
  if (type == "Fuse") {
    parts.fused = true;
    return success();
  }
  if (parts.fused)
    return makeError("{}: decoder \"{}\" after \"Fuse\" is not supported", what, type);
  if (type == "ByteLevel") {
    parts.steps.push_back(byteLevelDecodeStep());
  } else if (type == "ByteFallback") {
    parts.steps.push_back(byteFallbackStep());
    parts.repair = Utf8Repair::PerByte;
  } else if (type == "Replace") {
    LLMOPT_ASSIGN(const Json *pattern, jsonObject(json, "pattern", what));
    if (!jsonHas(*pattern, "String"))
      return makeError("{}: decoder \"Replace\" with a regular expression is not supported", what);
    LLMOPT_ASSIGN(std::string from, jsonString(*pattern, "String", what));
    LLMOPT_ASSIGN(std::string to, jsonString(json, "content", what));
    parts.steps.push_back(decodeReplaceStep(std::move(from), std::move(to)));
  } else if (type == "Metaspace") {
    LLMOPT_ASSIGN(std::string replacement, jsonString(json, "replacement", what));
    bool prefixed = true;
    if (jsonHas(json, "prepend_scheme")) {
      LLMOPT_ASSIGN(std::string scheme, jsonString(json, "prepend_scheme", what));
      prefixed = scheme != "never";
    } else if (jsonHas(json, "add_prefix_space")) {
      LLMOPT_ASSIGN(prefixed, jsonBool(json, "add_prefix_space", what));
    }
    parts.steps.push_back(metaspaceStep(std::move(replacement), prefixed));
  } else {
    return makeError("{}: decoder \"{}\" is not supported", what, type);
  }
  return success();
}

Result<Decoder> Decoder::parse(const Json &json, const std::string &what) {
  Parts parts;
  if (json.is_null())
    parts.steps.push_back([](std::string &token, bool first) {
      if (!first)
        token.insert(0, " ");
    });
  else
    LLMOPT_TRY(parseInto(json, what, 0, parts));
  return Decoder(std::move(parts.steps), parts.repair, std::move(parts.leading),
                 parts.leadingCount);
}

} // namespace llmopt
