#include "runtime/tokenizer/Unicode.h"

#include <unicode/uchar.h>

#include <array>

namespace llmopt {

namespace {
/// The first character of some bytes: its length if it is complete; else how many bytes are a
/// prefix of one (at least 1), and whether more bytes could complete it.
struct Scan {
  size_t length;
  bool complete;
  bool cutShort;
};
} // namespace

/// Follows table 3-7 of the Unicode standard: the second byte's range depends on the first, which
/// rules out overlong forms, surrogates and values past U+10FFFF.
static Scan scanCharacter(std::string_view bytes) {
  uint8_t lead = static_cast<uint8_t>(bytes[0]);
  if (lead < 0x80)
    return {1, true, false};
  if (lead < 0xC2 || lead > 0xF4)
    return {1, false, false};
  size_t length = utf8Length(bytes[0]);
  for (size_t i = 1; i < length; ++i) {
    if (i == bytes.size())
      return {i, false, true};
    uint8_t low = 0x80, high = 0xBF;
    if (i == 1) {
      low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : low;
      high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : high;
    }
    uint8_t byte = static_cast<uint8_t>(bytes[i]);
    if (byte < low || byte > high)
      return {i, false, false};
  }
  return {length, true, false};
}

size_t repairUtf8(std::string_view bytes, Utf8Repair repair, bool final, std::string &out) {
  size_t position = 0;
  while (position < bytes.size()) {
    Scan scan = scanCharacter(bytes.substr(position));
    if (scan.complete) {
      out.append(bytes.substr(position, scan.length));
    } else if (scan.cutShort && !final) {
      break;
    } else {
      size_t count = repair == Utf8Repair::PerByte ? scan.length : 1;
      for (size_t i = 0; i < count; ++i)
        out.append("\xEF\xBF\xBD");
    }
    position += scan.length;
  }
  return position;
}

std::string repairUtf8(std::string_view bytes, Utf8Repair repair) {
  std::string out;
  out.reserve(bytes.size());
  repairUtf8(bytes, repair, /*final=*/true, out);
  return out;
}

char32_t nextCharacter(std::string_view text, size_t &position) {
  uint8_t lead = static_cast<uint8_t>(text[position++]);
  if (lead < 0x80)
    return lead;
  size_t more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  char32_t character = lead & (0x3F >> more);
  for (; more > 0 && position < text.size(); --more)
    character = character << 6 | (static_cast<uint8_t>(text[position++]) & 0x3F);
  return character;
}

char32_t previousCharacter(std::string_view text, size_t &position) {
  do
    --position;
  while (position > 0 && (static_cast<uint8_t>(text[position]) & 0xC0) == 0x80);
  size_t begin = position;
  return nextCharacter(text, begin);
}

void appendUtf8(char32_t character, std::string &out) {
  auto tail = [&](int shift) {
    out.push_back(static_cast<char>(0x80 | (character >> shift & 0x3F)));
  };
  if (character < 0x80) {
    out.push_back(static_cast<char>(character));
  } else if (character < 0x800) {
    out.push_back(static_cast<char>(0xC0 | character >> 6));
    tail(0);
  } else if (character < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | character >> 12));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xF0 | character >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool isWhitespace(char32_t character) { return u_isUWhiteSpace(static_cast<UChar32>(character)); }

bool isNumeric(char32_t character) {
  return (U_GET_GC_MASK(static_cast<UChar32>(character)) & U_GC_N_MASK) != 0;
}

bool isPunctuation(char32_t character) {
  if (character < 0x80)
    return character > 0x20 && character < 0x7F && !(character >= '0' && character <= '9') &&
           !((character | 0x20) >= 'a' && (character | 0x20) <= 'z');
  return (U_GET_GC_MASK(static_cast<UChar32>(character)) & U_GC_P_MASK) != 0;
}

bool isWordCharacter(char32_t character) {
  UChar32 c = static_cast<UChar32>(character);
  return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) ||
         (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

static bool standsForItself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

char32_t byteToCharacter(uint8_t byte) {
  static const std::array<char32_t, 256> table = [] {
    std::array<char32_t, 256> made{};
    char32_t next = 0x100;
    for (int i = 0; i < 256; ++i)
      made[static_cast<size_t>(i)] = standsForItself(i) ? static_cast<char32_t>(i) : next++;
    return made;
  }();
  return table[byte];
}

int characterToByte(char32_t character) {
  static const std::array<int16_t, 0x144> table = [] {
    std::array<int16_t, 0x144> made;
    made.fill(-1);
    for (int i = 0; i < 256; ++i)
      made[byteToCharacter(static_cast<uint8_t>(i))] = static_cast<int16_t>(i);
    return made;
  }();
  return character < table.size() ? table[character] : -1;
}

} // namespace llmopt
