#include "runtime/tokenizer/Bpe.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>
#include <numeric>
#include <queue>

namespace llmopt {

//===------------------------------------------------------------------------------------------===//
// Merging
//===------------------------------------------------------------------------------------------===//

namespace {
/// A stretch of the piece; symbols form a list in the order of the text.
struct Symbol {
  int32_t id;
  uint32_t begin;  // byte offset in the piece
  uint32_t length; // in bytes; 0 once merged into the symbol before
  int32_t previous;
  int32_t next;
};

/// A pair that may be merged. It is out of date when its symbols no longer have its length
/// together.
struct Candidate {
  int32_t priority;
  int32_t left;
  int32_t right;
  uint32_t length;
  int32_t id;

  bool operator<(const Candidate &other) const { // the greatest leaves the queue first
    return priority != other.priority ? priority > other.priority : left > other.left;
  }
};
} // namespace

/// Merges until no pair is known. `lookUp(left, right)` gives {rank, id} of a pair of neighbours,
/// or null (any pointer-like type).
template <typename LookUp> static void mergeSymbols(std::vector<Symbol> &symbols, LookUp &&lookUp) {
  if (symbols.size() < 2)
    return;
  std::vector<Candidate> heap;
  heap.reserve(symbols.size() * 2);
  auto consider = [&](int32_t left, int32_t right, bool push) {
    if (left < 0 || right < 0)
      return;
    const Symbol &l = symbols[static_cast<size_t>(left)];
    const Symbol &r = symbols[static_cast<size_t>(right)];
    if (auto merge = lookUp(l, r)) {
      heap.push_back({merge->rank, left, right, l.length + r.length, merge->id});
      if (push)
        std::push_heap(heap.begin(), heap.end());
    }
  };
  for (size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].previous = static_cast<int32_t>(i) - 1;
    symbols[i].next = i + 1 < symbols.size() ? static_cast<int32_t>(i) + 1 : -1;
    consider(symbols[i].previous, static_cast<int32_t>(i), /*push=*/false);
  }
  std::make_heap(heap.begin(), heap.end());

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    Candidate best = heap.back();
    heap.pop_back();
    Symbol &left = symbols[static_cast<size_t>(best.left)];
    Symbol &right = symbols[static_cast<size_t>(best.right)];
    if (left.length == 0 || right.length == 0 || left.length + right.length != best.length)
      continue;
    left.id = best.id;
    left.length = best.length;
    left.next = right.next;
    right.length = 0;
    if (left.next >= 0)
      symbols[static_cast<size_t>(left.next)].previous = best.left;
    consider(left.previous, best.left, /*push=*/true);
    consider(best.left, left.next, /*push=*/true);
  }
}

static Status checkLength(std::string_view piece) {
  if (piece.size() > size_t(1) << 30)
    return makeError("cannot tokenize a piece of {} bytes; the limit is 1 GiB", piece.size());
  return success();
}

//===------------------------------------------------------------------------------------------===//
// MergeTable
//===------------------------------------------------------------------------------------------===//

MergeTable::MergeTable(size_t count) {
  size_t size = 16;
  while (size < count * 2)
    size *= 2;
  slots.resize(size);
}

