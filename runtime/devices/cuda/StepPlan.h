//===- StepPlan.h - A whole step as one kernel: what the plan says of it ----------------------===//
//
// Of the whole step (Plan::target), if it can run so, a function for each number of rows:
//
//   {"persistent": [{"name": "step_rows4",  // a function of source/step_rows4.cu
//     "max_rows": 4, "block": 288, "shared": 230000,
//     "kernels": ["embed", ...]}]}          // what LlmoptStepKernel::function counts
//
// and of each launch how its tiles wait for those of others, in the same order:
//
//   {"sync": [{"period": 6,     // tiles; of each row, if
//     "per_row": false,
//     "parts": false,           // attention: each stands for as many as the keys have parts
//     "chunks": [4, 0, 2, 1],   // runs (count, chunk): tiles 0 to 3 are of chunk 0, 4 and 5 of 1
//     "wait_of": [6, 0],        // runs (count, set)
//     "waits": [[2, 0, 2, 1]]}]}  // sets of (launch, chunk)
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_STEPPLAN_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_STEPPLAN_H

#include "runtime/artifact/Artifact.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmopt {

/// How the tiles of a launch wait for those of others, as the header says.
struct StepSync {
  struct Wait {
    int64_t launch = 0, chunk = 0;
  };
  bool perRow = false, parts = false;
  std::vector<int32_t> chunkOf, waitOf; ///< of each tile of a period
  std::vector<std::vector<Wait>> waits;
  std::vector<int64_t> chunkTiles; ///< of each chunk, its tiles in a period: one or more

  int64_t period() const { return static_cast<int64_t>(chunkOf.size()); }
};

/// The step for up to maxRows rows.
struct StepFunction {
  std::string function;
  int64_t maxRows = 0;
  uint32_t threads = 1, sharedBytes = 0;
  std::vector<int32_t> functionOf; ///< of each launch
  std::vector<StepSync> syncs;     ///< of each launch
};

/// The functions in rising order of rows; none if the plan has none. Every index is checked, and
/// that waits are for launches ahead, so that no tile waits for one that comes after it. `what`
/// names the file.
Result<std::vector<StepFunction>> readStepFunctions(const Plan &plan, const std::string &what);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_STEPPLAN_H
