#include "test/unit/passes/Simulation.h"

#include <fmt/format.h>

#include <map>
#include <numeric>

namespace llmopt::test {

static bool conflict(const SimulatedTile &a, const SimulatedTile &b) {
  return a.writes.anyCommon(b.writes) || a.writes.anyCommon(b.reads) || a.reads.anyCommon(b.writes);
}

std::vector<std::pair<size_t, size_t>> SimulatedStep::conflicts() const {
  std::vector<std::pair<size_t, size_t>> pairs;
  for (size_t later = 0; later < tiles.size(); ++later)
    for (size_t earlier = 0; earlier < later; ++earlier)
      if (tiles[earlier].kernel != tiles[later].kernel && conflict(tiles[earlier], tiles[later]))
        pairs.emplace_back(earlier, later);
  return pairs;
}

std::string SimulatedStep::conflictInsideKernel() const {
  for (size_t later = 0; later < tiles.size(); ++later)
    for (size_t earlier = 0; earlier < later; ++earlier)
      if (tiles[earlier].kernel == tiles[later].kernel &&
          tiles[earlier].item != tiles[later].item && conflict(tiles[earlier], tiles[later]))
        return fmt::format("tiles {} and {}, of kernel {}", earlier, later, tiles[later].kernel);
  return {};
}

namespace {
class Simulator {
public:
  Simulator(const SimulatedStep &step, size_t blocks, std::mt19937 &random,
            std::optional<ChunkWait> frozen)
      : step(step), random(random), frozen(frozen), next(blocks), running(blocks, false) {
    for (const KernelSync &sync : step.syncs)
      counters.emplace_back(static_cast<size_t>(sync.chunks()), 0);
    thresholds = counters;
    for (const SimulatedTile &tile : step.tiles)
      ++thresholds[tile.kernel][chunkOf(tile)];
    std::iota(next.begin(), next.end(), size_t(0));
    execution.begin.assign(step.tiles.size(), -1);
    execution.end = execution.begin;
    // Some blocks are much slower than others.
    for (size_t block = 0; block < blocks; ++block)
      weights.push_back(random() % 4 == 0 ? 0.01 : 1.0);
  }

  Execution run() {
    std::discrete_distribution<size_t> choose(weights.begin(), weights.end());
    for (size_t ended = 0; ended < step.tiles.size();) {
      size_t block = choose(random);
      for (size_t tried = 0; tried < next.size() && !canAct(block); ++tried)
        block = (block + 1) % next.size();
      if (!canAct(block)) {
        if (!frozen)
          return execution;
        frozen.reset();
        continue;
      }
      ended += act(block);
    }
    execution.finished = true;
    return execution;
  }

private:
  const SimulatedStep &step;
  std::mt19937 &random;
  std::optional<ChunkWait> frozen;
  std::vector<size_t> next; ///< of each block
  std::vector<bool> running;
  std::vector<double> weights;
  std::vector<std::vector<int64_t>> counters, thresholds;
  Execution execution;
  int now = 0;

  size_t chunkOf(const SimulatedTile &tile) const {
    return static_cast<size_t>(step.syncs[tile.kernel].chunkOf[static_cast<size_t>(tile.tile)]);
  }

  bool canAct(size_t block) const {
    if (next[block] >= step.tiles.size() || running[block])
      return next[block] < step.tiles.size();
    const SimulatedTile &tile = step.tiles[next[block]];
    const KernelSync &sync = step.syncs[tile.kernel];
    if (frozen && static_cast<int64_t>(tile.kernel) == frozen->kernel &&
        static_cast<int64_t>(chunkOf(tile)) == frozen->chunk)
      return false;
    for (ChunkWait wait :
         sync.waits[static_cast<size_t>(sync.waitOf[static_cast<size_t>(tile.tile)])]) {
      auto kernel = static_cast<size_t>(wait.kernel), chunk = static_cast<size_t>(wait.chunk);
      if (counters[kernel][chunk] < thresholds[kernel][chunk])
        return false;
    }
    return true;
  }

  /// Begins or ends the block's tile; the number of tiles that ended.
  size_t act(size_t block) {
    size_t index = next[block];
    ++now;
    if (!running[block]) {
      execution.begin[index] = now;
      running[block] = true;
      return 0;
    }
    execution.end[index] = now;
    running[block] = false;
    ++counters[step.tiles[index].kernel][chunkOf(step.tiles[index])];
    next[block] += next.size();
    return 1;
  }
};
} // namespace

Execution simulate(const SimulatedStep &step, size_t blocks, std::mt19937 &random,
                   std::optional<ChunkWait> frozen) {
  return Simulator(step, blocks, random, frozen).run();
}

std::string findRace(const SimulatedStep &step,
                     const std::vector<std::pair<size_t, size_t>> &conflicts,
                     const Execution &execution) {
  for (auto [earlier, later] : conflicts)
    if (execution.end[earlier] > execution.begin[later])
      return fmt::format("tile {} (kernel {}) ran before the end of tile {} (kernel {})", later,
                         step.tiles[later].kernel, earlier, step.tiles[earlier].kernel);
  return {};
}

} // namespace llmopt::test
