//===- Emulate.h - Kernel templates in a test, on the emulator --------------------------------===//

#ifndef LLMOPT_TEST_UNIT_CUDA_EMULATE_H
#define LLMOPT_TEST_UNIT_CUDA_EMULATE_H

#include "runtime/devices/cuda_emulated/Emulator.h"

#ifdef LLMOPT_TEST_INSTRUMENTED
#include "runtime/devices/cuda_emulated/instrumentation.h"
#endif

#include <functional>
#include <string>
#include <vector>

namespace llmopt::cuda {

/// Runs `body` in every thread of every block, blocks in rising or falling order, or with a seed
/// blocks and threads in a random one. `shared` is the block's memory. The result is empty, or says
/// what went wrong. Blocks of a `cooperative` launch may wait for each other.
inline std::string emulate(int blocks, int threads, int sharedBytes, bool fallingOrder,
                           const std::function<void(char *shared)> &body, uint64_t seed = 0,
                           bool cooperative = false) {
  emulated::EmulatorOptions options;
  options.fallingOrder = fallingOrder;
  options.seed = seed;
#ifndef LLMOPT_TEST_INSTRUMENTED
  options.checks = false; // what is not announced would look as if nobody had written it
#endif
  emulated::Emulator emulator(options);
  std::vector<char> memory(size_t(sharedBytes) + emulated::GridLaunch::guardBytes + 1024);
  emulated::GridLaunch launch;
  launch.kernel = "under test";
  launch.blocks = blocks;
  launch.threads = threads;
  launch.sharedBytes = sharedBytes;
  launch.cooperative = cooperative;
  launch.shared =
      reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(memory.data()) + 1023) / 1024 * 1024);
  launch.sharedCapacity = size_t(sharedBytes) + emulated::GridLaunch::guardBytes;
  launch.body = [&] { body(launch.shared); };
  emulated::machine = &emulator.machine();
  Status status = emulator.run(launch);
  emulated::machine = nullptr;
  return status ? "" : status.error().message();
}

} // namespace llmopt::cuda

#endif // LLMOPT_TEST_UNIT_CUDA_EMULATE_H
