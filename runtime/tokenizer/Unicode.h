//===- Unicode.h - UTF-8 and the character classes that tokenizers ask for --------------------===//
//
// Text inside the tokenizer is always valid UTF-8: repairUtf8 stands at the entrance, and character
// loops behind it need no error case.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_UNICODE_H
#define LLMOPT_RUNTIME_TOKENIZER_UNICODE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace llmopt {

/// What a run of bytes that is no character becomes: one U+FFFD for each maximal prefix of a
/// character (as Python's and Rust's decoders do), or one for each byte (as SentencePiece does).
enum class Utf8Repair { PerSequence, PerByte };

/// Appends `bytes` to `out` as valid UTF-8 and returns how many bytes it used. All of them if
/// `final`; otherwise bytes at the end that may yet become a character are left.
size_t repairUtf8(std::string_view bytes, Utf8Repair repair, bool final, std::string &out);

/// `bytes` with everything invalid replaced.
std::string repairUtf8(std::string_view bytes, Utf8Repair repair = Utf8Repair::PerSequence);

/// The bytes of the character that begins with `lead`, in valid UTF-8.
inline size_t utf8Length(char lead) {
  uint8_t byte = static_cast<uint8_t>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/// Reads the character at `position` of valid UTF-8 and moves behind it.
char32_t nextCharacter(std::string_view text, size_t &position);

/// Reads the character that ends at `position` of valid UTF-8 and moves before it.
char32_t previousCharacter(std::string_view text, size_t &position);

void appendUtf8(char32_t character, std::string &out);

/// The Unicode property White_Space.
bool isWhitespace(char32_t character);
/// The general categories Nd, Nl and No.
bool isNumeric(char32_t character);
/// The general categories P*, and the ASCII symbols that keyboards call punctuation.
bool isPunctuation(char32_t character);
/// What a regular expression calls \w: letters, marks, decimal digits and connectors.
bool isWordCharacter(char32_t character);

/// The character that stands for a byte in byte-level BPE (GPT-2's table: printable Latin-1 stands
/// for itself, the others for U+0100 and up, in order).
char32_t byteToCharacter(uint8_t byte);

/// The byte that a character stands for, or -1.
int characterToByte(char32_t character);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_UNICODE_H
