#include "runtime/devices/cuda/StepTable.h"

#include <algorithm>

namespace llmopt {

/// How often a tile of a period is there.
static int64_t repeats(const StepSync &sync, const StepLaunch &launch) {
  return (sync.perRow ? launch.rows : 1) * (sync.parts ? launch.parts : 1);
}

StepTable::StepTable(const StepFunction &step, const std::vector<StepLaunch> &launches,
                     int64_t blocks) {
  for (size_t i = 0; i < launches.size(); ++i) {
    const StepSync &sync = step.syncs[i];
    LlmoptStepKernel kernel = {};
    kernel.function = step.functionOf[i];
    kernel.tiles = static_cast<int32_t>(sync.period() * repeats(sync, launches[i]));
    kernel.begin = static_cast<int32_t>(tileCount % blocks);
    kernel.parts = static_cast<int32_t>(sync.parts ? launches[i].parts : 1);
    kernel.period = static_cast<int32_t>(sync.period());
    kernel.counters = static_cast<int32_t>(counterCount);
    kernel.chunksOf = sync.chunkTiles.size() == 1 ? -1 : addList(sync.chunkOf);
    std::vector<int32_t> placeOfSet;
    kernel.waits = addWaits(step, launches, sync, placeOfSet);
    kernel.waitsOf = -1;
    if (sync.waits.size() > 1) {
      std::vector<int32_t> waitPlaces;
      waitPlaces.reserve(sync.waitOf.size());
      for (int32_t set : sync.waitOf)
        waitPlaces.push_back(placeOfSet[static_cast<size_t>(set)]);
      kernel.waitsOf = addList(waitPlaces);
    }
    for (size_t j = 0; j < launches[i].arguments.size(); ++j)
      kernel.arguments[j] = reinterpret_cast<const void *>(launches[i].arguments[j]);
    kernelList.push_back(kernel);
    counterCount += static_cast<int64_t>(sync.chunkTiles.size());
    tileCount += kernel.tiles;
  }
}

/// Layers have the same lists.
int32_t StepTable::addList(const std::vector<int32_t> &list) {
  auto [entry, isNew] = lists.emplace(list, static_cast<int32_t>(places.size()));
  if (isNew)
    places.insert(places.end(), list.begin(), list.end());
  return entry->second;
}

/// The sets one after the other; placeOfSet says where each is, from the first on.
int32_t StepTable::addWaits(const StepFunction &step, const std::vector<StepLaunch> &launches,
                            const StepSync &sync, std::vector<int32_t> &placeOfSet) {
  const auto first = static_cast<int32_t>(places.size());
  for (const std::vector<StepSync::Wait> &set : sync.waits) {
    placeOfSet.push_back(static_cast<int32_t>(places.size()) - first);
    places.push_back(static_cast<int32_t>(set.size()));
    for (const StepSync::Wait &wait : set) {
      auto launch = static_cast<size_t>(wait.launch), chunk = static_cast<size_t>(wait.chunk);
      const StepSync &producer = step.syncs[launch];
      places.push_back(kernelList[launch].counters + static_cast<int32_t>(chunk));
      places.push_back(
          static_cast<int32_t>(producer.chunkTiles[chunk] * repeats(producer, launches[launch])));
    }
  }
  return first;
}

} // namespace llmopt
