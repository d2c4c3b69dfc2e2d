#include "runtime/tokenizer/Vocabulary.h"

#include <algorithm>

namespace llmopt {

Vocabulary::Vocabulary(std::vector<std::string> tokens) : texts(std::move(tokens)) {
  ids.reserve(texts.size());
  for (size_t id = 0; id < texts.size(); ++id)
    if (!texts[id].empty())
      ids.insert_or_assign(texts[id], static_cast<int32_t>(id));
}

int byteOfToken(std::string_view token) {
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>')
    return -1;
  int value = 0;
  for (char c : token.substr(3, 2)) {
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                       : -1;
    if (digit < 0)
      return -1;
    value = value * 16 + digit;
  }
  return value;
}

std::vector<int32_t> byteTokens(const Vocabulary &vocabulary) {
  std::vector<int32_t> tokens(256);
  static constexpr char digits[] = "0123456789ABCDEF";
  for (size_t byte = 0; byte < 256; ++byte)
    tokens[byte] =
        vocabulary.find({"<0x" + std::string{digits[byte / 16], digits[byte % 16]} + ">"});
  return tokens;
}

PrefixIndex::PrefixIndex(std::vector<std::pair<std::string, int32_t>> unsorted)
    : entries(std::move(unsorted)) {
  entries.erase(std::remove_if(entries.begin(), entries.end(),
                               [](const auto &entry) { return entry.first.empty(); }),
                entries.end());
  // std::string compares as unsigned bytes.
  std::sort(entries.begin(), entries.end());
  for (const auto &entry : entries)
    ++starts[static_cast<uint8_t>(entry.first[0]) + 1u];
  for (size_t i = 1; i < starts.size(); ++i)
    starts[i] += starts[i - 1];
}

uint32_t PrefixIndex::bound(uint32_t low, uint32_t high, size_t depth, unsigned byte) const {
  auto found =
      std::partition_point(entries.begin() + low, entries.begin() + high, [&](const auto &entry) {
        return static_cast<uint8_t>(entry.first[depth]) < byte;
      });
  return static_cast<uint32_t>(found - entries.begin());
}

} // namespace llmopt
