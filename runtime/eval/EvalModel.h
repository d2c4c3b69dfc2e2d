//===- EvalModel.h - An artifact that hands out the logits of passages ------------------------===//

#ifndef LLMOPT_RUNTIME_EVAL_EVALMODEL_H
#define LLMOPT_RUNTIME_EVAL_EVALMODEL_H

#include "runtime/engine/Engine.h"
#include "runtime/engine/Model.h"
#include "support/Json.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace llmopt {

/// What is told of an artifact beside its scores.
struct ArtifactFacts {
  std::string artifact, model, precision;
  int64_t weightBytes = 0;     ///< of all weights, without the padding that kernels want
  double bytesPerWeight = 0;   ///< weightBytes over the number of elements
  double tokensPerSecond = 0;  ///< computed, not only scored ones; scoring itself does not count
  int64_t peakMemoryBytes = 0; ///< weights, cache and workspace on its device

  void writeTo(OrderedJson &json) const; ///< all but the first three
};

/// Logits [rows, vocabulary] of the tokens [first, first + rows) of a passage.
struct LogitChunk {
  size_t passage = 0;
  int64_t first = 0;
  int64_t rows = 0;
  const float *logits = nullptr; ///< valid until the next step
};

/// An opened artifact. Two of them that are given the same passages between the same steps compute
/// the same rows in each step, so that they can be compared as they come.
class EvalModel {
public:
  static Result<std::unique_ptr<EvalModel>> open(const std::string &path,
                                                 const DeviceOptions &options);

  const std::string &path() const { return artifact->path; }
  const Manifest &manifest() const { return artifact->manifest; }
  int64_t vocabulary() const { return artifact->manifest.vocabularySize; }
  Result<std::vector<int32_t>> encode(std::string_view text, bool addSpecial) const;

  /// Gets ready for passages of at most so many tokens, and forgets the times measured so far.
  Status start(int64_t longest);
  /// Whether one more passage is to be given before the next step, to fill it.
  bool wantsPassage() const;
  Status submit(size_t passage, const int32_t *tokens, int64_t count);
  bool idle() const { return engine->idle(); }
  Result<std::vector<LogitChunk>> step();

  ArtifactFacts facts() const;

private:
  std::shared_ptr<const Artifact> artifact;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Device> device; ///< until start() gives it to the engine
  std::unique_ptr<Engine> engine;
  int64_t longest = 0;
  int64_t cachePages = 0;

  std::vector<LogitChunk> chunks; ///< of this step
  int64_t passages = 0;           ///< submitted and not computed to their end
  int64_t tokens = 0;             ///< of theirs that are not computed yet
  int64_t computed = 0;           ///< tokens, since start()
  double seconds = 0;             ///< that their steps took
};

/// What artifacts are called in a table: by their folders' names without the ending, or where these
/// do not tell them apart by their paths.
std::vector<std::string> shortNames(const std::vector<const ArtifactFacts *> &artifacts);

/// An Error if two artifacts cannot be compared token by token.
Status checkSameVocabulary(const EvalModel &model, const EvalModel &baseline);

/// An Error if two artifacts do not cut `text` (a name for it) into the same tokens.
Status checkSameTokens(const std::string &path, const std::vector<int32_t> &tokens,
                       const std::string &otherPath, const std::vector<int32_t> &otherTokens,
                       const std::string &text);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_EVAL_EVALMODEL_H
