//===- StepTable.h - The kernels of a persistent step, as its blocks read them ----------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_STEPTABLE_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_STEPTABLE_H

#include "runtime/artifact/KernelAbi.h"
#include "runtime/devices/cuda/StepPlan.h"

#include <map>
#include <vector>

namespace llmopt {

/// What the table needs to know of a launch of the plan for this batch.
struct StepLaunch {
  int64_t rows = 0;
  int64_t parts = 1;               ///< of attention's keys
  std::vector<uint64_t> arguments; ///< addresses
};

/// The table of one step function for batches of one size, and of one number of blocks: counters
/// are of their own for each, so that what a launch adds to them is always the same.
class StepTable {
public:
  StepTable(const StepFunction &step, const std::vector<StepLaunch> &launches, int64_t blocks);

  const std::vector<LlmoptStepKernel> &kernels() const { return kernelList; }
  const std::vector<int32_t> &table() const { return places; }
  int64_t counters() const { return counterCount; }
  /// Of all kernels.
  int64_t tiles() const { return tileCount; }

private:
  int32_t addList(const std::vector<int32_t> &list);
  int32_t addWaits(const StepFunction &step, const std::vector<StepLaunch> &launches,
                   const StepSync &sync, std::vector<int32_t> &placeOfSet);

  std::vector<LlmoptStepKernel> kernelList;
  std::vector<int32_t> places;
  std::map<std::vector<int32_t>, int32_t> lists; ///< where each is, once
  int64_t counterCount = 2;                      ///< the first two count blocks, in 64 bits
  int64_t tileCount = 0;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_STEPTABLE_H
