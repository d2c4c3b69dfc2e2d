//===- Simulation.h - Random executions of a persistent step's tiles --------------------------===//
//
// Blocks take their tiles in rising order, wait for counters and add to them, in an order that a
// seed chooses: at each turn some block begins or ends a tile. What is then looked at are bytes,
// one by one, and not what the passes make of them.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_TEST_UNIT_PASSES_SIMULATION_H
#define LLMOPT_TEST_UNIT_PASSES_SIMULATION_H

#include "ir/KernelSync.h"

#include "llvm/ADT/BitVector.h"

#include <optional>
#include <random>
#include <string>
#include <vector>

namespace llmopt::test {

/// A tile of the step, as the blocks count them.
struct SimulatedTile {
  size_t kernel = 0;
  int64_t tile = 0; ///< of the kernel's period
  /// Tiles of a kernel with the same `item` work on it together: the parts of an attention.
  int64_t item = 0;
  llvm::BitVector reads, writes; ///< bytes
};

struct SimulatedStep {
  std::vector<SimulatedTile> tiles; ///< in the order of their numbers
  std::vector<KernelSync> syncs;    ///< of each kernel

  /// Pairs of tiles (earlier kernel, later kernel) that touch the same byte, one of them to write.
  std::vector<std::pair<size_t, size_t>> conflicts() const;
  /// Two tiles of one kernel that do so; empty if there are none.
  std::string conflictInsideKernel() const;
};

/// When each tile began and ended.
struct Execution {
  bool finished = false; ///< else nothing could go on
  std::vector<int> begin, end;
};

/// Runs the step by so many blocks. Tiles of `frozen` begin only when nothing else can go on.
Execution simulate(const SimulatedStep &step, size_t blocks, std::mt19937 &random,
                   std::optional<ChunkWait> frozen = std::nullopt);

/// The first pair that was not one after the other; empty if there is none.
std::string findRace(const SimulatedStep &step,
                     const std::vector<std::pair<size_t, size_t>> &conflicts,
                     const Execution &execution);

} // namespace llmopt::test

#endif // LLMOPT_TEST_UNIT_PASSES_SIMULATION_H
