#include "runtime/tokenizer/PreTokenizer.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>

namespace llmopt {

const char *const gpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

//===------------------------------------------------------------------------------------------===//
// Splitting
//===------------------------------------------------------------------------------------------===//

namespace {
/// A stretch of a piece; together they cover it. Empty matches count, for they part their
/// neighbours.
struct Span {
  size_t begin;
  size_t end;
  bool isMatch;
};

/// Reports the matches in a text, in order and without overlaps.
using Matcher =
    std::function<Status(std::string_view, const std::function<void(size_t, size_t)> &)>;
} // namespace

static Status cover(const std::string &text, const Matcher &matcher, bool invert,
                    std::vector<Span> &spans) {
  spans.clear();
  size_t position = 0;
  LLMOPT_TRY(matcher(text, [&](size_t begin, size_t end) {
    if (begin > position)
      spans.push_back({position, begin, invert});
    spans.push_back({begin, end, !invert});
    position = end;
  }));
  if (position < text.size())
    spans.push_back({position, text.size(), invert});
  return success();
}

/// Joins or drops spans as the behavior says; what is left are the new pieces.
static void arrange(std::vector<Span> &spans, SplitBehavior behavior) {
  std::vector<Span> result;
  switch (behavior) {
  case SplitBehavior::Isolated:
    return;
  case SplitBehavior::Removed:
    spans.erase(std::remove_if(spans.begin(), spans.end(), [](Span s) { return s.isMatch; }),
                spans.end());
    return;
  case SplitBehavior::Contiguous:
    for (Span span : spans)
      if (!result.empty() && result.back().isMatch == span.isMatch)
        result.back().end = span.end;
      else
        result.push_back(span);
    break;
  case SplitBehavior::MergedWithPrevious: {
    bool afterMatch = false;
    for (Span span : spans) {
      if (span.isMatch && !afterMatch && !result.empty())
        result.back().end = span.end;
      else
        result.push_back(span);
      afterMatch = span.isMatch;
    }
    break;
  }
  case SplitBehavior::MergedWithNext: {
    bool beforeMatch = false;
    for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
      if (span->isMatch && !beforeMatch && !result.empty())
        result.back().begin = span->begin;
      else
        result.push_back(*span);
      beforeMatch = span->isMatch;
    }
    std::reverse(result.begin(), result.end());
    break;
  }
  }
  spans = std::move(result);
}

static PreTokenizer::Step splitWith(Matcher matcher, SplitBehavior behavior, bool invert = false) {
  return [=](std::vector<Piece> &pieces) -> Status {
    std::vector<Piece> result;
    result.reserve(pieces.size());
    std::vector<Span> spans;
    for (Piece &piece : pieces) {
      LLMOPT_TRY(cover(piece.text, matcher, invert, spans));
      arrange(spans, behavior);
      for (Span span : spans)
        if (span.begin < span.end)
          result.push_back({piece.text.substr(span.begin, span.end - span.begin),
                            piece.atStart && span.begin == 0});
    }
    pieces = std::move(result);
    return success();
  };
}

/// Matches every single character of a class.
static Matcher charactersOf(bool (*inClass)(char32_t)) {
  return [inClass](std::string_view text, const std::function<void(size_t, size_t)> &found) {
    for (size_t position = 0; position < text.size();) {
      size_t begin = position;
      if (inClass(nextCharacter(text, position)))
        found(begin, position);
    }
    return success();
  };
}

static Matcher occurrencesOf(std::string needle) {
  return [needle = std::move(needle)](std::string_view text,
                                      const std::function<void(size_t, size_t)> &found) {
    size_t position = 0;
    if (!needle.empty())
      while ((position = text.find(needle, position)) != std::string_view::npos) {
        found(position, position + needle.size());
        position += needle.size();
      }
    return success();
  };
}

PreTokenizer::Step splitStep(Regex regex, SplitBehavior behavior, bool invert) {
  return splitWith(
      [regex = std::move(regex)](std::string_view text,
                                 const std::function<void(size_t, size_t)> &found) {
        return regex.forEachMatch(text, found);
      },
      behavior, invert);
}

