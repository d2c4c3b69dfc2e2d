#include "runtime/tokenizer/Unigram.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>

namespace llmopt {

static constexpr double unknownPenalty = 10.0;

static PrefixIndex indexOf(const Vocabulary &vocabulary) {
  std::vector<std::pair<std::string, int32_t>> entries;
  entries.reserve(vocabulary.size());
  for (size_t i = 0; i < vocabulary.size(); ++i) {
    int32_t id = static_cast<int32_t>(i);
    // Of two tokens with one text only the one that the text means.
    if (vocabulary.find(vocabulary.text(id)) == id)
      entries.emplace_back(vocabulary.text(id), id);
  }
  return PrefixIndex(std::move(entries));
}

UnigramModel::UnigramModel(Vocabulary tokens, std::vector<double> tokenScores, int32_t unknown,
                           bool byteFallback)
    : Model(std::move(tokens)), scores(std::move(tokenScores)), prefixes(indexOf(vocabulary)),
      unknown(unknown) {
  if (byteFallback)
    bytes = byteTokens(vocabulary);
  auto lowest = std::min_element(scores.begin(), scores.end());
  unknownScore = (lowest == scores.end() ? 0.0 : *lowest) - unknownPenalty;
}

Status UnigramModel::encode(std::string_view piece, std::vector<int32_t> &ids) const {
  /// The best way to reach a byte offset: by `id` (-1: an uncovered character) from `begin`.
  struct Node {
    double score = 0;
    size_t begin = 0;
    int32_t id = -1;
    bool reached = false;
  };
  std::vector<Node> best(piece.size() + 1);
  for (size_t begin = 0, length; begin < piece.size(); begin += length) {
    length = utf8Length(piece[begin]);
    double here = best[begin].score;
    bool covered = false; // by a token of this one character
    auto reach = [&](size_t end, double score, int32_t id) {
      Node &node = best[end];
      if (!node.reached || score > node.score)
        node = {score, begin, id, true};
    };
    prefixes.forEachPrefix(piece.substr(begin), [&](size_t size, int32_t id) {
      reach(begin + size, here + scores[static_cast<size_t>(id)], id);
      covered |= size == length;
    });
    if (!covered)
      reach(begin + length, here + unknownScore, -1);
  }

  std::vector<std::pair<size_t, int32_t>> tokens;
  for (size_t end = piece.size(); end > 0; end = best[end].begin)
    tokens.emplace_back(best[end].begin, best[end].id);
  std::reverse(tokens.begin(), tokens.end());

  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].second >= 0 && tokens[i].second != unknown) {
      ids.push_back(tokens[i].second);
      continue;
    }
    // Uncovered neighbours are one run.
    size_t begin = tokens[i].first;
    while (i + 1 < tokens.size() && (tokens[i + 1].second < 0 || tokens[i + 1].second == unknown))
      ++i;
    size_t end = i + 1 < tokens.size() ? tokens[i + 1].first : piece.size();
    std::string_view run = piece.substr(begin, end - begin);
    bool spelled = !bytes.empty() && std::all_of(run.begin(), run.end(), [&](char c) {
      return bytes[static_cast<uint8_t>(c)] >= 0;
    });
    if (spelled)
      for (char c : run)
        ids.push_back(bytes[static_cast<uint8_t>(c)]);
    else if (unknown >= 0)
      ids.push_back(unknown);
    else
      return makeError("the vocabulary has no token for \"{}\" and no unknown token", run);
  }
  return success();
}

} // namespace llmopt
