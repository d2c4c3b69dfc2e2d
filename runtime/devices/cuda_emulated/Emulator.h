//===- Emulator.h - Runs a grid of blocks on one host thread ----------------------------------===//
//
// Blocks run one after the other, to their end; the threads of a block as fibers. A block can
// therefore not wait for another one that comes later. Those of a cooperative launch live all at
// once: one runs until no thread of it can go on but for what others do (and in the order of a
// seed, no longer than chance says), then the next that can. The same launch with the same options
// goes the same way every time, reports included.
//
// Checked, unless it is switched off: every access of instrumented code and of the intrinsics, to
// bounds, alignment, initialization of shared memory, and races (Shadow.h has the guarantees);
// what is touched before a launch waits for those ahead; fences of the asynchronous side;
// divergence at barriers; deadlock, of a block or of all. Faults of the processor are caught
// (Faults.h). The first finding ends the launch with an error that names kernel, block and thread.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATOR_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATOR_H

#include "runtime/devices/cuda_emulated/Machine.h"
#include "support/Error.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace llmopt::emulated {

struct EmulatorOptions {
  bool checks = true;
  /// 0: blocks and threads in rising order; else in an order of this seed.
  uint64_t seed = 0;
  /// Blocks in falling order, if seed is 0.
  bool fallingOrder = false;

  /// Blocks of a cooperative launch that an emulated card runs at once, 1 to mostBlocks.
  int residentBlocks = 3;

  /// As the environment says: LLMOPT_EMULATOR_CHECKS=0, LLMOPT_EMULATOR_SEED=n,
  /// LLMOPT_EMULATOR_BLOCKS=n.
  static Result<EmulatorOptions> fromEnvironment();
};

/// Memory that a launch may touch.
struct MemoryRange {
  uintptr_t begin = 0;
  uint64_t bytes = 0;
  bool writable = false;
  bool fixed = false; ///< no kernel writes it
  std::string name;   ///< "parameter 2", for messages
};

struct GridLaunch {
  std::string kernel;
  int blocks = 1, threads = 1;
  int sharedBytes = 0;
  /// The dynamic shared memory of every block: `sharedCapacity` bytes, at least sharedBytes and
  /// guardBytes more, 1024-byte aligned. The kernel finds it by itself.
  char *shared = nullptr;
  size_t sharedCapacity = 0;
  static constexpr size_t guardBytes = 1024;
  /// Global memory: with `bounded`, nothing but `memory` may be touched, and what of it is not
  /// writable takes part in no race.
  bool bounded = false;
  /// The kernels ahead may not have ended: what they may use is touched only after
  /// waitForProducers(), and some thread has to wait.
  bool early = false;
  /// All blocks, at most mostBlocks, live at once and may wait for each other.
  bool cooperative = false;
  std::vector<MemoryRange> memory;
  /// Runs the kernel in the current thread.
  std::function<void()> body;
  /// "at gemm.cuh:12", from an address of code; may be null.
  std::function<std::string(const void *code)> place;
};

class Emulator {
public:
  explicit Emulator(const EmulatorOptions &options);
  ~Emulator();

  /// For the `machine` of a kernel's module.
  Machine &machine();
  Status run(const GridLaunch &launch);

private:
  class Implementation;
  std::unique_ptr<Implementation> implementation;
};

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATOR_H