//===------------------------------------------------------------------------------------------===//
// Rewriting
//===------------------------------------------------------------------------------------------===//

PreTokenizer::Step byteLevelStep() {
  return [](std::vector<Piece> &pieces) {
    for (Piece &piece : pieces) {
      std::string mapped;
      mapped.reserve(piece.text.size() * 2);
      for (char byte : piece.text)
        appendUtf8(byteToCharacter(static_cast<uint8_t>(byte)), mapped);
      piece.text = std::move(mapped);
    }
    return success();
  };
}

PreTokenizer::Step prependAtStartStep(std::string prefix) {
  return [prefix = std::move(prefix)](std::vector<Piece> &pieces) {
    for (Piece &piece : pieces)
      if (piece.atStart)
        piece.text.insert(0, prefix);
    return success();
  };
}

/// Puts `prefix` before pieces that do not begin with it.
static PreTokenizer::Step ensurePrefix(std::string prefix, bool onlyAtStart) {
  return [prefix = std::move(prefix), onlyAtStart](std::vector<Piece> &pieces) {
    for (Piece &piece : pieces)
      if ((piece.atStart || !onlyAtStart) && piece.text.compare(0, prefix.size(), prefix) != 0)
        piece.text.insert(0, prefix);
    return success();
  };
}

static PreTokenizer::Step replaceBlanks(std::string replacement) {
  return [replacement = std::move(replacement)](std::vector<Piece> &pieces) {
    for (Piece &piece : pieces) {
      std::string out;
      for (char c : piece.text)
        c == ' ' ? out.append(replacement) : out.append(1, c);
      piece.text = std::move(out);
    }
    return success();
  };
}

//===------------------------------------------------------------------------------------------===//
// tokenizer.json
//===------------------------------------------------------------------------------------------===//

static Result<bool> flag(const Json &json, const char *key, bool otherwise,
                         const std::string &what) {
  if (!jsonHas(json, key))
    return otherwise;
  return jsonBool(json, key, what);
}

static Result<SplitBehavior> parseBehavior(const Json &json, const std::string &what) {
  LLMOPT_ASSIGN(std::string name, jsonString(json, "behavior", what));
  if (name == "Removed")
    return SplitBehavior::Removed;
  if (name == "Isolated")
    return SplitBehavior::Isolated;
  if (name == "MergedWithPrevious")
    return SplitBehavior::MergedWithPrevious;
  if (name == "MergedWithNext")
    return SplitBehavior::MergedWithNext;
  if (name == "Contiguous")
    return SplitBehavior::Contiguous;
  return makeError("{}: split behavior \"{}\" is not supported", what, name);
}

static Status parseByteLevel(const Json &json, const std::string &what,
                             std::vector<PreTokenizer::Step> &steps) {
  LLMOPT_ASSIGN(bool prefix, flag(json, "add_prefix_space", true, what));
  LLMOPT_ASSIGN(bool split, flag(json, "use_regex", true, what));
  if (prefix)
    steps.push_back(ensurePrefix(" ", /*onlyAtStart=*/false));
  if (split) {
    LLMOPT_ASSIGN(Regex regex, Regex::compile(gpt2Pattern));
    steps.push_back(splitStep(std::move(regex), SplitBehavior::Isolated, /*invert=*/false));
  }
  steps.push_back(byteLevelStep());
  return success();
}

static Status parseSplit(const Json &json, const std::string &what,
                         std::vector<PreTokenizer::Step> &steps) {
  LLMOPT_ASSIGN(const Json *pattern, jsonObject(json, "pattern", what));
  LLMOPT_ASSIGN(SplitBehavior behavior, parseBehavior(json, what));
  LLMOPT_ASSIGN(bool invert, flag(json, "invert", false, what));
  if (jsonHas(*pattern, "String")) {
    LLMOPT_ASSIGN(std::string needle, jsonString(*pattern, "String", what));
    steps.push_back(splitWith(occurrencesOf(std::move(needle)), behavior, invert));
    return success();
  }
  LLMOPT_ASSIGN(std::string source, jsonString(*pattern, "Regex", what));
  LLMOPT_ASSIGN(Regex regex, Regex::compile(source));
  steps.push_back(splitStep(std::move(regex), behavior, invert));
  return success();
}

