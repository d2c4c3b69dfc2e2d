#include "runtime/devices/cuda/StepPlan.h"

#include "runtime/artifact/KernelAbi.h"
#include "runtime/devices/cuda/CudaPlan.h"

#include <algorithm>

namespace llmopt {

/// Of a period: more than any vocabulary has.
static constexpr int64_t tileLimit = int64_t(1) << 24;
/// Of all periods of an artifact, each of whose tiles takes some bytes here: a few hundred layers'.
static constexpr int64_t tilesTogether = int64_t(1) << 22;

/// An array of pairs of integers, the first from `least`, the second below `limit`.
static Result<std::vector<std::pair<int64_t, int64_t>>> readPairs(const Json &list, int64_t least,
                                                                  int64_t mostFirst, int64_t limit,
                                                                  const std::string &what) {
  std::vector<std::pair<int64_t, int64_t>> pairs;
  if (!list.is_array() || list.size() % 2 != 0)
    return makeError("{} is not a list of pairs", what);
  for (size_t i = 0; i < list.size(); i += 2) {
    if (!list[i].is_number_integer() || !list[i + 1].is_number_integer())
      return makeError("{} is not a list of integers", what);
    auto first = list[i].get<int64_t>(), second = list[i + 1].get<int64_t>();
    if (mostFirst < least || limit < 1)
      return makeError("{} has an entry where none can be", what);
    if (first < least || first > mostFirst || second < 0 || second >= limit)
      return makeError("{} has ({}, {}); the first is from {} to {}, the second from 0 to {}", what,
                       first, second, least, mostFirst, limit - 1);
    pairs.emplace_back(first, second);
  }
  return pairs;
}

/// Runs (count, value), value < limit, as `period` values.
static Result<std::vector<int32_t>> readRuns(const Json &json, const char *key, int64_t period,
                                             int64_t limit, const std::string &what) {
  LLMOPT_ASSIGN(const Json *list, jsonArray(json, key, what));
  LLMOPT_ASSIGN(auto runs, readPairs(*list, 1, period, limit, fmt::format("{}: {}", what, key)));
  std::vector<int32_t> values;
  for (auto [count, value] : runs) {
    if (count > period - static_cast<int64_t>(values.size()))
      return makeError("{}: {} has more than the {} tiles of the period", what, key, period);
    values.insert(values.end(), static_cast<size_t>(count), static_cast<int32_t>(value));
  }
  if (static_cast<int64_t>(values.size()) != period)
    return makeError("{}: {} has {} of the {} tiles of the period", what, key, values.size(),
                     period);
  return values;
}

/// `before` are those of the launches ahead; `tilesLeft` of tilesTogether are left.
static Result<StepSync> readSync(const Json &json, const std::vector<StepSync> &before,
                                 int64_t &tilesLeft, const std::string &what) {
  StepSync sync;
  LLMOPT_ASSIGN(int64_t period, jsonInteger(json, "period", what, 1, tileLimit));
  if (period > tilesLeft)
    return makeError("{}: with {} tiles more the periods have more than {} together", what, period,
                     tilesTogether);
  tilesLeft -= period;
  LLMOPT_ASSIGN(sync.perRow, jsonBool(json, "per_row", what));
  LLMOPT_ASSIGN(sync.parts, jsonBool(json, "parts", what));
  LLMOPT_ASSIGN(sync.chunkOf, readRuns(json, "chunks", period, period, what));
  for (int32_t chunk : sync.chunkOf) {
    auto index = static_cast<size_t>(chunk);
    sync.chunkTiles.resize(std::max(sync.chunkTiles.size(), index + 1));
    ++sync.chunkTiles[index];
  }
  if (std::count(sync.chunkTiles.begin(), sync.chunkTiles.end(), 0) != 0)
    return makeError("{}: a chunk has no tiles", what);
  LLMOPT_ASSIGN(const Json *sets, jsonArray(json, "waits", what));
  const auto ahead = static_cast<int64_t>(before.size());
  for (const Json &set : *sets) {
    LLMOPT_ASSIGN(auto pairs, readPairs(set, 0, ahead - 1, tileLimit, what + ": waits"));
    std::vector<StepSync::Wait> waits;
    for (auto [launch, chunk] : pairs) {
      if (chunk >= static_cast<int64_t>(before[static_cast<size_t>(launch)].chunkTiles.size()))
        return makeError("{}: waits for chunk {} of launch {}, which has {}", what, chunk, launch,
                         before[static_cast<size_t>(launch)].chunkTiles.size());
      waits.push_back({launch, chunk});
    }
    sync.waits.push_back(std::move(waits));
  }
  LLMOPT_ASSIGN(sync.waitOf,
                readRuns(json, "wait_of", period, static_cast<int64_t>(sets->size()), what));
  return sync;
}

/// What is said of the function itself; `index` is its number.
static Result<StepFunction> readFunction(const Json &json, const Plan &plan, size_t index,
                                         int64_t &tilesLeft, const std::string &what) {
  StepFunction step;
  LLMOPT_ASSIGN(CudaGrid grid, readCudaFunction(json, what));
  step.function = grid.function;
  step.threads = grid.threads;
  step.sharedBytes = grid.sharedBytes;
  LLMOPT_ASSIGN(step.maxRows, jsonInteger(json, "max_rows", what, 1, tileLimit));
  LLMOPT_ASSIGN(const Json *names, jsonArray(json, "kernels", what));
  for (const PlanLaunch &launch : plan.launches) {
    std::string where = fmt::format("{}: launch {}", what, step.syncs.size());
    auto found = std::find(names->begin(), names->end(), launch.kernel);
    if (found == names->end())
      return makeError("{}: kernel '{}' is not one of the function's", where, launch.kernel);
    step.functionOf.push_back(static_cast<int32_t>(found - names->begin()));
    if (launch.arguments.size() > LLMOPT_STEP_ARGUMENTS)
      return makeError("{}: {} arguments; a kernel of a step has {}", where,
                       launch.arguments.size(), LLMOPT_STEP_ARGUMENTS);
    LLMOPT_ASSIGN(const Json *list, jsonArray(launch.target, "sync", where));
    if (list->size() <= index)
      return makeError("{}: sync has {} entries", where, list->size());
    LLMOPT_ASSIGN(StepSync sync, readSync((*list)[index], step.syncs, tilesLeft, where + ": sync"));
    step.syncs.push_back(std::move(sync));
  }
  return step;
}

Result<std::vector<StepFunction>> readStepFunctions(const Plan &plan, const std::string &what) {
  std::vector<StepFunction> steps;
  if (!jsonHas(plan.target, "persistent"))
    return steps;
  LLMOPT_ASSIGN(const Json *list, jsonArray(plan.target, "persistent", what));
  int64_t tilesLeft = tilesTogether;
  for (const Json &element : *list) {
    std::string where = fmt::format("{}: persistent {}", what, steps.size());
    LLMOPT_ASSIGN(StepFunction step, readFunction(element, plan, steps.size(), tilesLeft, where));
    if (!steps.empty() && step.maxRows <= steps.back().maxRows)
      return makeError("{}: max_rows {} does not rise", where, step.maxRows);
    steps.push_back(std::move(step));
  }
  return steps;
}

} // namespace llmopt
