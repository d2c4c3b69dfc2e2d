//===- EndToEnd.h - Compiled models for tests -------------------------------------------------===//

#ifndef LLMOPT_TEST_UNIT_ENDTOEND_ENDTOEND_H
#define LLMOPT_TEST_UNIT_ENDTOEND_ENDTOEND_H

#include "runtime/devices/Device.h"
#include "tools/Compile.h"

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace llmopt {

/// A checkpoint compiled into a temporary artifact, removed with the object.
class CompiledModel {
public:
  /// `options` without its output. A failure is a failure of the test.
  explicit CompiledModel(CompileOptions options);
  ~CompiledModel();
  CompiledModel(const CompiledModel &) = delete;
  CompiledModel &operator=(const CompiledModel &) = delete;

  const std::string &path() const { return artifactPath; }
  /// The artifact on a device (as in DeviceOptions) with room for `pages` pages; null after a
  /// failure.
  std::unique_ptr<Device> open(int threads, int64_t pages, const std::string &device = "") const;

private:
  std::filesystem::path folder;
  std::string artifactPath;
};

/// Some tokens of a sequence, the next ones.
struct Run {
  int32_t sequence = 0;
  std::vector<int32_t> tokens;
};

/// Feeds sequences to a device, each with its own pages, and keeps the logits of every token.
class Sequences {
public:
  /// Sequence s has the pages s, s + count, s + 2 count, ...: neighbours in memory are strangers.
  Sequences(Device &device, int32_t count, int64_t pagesEach);

  static int64_t pages(int32_t count, int64_t pagesEach) { return count * pagesEach; }

  /// One step. The runs are of different sequences, in rising order.
  void step(const std::vector<Run> &runs);
  /// [tokens fed so far, vocabulary]
  const std::vector<float> &logits(int32_t sequence) const { return all[size_t(sequence)]; }

private:
  Device &device;
  int32_t count;
  int64_t pagesEach;
  std::vector<int32_t> lengths;
  std::vector<std::vector<float>> all;
};

/// The sequences in chunks of 1 to 40 tokens, beside each other, some waiting in some steps.
void feedMixed(Sequences &sequences, const std::vector<std::vector<int32_t>> &texts,
               std::mt19937 &random);

bool sameBits(const std::vector<float> &a, const std::vector<float> &b);

/// ||a - b|| / ||b||
double relativeError(const std::vector<float> &a, const float *b);

/// test/goldens/models: names of its directories.
std::vector<std::string> goldenModels();
std::string goldenModel(const std::string &name);

} // namespace llmopt

#endif // LLMOPT_TEST_UNIT_ENDTOEND_ENDTOEND_H
