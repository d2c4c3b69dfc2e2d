//===- MachineLimits.h - What this machine's memory and arithmetic can do at most -------------===//

#ifndef LLMOPT_RUNTIME_BENCH_MACHINELIMITS_H
#define LLMOPT_RUNTIME_BENCH_MACHINELIMITS_H

#include "runtime/devices/cpu/LargeMemory.h"
#include "runtime/devices/cpu/ThreadTeam.h"
#include "support/Error.h"

#include <memory>
#include <string>

namespace llmopt {

/// Measures on `threads` threads, each pass anew, so that it can stand beside what it is compared
/// with in time.
class MachineLimits {
public:
  enum class Arithmetic { Float32, BFloat16 };

  /// BFloat16 without instructions for it in this CPU is measured as float32.
  static Result<MachineLimits> create(int threads, Arithmetic arithmetic);

  /// Bytes per second of a sum over a buffer much larger than the caches; the best of some passes.
  double readBandwidth();

  /// Multiplications and additions per second of fused multiply-adds (or bf16 dot products) on
  /// registers; the best of some passes.
  double arithmeticPeak();

  /// The instruction that arithmeticPeak() measures: "vdpbf16ps (512 bit)".
  const std::string &instruction() const { return instructionName; }

private:
  /// Runs so many rounds and gives the operations done.
  using ArithmeticLoop = double (*)(int64_t rounds);
  using ReadLoop = uint64_t (*)(const uint8_t *data, uint64_t bytes);

  MachineLimits() = default;

  std::unique_ptr<ThreadTeam> team;
  LargeMemory buffer;
  ReadLoop read = nullptr;
  ArithmeticLoop compute = nullptr;
  std::string instructionName;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_BENCH_MACHINELIMITS_H
