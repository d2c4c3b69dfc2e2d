//===- SentencePieceCheck.cpp -----------------------------------------------------------------===//
//
// ModelProto: normalizer_spec is field 3 and denormalizer_spec field 5, both NormalizerSpec, whose
// field 2 is precompiled_charsmap: u32 size of the trie in bytes, the trie, and the replacements,
// each ended by a zero byte. The trie is a double array of the darts-clone library, of u32 units:
//   bits 0-7 label, 8 has a leaf, 9 offset is in units of 256, 10-30 offset, 31 is a leaf
// and of a leaf, bits 0-30 are its value, an offset into the replacements. From unit i, byte b
// leads to unit i ^ offset ^ b, and to its leaf i ^ offset.
//
//===------------------------------------------------------------------------------------------===//

#include "runtime/tokenizer/SentencePieceCheck.h"

#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

namespace llmopt {

static Error notWhole() { return makeError("its protobuf fields do not end where the file does"); }

static Result<uint64_t> readVarint(std::string_view &bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    uint8_t byte = static_cast<uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    value |= uint64_t(byte & 0x7F) << shift;
    if (byte < 0x80)
      return value;
  }
  return notWhole();
}

/// Calls `found(number, content)` for each field of bytes; other fields are passed over.
static Status
forEachBytesField(std::string_view message,
                  const std::function<Status(uint64_t number, std::string_view)> &found) {
  while (!message.empty()) {
    LLMOPT_ASSIGN(uint64_t tag, readVarint(message));
    uint64_t length = 0;
    switch (tag & 7) { // the wire type
    case 0:
      LLMOPT_TRY(readVarint(message));
      break;
    case 1:
      length = 8;
      break;
    case 2: {
      LLMOPT_ASSIGN(length, readVarint(message));
      break;
    }
    case 5:
      length = 4;
      break;
    default:
      return makeError("it has a protobuf field of the unknown type {}", tag & 7);
    }
    if (length > message.size())
      return notWhole();
    if ((tag & 7) == 2)
      LLMOPT_TRY(found(tag >> 3, message.substr(0, length)));
    message.remove_prefix(length);
  }
  return success();
}

static Status checkCharacterMap(std::string_view map) {
  if (map.empty())
    return success();
  const Error broken = makeError("its normalizer's character map is broken");
  uint32_t trieSize = 0;
  if (map.size() < sizeof trieSize)
    return broken;
  std::memcpy(&trieSize, map.data(), sizeof trieSize);
  map.remove_prefix(sizeof trieSize);
  if (trieSize % sizeof(uint32_t) != 0 || trieSize == 0 || trieSize >= map.size())
    return broken;
  std::vector<uint32_t> units(trieSize / sizeof(uint32_t));
  std::memcpy(units.data(), map.data(), trieSize);
  std::string_view replacements = map.substr(trieSize);
  if (replacements.back() != '\0')
    return broken;

  constexpr uint32_t leafBit = 1u << 31;
  for (uint32_t i = 0; i < units.size(); ++i) {
    uint32_t unit = units[i];
    if ((unit & leafBit) && i != 0) // the root is followed whatever it says
      continue;
    uint32_t offset = (unit >> 10) << ((unit >> 9 & 1) * 8);
    uint32_t base = i ^ offset;
    if ((base | 0xFF) >= units.size())
      return broken;
    if ((unit >> 8 & 1) && (units[base] & ~leafBit) >= replacements.size())
      return broken;
  }
  return success();
}

Status checkSentencePieceModel(std::string_view bytes) {
  return forEachBytesField(bytes, [](uint64_t number, std::string_view content) -> Status {
    if (number != 3 && number != 5)
      return success();
    return forEachBytesField(content, [](uint64_t inner, std::string_view map) {
      return inner == 2 ? checkCharacterMap(map) : success();
    });
  });
}

} // namespace llmopt