size_t MergeTable::slotOf(int32_t left, int32_t right) const {
  uint64_t key = uint64_t(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  // Fibonacci hashing: the high bits of a product with 2^64 / golden ratio.
  size_t slot = static_cast<size_t>((key * 0x9E3779B97F4A7C15u) >> 20) & (slots.size() - 1);
  while (slots[slot].left >= 0 && (slots[slot].left != left || slots[slot].right != right))
    slot = (slot + 1) & (slots.size() - 1);
  return slot;
}

void MergeTable::insert(int32_t left, int32_t right, Merge merge) {
  slots[slotOf(left, right)] = {left, right, merge};
}

const MergeTable::Merge *MergeTable::find(int32_t left, int32_t right) const {
  const Slot &slot = slots[slotOf(left, right)];
  return slot.left >= 0 ? &slot.merge : nullptr;
}

//===------------------------------------------------------------------------------------------===//
// BpeModel
//===------------------------------------------------------------------------------------------===//

BpeModel::BpeModel(Vocabulary vocabulary, MergeTable merges, BpeOptions options)
    : Model(std::move(vocabulary)), merges(std::move(merges)), options(std::move(options)) {
  if (this->options.byteFallback)
    bytes = byteTokens(this->vocabulary);
}

Result<std::unique_ptr<BpeModel>>
BpeModel::create(Vocabulary vocabulary,
                 const std::vector<std::pair<std::string, std::string>> &merges,
                 BpeOptions options) {
  MergeTable table(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto &[left, right] = merges[rank];
    // "a" + "##b" makes "ab": the prefix marks a continuation, it is no text.
    std::string_view rest = right;
    const std::string &prefix = options.continuingPrefix;
    if (rest.substr(0, prefix.size()) == prefix)
      rest.remove_prefix(prefix.size());
    int32_t leftId = vocabulary.find(left), rightId = vocabulary.find(right);
    int32_t id = vocabulary.find(left + std::string(rest));
    if (leftId < 0 || rightId < 0 || id < 0)
      return makeError("merge {} (\"{}\" with \"{}\") needs a token that the vocabulary lacks",
                       rank, left, right);
    table.insert(leftId, rightId, {static_cast<int32_t>(rank), id});
  }
  return std::unique_ptr<BpeModel>(
      new BpeModel(std::move(vocabulary), std::move(table), std::move(options)));
}

Status BpeModel::encode(std::string_view piece, std::vector<int32_t> &ids) const {
  LLMOPT_TRY(checkLength(piece));
  if (options.ignoreMerges)
    if (int32_t whole = vocabulary.find(piece); whole >= 0) {
      ids.push_back(whole);
      return success();
    }

  std::vector<Symbol> symbols;
  symbols.reserve(piece.size());
  auto add = [&](int32_t id, size_t begin, size_t length) {
    symbols.push_back({id, static_cast<uint32_t>(begin), static_cast<uint32_t>(length), -1, -1});
  };
  // A run of unknown characters is held back until something known follows it.
  size_t unknownBegin = 0, unknownLength = 0;
  auto addUnknown = [&] {
    if (unknownLength > 0)
      add(options.unknown, unknownBegin, unknownLength);
    unknownLength = 0;
  };
  std::string decorated;
  for (size_t begin = 0, length; begin < piece.size(); begin += length) {
    length = utf8Length(piece[begin]);
    std::string_view character = piece.substr(begin, length);
    std::string_view token = character;
    bool last = begin + length >= piece.size();
    if ((begin > 0 && !options.continuingPrefix.empty()) || (last && !options.endSuffix.empty())) {
      decorated = begin > 0 ? options.continuingPrefix : std::string();
      decorated.append(character);
      if (last)
        decorated.append(options.endSuffix);
      token = decorated;
    }
    if (int32_t id = vocabulary.find(token); id >= 0) {
      addUnknown();
      add(id, begin, length);
      continue;
    }
    if (options.byteFallback && std::all_of(token.begin(), token.end(), [&](char c) {
          return bytes[static_cast<uint8_t>(c)] >= 0;
        })) {
      for (char c : token)
        add(bytes[static_cast<uint8_t>(c)], begin, 1);
      continue;
    }
    if (options.unknown < 0)
      continue;
    if (!options.fuseUnknown)
      addUnknown();
    if (unknownLength == 0)
      unknownBegin = begin;
    unknownLength += length;
  }
  addUnknown();

  mergeSymbols(symbols, [&](const Symbol &left, const Symbol &right) {
    return merges.find(left.id, right.id);
  });
  for (const Symbol &symbol : symbols)
    if (symbol.length > 0)
      ids.push_back(symbol.id);
  return success();
}

//===------------------------------------------------------------------------------------------===//
// ScoredBpeModel
//===------------------------------------------------------------------------------------------===//

ScoredBpeModel::ScoredBpeModel(Vocabulary tokens, const std::vector<float> &scores, int32_t unknown)
    : Model(std::move(tokens)), priorities(scores.size()), bytes(byteTokens(vocabulary)),
      unknown(unknown) {
  std::vector<int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  auto score = [&](int32_t id) { return scores[static_cast<size_t>(id)]; };
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return score(a) > score(b); });
  int32_t rank = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && score(order[i]) != score(order[i - 1]))
      ++rank;
    priorities[static_cast<size_t>(order[i])] = rank;
  }
}

Status ScoredBpeModel::encode(std::string_view piece, std::vector<int32_t> &ids) const {
  LLMOPT_TRY(checkLength(piece));
  std::vector<Symbol> symbols;
  symbols.reserve(piece.size());
  for (size_t begin = 0, length; begin < piece.size(); begin += length) {
    length = utf8Length(piece[begin]);
    symbols.push_back({vocabulary.find(piece.substr(begin, length)), static_cast<uint32_t>(begin),
                       static_cast<uint32_t>(length), -1, -1});
  }
  mergeSymbols(symbols, [&](const Symbol &left, const Symbol &right) {
    int32_t id = vocabulary.find(piece.substr(left.begin, left.length + right.length));
    return id < 0 ? std::nullopt
                  : std::make_optional(MergeTable::Merge{priorities[static_cast<size_t>(id)], id});
  });
  for (const Symbol &symbol : symbols) {
    if (symbol.length == 0)
      continue;
    if (symbol.id >= 0) {
      ids.push_back(symbol.id);
      continue;
    }
    std::string_view character = piece.substr(symbol.begin, symbol.length);
    bool spelled = std::all_of(character.begin(), character.end(),
                               [&](char c) { return bytes[static_cast<uint8_t>(c)] >= 0; });
    if (spelled)
      for (char c : character)
        ids.push_back(bytes[static_cast<uint8_t>(c)]);
    else if (unknown >= 0)
      ids.push_back(unknown);
    else
      return makeError(
          "the vocabulary has no token for \"{}\", no byte tokens and no unknown token", character);
  }
  return success();
}

} // namespace llmopt
