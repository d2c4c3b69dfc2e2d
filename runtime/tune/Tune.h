//===- Tune.h - The schedules of a model's linears that are the fastest on this card ----------===//

#ifndef LLMOPT_RUNTIME_TUNE_TUNE_H
#define LLMOPT_RUNTIME_TUNE_TUNE_H

#include "runtime/devices/Device.h"
#include "runtime/devices/cuda/Driver.h"
#include "support/CudaTuning.h"
#include "support/Json.h"

#include <memory>
#include <string>
#include <vector>

namespace llmopt {

struct TuneOptions {
  std::string artifact;
  /// Rows of the steps to tune for; empty: the most of each function, and `manyRows` of those for
  /// any number.
  std::vector<int64_t> rows;
  static constexpr int64_t manyRows = 512;
  std::vector<std::string> kernels; ///< of the plan; empty: all
  double budget = 0;                ///< seconds to search for; 0: to the end
  std::string output;               ///< empty: where loads on this card look
  DeviceOptions device;
};

/// A function, searched.
struct TunedFunction {
  std::string function, key;
  int64_t rows = 0; ///< that it was measured with
  CudaParameters defaults, best;
  double defaultSeconds = 0, seconds = 0;          ///< of one run
  int64_t tried = 0;                               ///< instances, the default among them
  int64_t uncompiled = 0, spilling = 0, wrong = 0; ///< of these, not timed

  double gain() const { return defaultSeconds / seconds - 1; }
};

struct TuneReport {
  std::string model, precision, arch, card, output;
  bool emulated = false;
  bool complete = true; ///< false: the budget was used up before
  std::vector<TunedFunction> functions;

  OrderedJson toJson() const;
  /// A table for people.
  std::string toText() const;
  /// What was found, as a tuning file has it.
  CudaTuning tuning() const;
};

/// Searches on a card.
Result<TuneReport> tune(std::shared_ptr<const Artifact> artifact,
                        std::unique_ptr<CudaDriver> driver, const TuneOptions &options);

/// Opens artifact and card, searches, and writes the file. What a file of this card had of other
/// functions stays in it.
Result<TuneReport> runTune(const TuneOptions &options);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TUNE_TUNE_H