static Status parseMetaspace(const Json &json, const std::string &what,
                             std::vector<PreTokenizer::Step> &steps) {
  LLMOPT_ASSIGN(std::string replacement, jsonString(json, "replacement", what));
  // Older files say add_prefix_space where newer ones have a scheme.
  LLMOPT_ASSIGN(bool prefix, flag(json, "add_prefix_space", true, what));
  std::string scheme = prefix ? "always" : "never";
  if (jsonHas(json, "prepend_scheme")) {
    LLMOPT_ASSIGN(scheme, jsonString(json, "prepend_scheme", what));
  }
  LLMOPT_ASSIGN(bool split, flag(json, "split", true, what));
  if (scheme != "always" && scheme != "first" && scheme != "never")
    return makeError("{}: prepend_scheme \"{}\" is not supported", what, scheme);
  steps.push_back(replaceBlanks(replacement));
  if (scheme != "never")
    steps.push_back(ensurePrefix(replacement, scheme == "first"));
  if (split)
    steps.push_back(splitWith(occurrencesOf(replacement), SplitBehavior::MergedWithNext));
  return success();
}

static Status parseInto(const Json &json, const std::string &what, int depth,
                        std::vector<PreTokenizer::Step> &steps) {
  LLMOPT_ASSIGN(std::string type, jsonString(json, "type", what));
  if (type == "Sequence") {
    if (depth > 16)
      return makeError("{}: pre-tokenizers are nested too deeply", what);
    LLMOPT_ASSIGN(const Json *parts, jsonArray(json, "pretokenizers", what));
    for (const Json &part : *parts)
      LLMOPT_TRY(parseInto(part, what, depth + 1, steps));
    return success();
  }
  if (type == "ByteLevel")
    return parseByteLevel(json, what, steps);
  if (type == "Split")
    return parseSplit(json, what, steps);
  if (type == "Metaspace")
    return parseMetaspace(json, what, steps);
  if (type == "Digits") {
    LLMOPT_ASSIGN(bool individual, flag(json, "individual_digits", false, what));
    steps.push_back(splitWith(charactersOf(isNumeric),
                              individual ? SplitBehavior::Isolated : SplitBehavior::Contiguous));
    return success();
  }
  if (type == "Punctuation") {
    SplitBehavior behavior = SplitBehavior::Isolated;
    if (jsonHas(json, "behavior")) {
      LLMOPT_ASSIGN(behavior, parseBehavior(json, what));
    }
    steps.push_back(splitWith(charactersOf(isPunctuation), behavior));
    return success();
  }
  if (type == "WhitespaceSplit") {
    steps.push_back(splitWith(charactersOf(isWhitespace), SplitBehavior::Removed));
    return success();
  }
  if (type == "Whitespace") {
    // Words and runs of symbols: every change between the two kinds, and white space, is a cut.
    steps.push_back(splitWith(charactersOf(isWhitespace), SplitBehavior::Removed));
    steps.push_back(splitWith(charactersOf(isWordCharacter), SplitBehavior::Contiguous));
    return success();
  }
  if (type == "CharDelimiterSplit") {
    LLMOPT_ASSIGN(std::string delimiter, jsonString(json, "delimiter", what));
    steps.push_back(splitWith(occurrencesOf(std::move(delimiter)), SplitBehavior::Removed));
    return success();
  }
  return makeError("{}: pre-tokenizer \"{}\" is not supported", what, type);
}

Result<PreTokenizer> PreTokenizer::parse(const Json &json, const std::string &what) {
  std::vector<Step> steps;
  if (!json.is_null())
    LLMOPT_TRY(parseInto(json, what, 0, steps));
  return PreTokenizer(std::move(steps));
}

Status PreTokenizer::apply(std::vector<Piece> &pieces) const {
  for (const Step &step : steps)
    LLMOPT_TRY(step(pieces));
  return success();
}

} // namespace llmopt
