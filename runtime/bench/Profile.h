//===- Profile.h - Where the time of a step goes ----------------------------------------------===//
//
// A batch of random prompts is computed step by step, each launch timed (Device::runProfiled).
// Steps of a kind are alike: those of prefill with as many rows as the first, and those of decode.
// The figures of a kind are medians over its steps.
//
// - Bytes of a launch: the weights that it reads, as the plan counts them, and what its layer's
//   cache holds of the sequences, if it reads that. Activations are not counted.
// - Operations: multiplications and additions of linears.
// - A gap is the time from a launch's end to the next one's begin, told of the latter.
//
// Launches that are measured run one after the other, so a run as usual, which lets them overlap
// and chooses tokens on the device, stands beside the sum of the kernels' times.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_BENCH_PROFILE_H
#define LLMOPT_RUNTIME_BENCH_PROFILE_H

#include "runtime/bench/Bench.h"

namespace llmopt {

/// A function, over all launches of a step that it runs for.
struct KernelProfile {
  std::string function;
  std::string from; ///< the IR operations that its kernel came from
  int64_t launches = 0;
  double seconds = 0;
  double gap = 0; ///< seconds before its launches, in all
  double bytes = 0;
  double operations = 0;
};

struct StepProfile {
  std::string kind; ///< "prefill" or "decode"
  int64_t steps = 0;
  int64_t rows = 0;                   ///< tokens of a step
  double seconds = 0;                 ///< from the first launch's begin to the last one's end
  double between = 0;                 ///< of these, in no launch
  double asUsual = 0;                 ///< seconds of a step that is not measured; 0: not known
  std::vector<KernelProfile> kernels; ///< the longest first
  std::vector<LaunchTime> last;       ///< of the last step
};

struct Profile {
  BenchOptions options; ///< with the number of threads that ran
  std::string model, precision, arch;
  double readBandwidth = 0;  ///< bytes per second, measured in the same run; 0: not known
  double arithmeticPeak = 0; ///< operations per second; 0: not known
  std::vector<StepProfile> steps;
  std::vector<PlanLaunch> launches; ///< of the plan, for the trace

  OrderedJson toJson() const;
  /// Tables for people.
  std::string toText() const;
  /// The last step of each kind in the Trace Event format, which ui.perfetto.dev opens.
  std::string toTrace() const;
};

/// `options.repeats` batches are computed; a baseline is not looked at.
Result<Profile> runProfile(const BenchOptions &options);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_BENCH_PROFILE_H
