//===- CudaPlan.h - What to launch for how many rows ------------------------------------------===//
//
// The plan's facts of the target "cuda", read and checked: what is here needs no further checks but
// the card's own limits. A launch of the plan has variants for rising numbers of rows; each is a
// few calls, one after the other:
//
//   {"variants": [{"max_rows": 4,      // up to so many; absent in the last
//     "decode": true,                  // only where each row is of another sequence; not the last
//     "functions": [
//       {"name": "norm_linear_rows4",  // a function of source/KERNEL.cu
//        "tiles": 320, "rows_per_tile": 4, "per_sequence": false, "blocks_per_multiprocessor": 1,
//        "block": 256, "shared": 67840,
//        "splits": 66,                 // most blocks for the work of one; absent: one
//        "early": true,
//        "schedule": {...}}, // of a linear: CudaSchedule.h
//       {"product": {"a": 0, "b": 1, "c": 2,  // or a product by the vendor's library: arguments
//        "columns": 4096, "depth": 4096, "stride": 4096, "inputs": "bf16", "output": "f32"}}]}]}
//
// rows is N or M by the launch's space. Of the whole step (Plan::target) there is, if the device is
// to choose tokens,
//
//   {"sampling": {"functions": {"sample": {...}, "advance": {...}}, "workspace_row_bytes": 1024}}
//
// with functions of source/sampling.cu, whose rows are those of the logits:
//   sample(step, const float *logits, const LlmoptSampling *rows, int32_t *tokens, void *workspace)
//   advance(step, const int32_t *tokens): the batch becomes the next one: a decode of these tokens
// The workspace is of that size per row, zeroed when it is made and 0 bytes (a null pointer) if
// absent. A step that can run as one kernel has more (StepPlan.h).
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_CUDAPLAN_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_CUDAPLAN_H

#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/CudaSchedule.h"
#include "runtime/devices/cuda/Driver.h"
#include "runtime/devices/cuda/StepPlan.h"
#include "support/CudaTuning.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace llmopt {

/// A function and its grid: tiles * ceil(rows / rowsPerTile), or, as rows of different sequences do
/// not share a tile, tiles * (rows / rowsPerTile + sequences); and as many blocks. Where blocks
/// make one tile after the other there are at most blocksPerMultiprocessor for each multiprocessor.
/// Where the work of a tile can be split, each is as many blocks as the card runs at once, but at
/// most tiles * splits in all: the function derives the number from its grid.
struct CudaGrid {
  std::string function;
  int64_t tiles = 1;
  int64_t rowsPerTile = 1;
  bool perSequence = false;
  int64_t blocksPerMultiprocessor = 0; ///< 0: a block for each tile
  int64_t splits = 1;
  uint32_t threads = 1;
  uint32_t sharedBytes = 0;
  bool early = false;    ///< see CudaLaunch::early
  CudaSchedule schedule; ///< of a linear
  bool tuned = false;    ///< the schedule is not the one that it was compiled with

  /// Makes it another instance of its template; one that CudaTemplate::check() has passed.
  void reschedule(const CudaParameters &parameters);
  /// Before they are split, and into how many each is.
  int64_t tilesOf(int64_t rows, int64_t sequences) const;
  int64_t splitsOf(int64_t rows, int64_t sequences, int64_t resident) const;
  /// `resident`: blocks of the function that the card runs at once, at least 1; asked for only
  /// where splits > 1.
  int64_t blocks(int64_t rows, int64_t sequences, int64_t multiprocessors, int64_t resident) const;
};

/// A dense product of the launch's arguments a, b and c; see CudaProduct.
struct CudaPlannedProduct {
  int64_t a = 0, b = 0, c = 0;
  int64_t columns = 0, depth = 0, stride = 0;
  CudaProduct::Type inputs = CudaProduct::Type::BF16, output = CudaProduct::Type::BF16;
};

using CudaCall = std::variant<CudaGrid, CudaPlannedProduct>;

struct CudaRowVariant {
  int64_t maxRows = 0; ///< 0: any number
  bool decode = false; ///< only for as many sequences as rows
  std::vector<CudaCall> calls;
};

struct CudaSamplingPlan {
  CudaGrid sample, advance;
  int64_t workspaceRowBytes = 0;
};

struct CudaPlan {
  /// Of each launch of the plan, its variants in rising order of rows.
  std::vector<std::vector<CudaRowVariant>> launches;
  std::optional<CudaSamplingPlan> sampling;
  std::vector<StepFunction> steps; ///< by rising numbers of rows; empty: not persistent

  /// `what` names the file.
  static Result<CudaPlan> read(const Plan &plan, const std::string &what);

  /// What runs for a step: `rows` of the launch's space, `decode` if each token is of another
  /// sequence.
  const std::vector<CudaCall> &calls(size_t launch, int64_t rows, bool decode) const;

  /// Gives functions the schedules that were found for them, where they are others than those that
  /// they were compiled with; how many functions that are. An Error if one cannot take what the
  /// file has for it.
  Result<int64_t> tune(const CudaTuning &tuning, bool batchInvariant, int64_t sharedBytes);
};

/// The name, the threads of a block and the shared memory of a function; no grid.
Result<CudaGrid> readCudaFunction(const Json &json, const std::string &what);

/// The name of the source file of a kernel: "source/NAME.cu".
std::string cudaSourceName(const std::string &kernel);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_CUDAPLAN_H
