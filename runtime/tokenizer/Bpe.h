//===- Bpe.h - Byte-pair encoding -------------------------------------------------------------===//
//
// A piece begins as one symbol per character; the best pair of neighbours is merged until no pair
// is known. The two kinds differ in what makes a pair known and good: a list of merges in order of
// rank (BpeModel: GPT-2, Hugging Face), or the merged text being a token, by its score
// (ScoredBpeModel: SentencePiece). Equal pairs merge from left to right. n symbols take O(n log n).
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_BPE_H
#define LLMOPT_RUNTIME_TOKENIZER_BPE_H

#include "runtime/tokenizer/Model.h"

namespace llmopt {

/// Pairs of ids to what they merge into: open addressing, because looking up pairs is what encoding
/// does most of the time.
class MergeTable {
public:
  struct Merge {
    int32_t rank; // lower merges first
    int32_t id;   // of the result
  };

  /// For at most `count` merges.
  explicit MergeTable(size_t count);
  /// A pair that is known already gets the new rank, as where a file lists it twice.
  void insert(int32_t left, int32_t right, Merge merge);
  const Merge *find(int32_t left, int32_t right) const;

private:
  struct Slot {
    int32_t left = -1; // -1: free
    int32_t right = -1;
    Merge merge{};
  };
  size_t slotOf(int32_t left, int32_t right) const;

  std::vector<Slot> slots; // a power of two of them, at most half full
};

/// The options of a BPE model in tokenizer.json.
struct BpeOptions {
  std::string continuingPrefix; // before every character of a piece but the first
  std::string endSuffix;        // after the last character of a piece
  int32_t unknown = -1;         // the id for a character without token; -1: it is dropped
  bool fuseUnknown = false;     // one id for a run of unknown characters
  bool byteFallback = false;    // unknown characters as tokens <0xAB>
  bool ignoreMerges = false;    // a piece that is a token needs no merging
};

class BpeModel : public Model {
public:
  /// `merges`: pairs of token texts, by rank. Fails if one names no token.
  static Result<std::unique_ptr<BpeModel>>
  create(Vocabulary vocabulary, const std::vector<std::pair<std::string, std::string>> &merges,
         BpeOptions options);

  Status encode(std::string_view piece, std::vector<int32_t> &ids) const override;

private:
  BpeModel(Vocabulary vocabulary, MergeTable merges, BpeOptions options);

  MergeTable merges;
  BpeOptions options;
  std::vector<int32_t> bytes; // ids of <0xAB>; empty without byte fallback
};

class ScoredBpeModel : public Model {
public:
  /// `scores`: one per token, higher merges first. `unknown`: the id of a character that has
  /// neither token nor byte tokens, -1 for none.
  ScoredBpeModel(Vocabulary vocabulary, const std::vector<float> &scores, int32_t unknown);

  Status encode(std::string_view piece, std::vector<int32_t> &ids) const override;

private:
  std::vector<int32_t> priorities; // by id; lower merges first, equal for equal scores
  std::vector<int32_t> bytes;
  int32_t unknown;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_BPE_H
