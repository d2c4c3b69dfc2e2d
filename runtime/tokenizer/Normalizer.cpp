#include "runtime/tokenizer/Normalizer.h"
#include "runtime/tokenizer/Regex.h"
#include "runtime/tokenizer/Unicode.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

namespace llmopt {

// No Unicode form makes a text more than 18 times longer; a file whose replacements multiply a text
// beyond this is broken or hostile.
static constexpr size_t largestGrowth = 64;
static constexpr size_t alwaysAllowed = 1 << 16;

static Result<Normalizer::Step> unicodeForm(const icu::Normalizer2 *form, UErrorCode code,
                                            const std::string &type) {
  if (U_FAILURE(code))
    return makeError("the Unicode library has no data for {}: {}", type, u_errorName(code));
  return Normalizer::Step([form](std::string text) -> Result<std::string> {
    UErrorCode status = U_ZERO_ERROR;
    std::string out;
    icu::StringByteSink<std::string> sink(&out);
    form->normalizeUTF8(0, text, sink, nullptr, status);
    if (U_FAILURE(status))
      return makeError("cannot normalize the text: {}", u_errorName(status));
    return out;
  });
}

/// Appends `map(character)`, a text, for each character.
template <typename Map> static Normalizer::Step eachCharacter(Map map) {
  return [map](std::string text) -> Result<std::string> {
    std::string out;
    out.reserve(text.size());
    for (size_t position = 0; position < text.size();)
      map(nextCharacter(text, position), out);
    return out;
  };
}

static void appendLowercase(char32_t character, std::string &out) {
  if (character == 0x130) // the one character whose lower case is always two
    out += "i\xCC\x87";
  else
    appendUtf8(static_cast<char32_t>(u_tolower(static_cast<UChar32>(character))), out);
}

static void appendUnlessMark(char32_t character, std::string &out) {
  if ((U_GET_GC_MASK(static_cast<UChar32>(character)) & U_GC_M_MASK) == 0)
    appendUtf8(character, out);
}

static void appendBytesAsCharacters(char32_t character, std::string &out) {
  std::string bytes;
  appendUtf8(character, bytes);
  for (char byte : bytes)
    appendUtf8(byteToCharacter(static_cast<uint8_t>(byte)), out);
}

static Normalizer::Step stripStep(bool left, bool right) {
  return [left, right](std::string text) -> Result<std::string> {
    size_t begin = 0, end = text.size();
    for (size_t next = 0; left && begin < end; begin = next)
      if (!isWhitespace(nextCharacter(text, next)))
        break;
    for (size_t next = end; right && end > begin; end = next)
      if (!isWhitespace(previousCharacter(text, next)))
        break;
    return text.substr(begin, end - begin);
  };
}

Normalizer::Step prependStep(std::string prefix) {
  return [prefix = std::move(prefix)](std::string text) -> Result<std::string> {
    return text.empty() ? text : prefix + text;
  };
}

Normalizer::Step replaceStep(std::string from, std::string to) {
  return [from = std::move(from), to = std::move(to)](std::string text) -> Result<std::string> {
    if (from.empty())
      return text;
    std::string out;
    out.reserve(text.size());
    size_t position = 0;
    for (size_t found; (found = text.find(from, position)) != std::string::npos;
         position = found + from.size())
      out.append(text, position, found - position).append(to);
    return out.append(text, position, std::string::npos);
  };
}

static Normalizer::Step replaceStep(Regex pattern, std::string to) {
  return
      [pattern = std::move(pattern), to = std::move(to)](std::string text) -> Result<std::string> {
        std::string out;
        size_t position = 0;
        LLMOPT_TRY(pattern.forEachMatch(text, [&](size_t begin, size_t end) {
          out.append(text, position, begin - position).append(to);
          position = end;
        }));
        return out.append(text, position, std::string::npos);
      };
}

static Result<Normalizer::Step> parseReplace(const Json &json, const std::string &what) {
  LLMOPT_ASSIGN(const Json *pattern, jsonObject(json, "pattern", what));
  LLMOPT_ASSIGN(std::string content, jsonString(json, "content", what));
  if (jsonHas(*pattern, "String")) {
    LLMOPT_ASSIGN(std::string from, jsonString(*pattern, "String", what));
    return replaceStep(std::move(from), std::move(content));
  }
  LLMOPT_ASSIGN(std::string source, jsonString(*pattern, "Regex", what));
  LLMOPT_ASSIGN(Regex regex, Regex::compile(source));
  return replaceStep(std::move(regex), std::move(content));
}

static Result<Normalizer::Step> parseStep(const std::string &type, const Json &json,
                                          const std::string &what) {
  UErrorCode code = U_ZERO_ERROR;
  if (type == "NFC")
    return unicodeForm(icu::Normalizer2::getNFCInstance(code), code, type);
  if (type == "NFD")
    return unicodeForm(icu::Normalizer2::getNFDInstance(code), code, type);
  if (type == "NFKC")
    return unicodeForm(icu::Normalizer2::getNFKCInstance(code), code, type);
  if (type == "NFKD")
    return unicodeForm(icu::Normalizer2::getNFKDInstance(code), code, type);
  if (type == "Lowercase")
    return eachCharacter(appendLowercase);
  if (type == "StripAccents")
    return eachCharacter(appendUnlessMark);
  if (type == "ByteLevel")
    return eachCharacter(appendBytesAsCharacters);
  if (type == "Strip") {
    LLMOPT_ASSIGN(bool left, jsonBool(json, "strip_left", what));
    LLMOPT_ASSIGN(bool right, jsonBool(json, "strip_right", what));
    return stripStep(left, right);
  }
  if (type == "Prepend") {
    LLMOPT_ASSIGN(std::string prefix, jsonString(json, "prepend", what));
    return prependStep(std::move(prefix));
  }
  if (type == "Replace")
    return parseReplace(json, what);
  return makeError("{}: normalizer \"{}\" is not supported", what, type);
}

static Status parseInto(const Json &json, const std::string &what, int depth,
                        std::vector<Normalizer::Step> &steps) {
  LLMOPT_ASSIGN(std::string type, jsonString(json, "type", what));
  if (type != "Sequence") {
    LLMOPT_ASSIGN(auto step, parseStep(type, json, what));
    steps.push_back(std::move(step));
    return success();
  }
  if (depth > 16)
    return makeError("{}: normalizers are nested too deeply", what);
  LLMOPT_ASSIGN(const Json *parts, jsonArray(json, "normalizers", what));
  for (const Json &part : *parts)
    LLMOPT_TRY(parseInto(part, what, depth + 1, steps));
  return success();
}

Result<Normalizer> Normalizer::parse(const Json &json, const std::string &what) {
  std::vector<Step> steps;
  if (!json.is_null())
    LLMOPT_TRY(parseInto(json, what, 0, steps));
  return Normalizer(std::move(steps));
}

Result<std::string> Normalizer::apply(std::string text) const {
  const size_t limit = text.size() * largestGrowth + alwaysAllowed;
  for (const Step &step : steps) {
    LLMOPT_ASSIGN(text, step(std::move(text)));
    if (text.size() > limit)
      return makeError("the normalizer makes {} bytes out of a text of {}", text.size(),
                       (limit - alwaysAllowed) / largestGrowth);
  }
  return text;
}

} // namespace llmopt
