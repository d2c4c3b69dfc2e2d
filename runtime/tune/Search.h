//===- Search.h - The best parameters of a function, one parameter after the other ------------===//
//
// Coordinate descent: from the parameters that a function was compiled with, each is tried at all
// of its candidates while the others stay, and the best is kept; until none gets better. Where an
// instance would take too much shared memory, it gets fewer stages. The order is always the same.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TUNE_SEARCH_H
#define LLMOPT_RUNTIME_TUNE_SEARCH_H

#include "runtime/artifact/CudaSchedule.h"

#include <functional>
#include <optional>
#include <vector>

namespace llmopt {

/// What may be searched.
struct SearchSpace {
  CudaSchedule start;
  int64_t maxRows = 0;     ///< of the function: rows of a tile are tried where it is for any
  bool keepsSums = false;  ///< only parameters that change no order of sums
  int64_t sharedBytes = 0; ///< of a block
};

/// Seconds of each instance, in order; none for one that cannot be used. The first call has the
/// start alone.
using MeasureInstances = std::function<Result<std::vector<std::optional<double>>>(
    const std::vector<CudaParameters> &instances)>;

/// Told all instances that may be asked for soon, so that they are compiled together.
using PrepareInstances = std::function<Status(const std::vector<CudaParameters> &instances)>;

struct SearchResult {
  CudaParameters best;
  double seconds = 0;      ///< of the best
  double startSeconds = 0; ///< of the start
  int64_t tried = 0;       ///< instances, the start among them
};

/// What is less than this share better is not better.
constexpr double leastGain = 0.01;

/// The instances that differ from `from` in one parameter, and in stages where they must.
std::vector<CudaParameters> neighbours(const SearchSpace &space, const CudaParameters &from,
                                       const CudaParameter &parameter);

/// Whether all that differs from the start changes no order of sums.
bool keepsSums(const SearchSpace &space, const CudaParameters &instance);

/// Searches until nothing gets better or `expired`. Fails if the start cannot be measured.
Result<SearchResult> search(const SearchSpace &space, const PrepareInstances &prepare,
                            const MeasureInstances &measure, const std::function<bool()> &expired);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TUNE_SEARCH_H
