//===- Vocabulary.h - Tokens by id, by text and by prefix -------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_VOCABULARY_H
#define LLMOPT_RUNTIME_TOKENIZER_VOCABULARY_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace llmopt {

/// The texts of ids 0 … size − 1. An empty text is an id that stands for nothing. Where two ids
/// have the same text, the text means the later one.
class Vocabulary {
public:
  Vocabulary() = default;
  explicit Vocabulary(std::vector<std::string> tokens);
  Vocabulary(Vocabulary &&) = default;
  Vocabulary &operator=(Vocabulary &&) = default;

  size_t size() const { return texts.size(); }
  const std::string &text(int32_t id) const { return texts[static_cast<size_t>(id)]; }
  bool contains(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < texts.size() && !text(id).empty();
  }
  /// The id of a text, or -1.
  int32_t find(std::string_view text) const {
    auto found = ids.find(text);
    return found == ids.end() ? -1 : found->second;
  }

private:
  std::vector<std::string> texts;
  std::unordered_map<std::string_view, int32_t> ids; // views into texts
};

/// The ids of the tokens <0x00> … <0xFF>, -1 where the vocabulary has none.
std::vector<int32_t> byteTokens(const Vocabulary &vocabulary);

/// The byte that a token of the form <0xAB> stands for, or -1.
int byteOfToken(std::string_view token);

/// Finds the entries that a text begins with.
class PrefixIndex {
public:
  /// Entries (text, value); empty texts are left out.
  explicit PrefixIndex(std::vector<std::pair<std::string, int32_t>> entries);
  PrefixIndex() = default;

  /// Calls found(length, value) for each entry that `text` begins with, shortest first.
  template <typename Found> void forEachPrefix(std::string_view text, Found &&found) const {
    if (text.empty())
      return;
    // All entries in [low, high) share the first `depth` bytes with the text.
    uint32_t low = starts[static_cast<uint8_t>(text[0])];
    uint32_t high = starts[static_cast<uint8_t>(text[0]) + 1u];
    for (size_t depth = 1; low < high; ++depth) {
      for (; low < high && entries[low].first.size() == depth; ++low)
        found(depth, entries[low].second);
      if (depth == text.size() || low == high)
        return;
      low = bound(low, high, depth, static_cast<uint8_t>(text[depth]));
      high = bound(low, high, depth, static_cast<uint8_t>(text[depth]) + 1u);
    }
  }

private:
  /// The first entry of [low, high) whose byte at `depth` is at least `byte`.
  uint32_t bound(uint32_t low, uint32_t high, size_t depth, unsigned byte) const;

  std::vector<std::pair<std::string, int32_t>> entries;      // sorted by bytes
  std::vector<uint32_t> starts = std::vector<uint32_t>(257); // by first byte
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_VOCABULARY_H
