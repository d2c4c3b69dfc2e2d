//===- Bench.h - Prefill and decode rates beside the machine's limits -------------------------===//
//
// Every repeat measures the machine's read bandwidth and arithmetic peak, then runs a batch of
// random prompts and their continuation. A rate is the median over the repeats.
//
// - Bytes of a decode step: the weights that its launches read, as the plan counts them (of an
//   embedding only rows), and the key-value cache of the batch's sequences. The share of bandwidth
//   is bytes / seconds over the read bandwidth.
//   An emulated device has no limits worth measuring, and no shares.
// - A long context need not be computed: with `context` the cache is filled with the keys and
// values
//   of other random tokens, again and again the same, and prompts begin behind them.
// - Operations of prefill: multiplications and additions of the plan's launches for the rows
//   computed; logits are computed for the last row of each prompt only. The share of arithmetic is
//   operations / seconds over the peak.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_BENCH_BENCH_H
#define LLMOPT_RUNTIME_BENCH_BENCH_H

#include "runtime/devices/Device.h"
#include "support/Error.h"
#include "support/Json.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llmopt {

struct BenchOptions {
  std::string artifact;
  std::string baseline; ///< another artifact to measure beside it; empty: none
  int64_t context = 0;  ///< tokens in the cache before each prompt, which are not computed
  int64_t promptLength = 128;
  int64_t newTokens = 64;
  int64_t batch = 1;
  int64_t repeats = 5;
  int64_t stepTokens = 512; ///< rows of a step at most, and of a prompt's chunk
  DeviceOptions device;     ///< threads 0: one for each core
};

/// What was measured, a value for each repeat.
struct Samples {
  std::vector<double> values;

  double median() const;
  double least() const;
  double most() const;
};

struct BenchResult {
  BenchOptions options; ///< with the number of threads that ran
  std::string model, precision, arch;
  std::string arithmetic; ///< what the arithmetic peak is of
  bool batchInvariant = false;
  int64_t weightBytes = 0;       ///< of a step
  int64_t cacheBytes = 0;        ///< of a decode step, on average
  int64_t prefillOperations = 0; ///< of all prompts
  int64_t peakMemory = 0;        ///< 0: not known
  Samples prefill;               ///< prompt tokens per second
  Samples decode;                ///< new tokens per second
  Samples prefillArithmetic;     ///< operations per second
  Samples decodeBandwidth;       ///< bytes per second
  Samples readBandwidth;         ///< bytes per second; like what follows, empty without limits
  Samples arithmeticPeak;        ///< operations per second
  Samples bandwidthShare;        ///< of decode
  Samples arithmeticShare;       ///< of prefill

  bool hasLimits() const { return !readBandwidth.values.empty(); }
  OrderedJson toJson() const;
  /// A table for people.
  std::string toText() const;
  /// The medians in one line, and the line above it.
  std::string row() const;
  static std::string heading();
};

/// An artifact, and the baseline if there is one, measured in turns.
struct BenchComparison {
  BenchResult result;
  std::optional<BenchResult> baseline;

  OrderedJson toJson() const;
  std::string toText() const;
  /// With the heading, a line for each.
  std::string toRows() const;
};

Result<BenchComparison> runBench(const BenchOptions &options);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_BENCH_BENCH_H
