#include "support/Text.h"

#include <cstdint>
#include <cstdio>

namespace llmopt {

static bool isContinuation(char byte) { return (static_cast<uint8_t>(byte) & 0xC0) == 0x80; }

/// The bytes of the character that the text begins with (RFC 3629); 0 if there is none, or if it is
/// a control character.
static size_t characterBytes(std::string_view text) {
  const uint8_t lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80)
    return lead >= 0x20 && lead != 0x7F ? 1 : 0;
  const size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length)
    return 0;
  for (size_t i = 1; i < length; ++i)
    if (!isContinuation(text[i]))
      return 0;
  // Controls (U+0080 to U+009F), longer forms of shorter characters, surrogates, above U+10FFFF.
  const uint8_t second = static_cast<uint8_t>(text[1]);
  const bool none = (lead == 0xC2 && second < 0xA0) || (lead == 0xE0 && second < 0xA0) ||
                    (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
                    (lead == 0xF4 && second > 0x8F);
  return none ? 0 : length;
}

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    size_t length = characterBytes(text);
    if (length != 0) {
      result += text.substr(0, length);
    } else if (text[0] == '\n') {
      result += "\\n";
    } else if (text[0] == '\t') {
      result += "\\t";
    } else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02X", static_cast<unsigned>(uint8_t(text[0])));
      result += escape;
    }
    text.remove_prefix(length != 0 ? length : 1);
  }
  return result;
}

std::string shortened(std::string_view text, size_t limit) {
  if (text.size() <= limit)
    return std::string(text);
  while (limit > 0 && isContinuation(text[limit]))
    --limit;
  return std::string(text.substr(0, limit)) + "...";
}

} // namespace llmopt
