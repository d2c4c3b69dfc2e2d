#include "runtime/devices/cuda_emulated/Emulator.h"

#include "runtime/devices/cuda_emulated/EmulatedMachine.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace llmopt::emulated {

Result<EmulatorOptions> EmulatorOptions::fromEnvironment() {
  EmulatorOptions options;
  if (const char *checks = std::getenv("LLMOPT_EMULATOR_CHECKS"); checks && *checks) {
    if (std::strcmp(checks, "0") != 0 && std::strcmp(checks, "1") != 0)
      return makeError("LLMOPT_EMULATOR_CHECKS is '{}'; 0 or 1 is meant", checks);
    options.checks = *checks == '1';
  }
  if (const char *seed = std::getenv("LLMOPT_EMULATOR_SEED"); seed && *seed) {
    char *end = nullptr;
    errno = 0;
    options.seed = std::strtoull(seed, &end, 10);
    if (*end != '\0' || *seed == '-' || errno != 0)
      return makeError("LLMOPT_EMULATOR_SEED is '{}'; a number is meant, 0 for rising order", seed);
  }
  if (const char *blocks = std::getenv("LLMOPT_EMULATOR_BLOCKS"); blocks && *blocks) {
    char *end = nullptr;
    long count = std::strtol(blocks, &end, 10);
    if (*end != '\0' || count < 1 || count > mostBlocks)
      return makeError("LLMOPT_EMULATOR_BLOCKS is '{}'; a number from 1 to {} is meant", blocks,
                       mostBlocks);
    options.residentBlocks = static_cast<int>(count);
  }
  return options;
}

class Emulator::Implementation {
public:
  explicit Implementation(const EmulatorOptions &options) : machine(options) {}
  EmulatedMachine machine;
};

Emulator::Emulator(const EmulatorOptions &options)
    : implementation(std::make_unique<Implementation>(options)) {}
Emulator::~Emulator() = default;

Machine &Emulator::machine() { return implementation->machine; }
Status Emulator::run(const GridLaunch &launch) { return implementation->machine.run(launch); }

} // namespace llmopt::emulated
