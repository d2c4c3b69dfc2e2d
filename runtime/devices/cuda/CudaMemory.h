//===- CudaMemory.h - How many bytes of a card a model takes ----------------------------------===//
//
// From the plan alone, before anything is loaded: what the weights, the key-value cache and the
// working memory of a step take, and how long a context fits. The device allocates by the same
// functions. All sizes are bytes.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_CUDAMEMORY_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_CUDAMEMORY_H

#include "runtime/artifact/Artifact.h"

#include <cstdint>
#include <string>

namespace llmopt {

/// The largest step that is to run: rows of the batch, of these how many have logits, and of how
/// many sequences they are.
struct StepSize {
  int64_t rows = 1;
  int64_t logitRows = 1;
  int64_t sequences = 1;
};

class CudaMemory {
public:
  /// What the driver, its libraries and the kernels' code hold beside all that is counted here; an
  /// estimate. The free bytes that a driver reports are without its own part already.
  static constexpr uint64_t driverBytes = uint64_t(640) << 20;

  CudaMemory(const Plan &plan, int64_t contextLength);

  uint64_t weightBytes() const { return weights; }

  /// Of all layers.
  uint64_t pageBytes() const { return page; }
  int64_t pageTokens() const { return tokensOfPage; }
  int64_t pagesFor(int64_t tokens) const;
  /// For one sequence of so many tokens, in whole pages.
  uint64_t cacheBytes(int64_t tokens) const;

  /// Intermediates and the batch itself.
  uint64_t workspaceBytes(const StepSize &step) const;
  uint64_t tokenArenaBytes(int64_t rows) const;
  uint64_t logitArenaBytes(int64_t rows) const;
  uint64_t batchBytes(const StepSize &step) const;

  /// Pages that fit into `free` bytes beside weights and workspace.
  int64_t pagesThatFit(uint64_t free, const StepSize &step) const;
  /// Tokens of the longest single sequence that fits, at most the model's context length; 0: none.
  int64_t longestContext(uint64_t free, const StepSize &step) const;

  /// The numbers of an error of memory: "the weights take 15.01 GB, a step of 512 rows 0.20 GB and
  /// each token of the key-value cache 131072 bytes; of 16.00 GB that are free this leaves a
  /// context of 6032 tokens".
  std::string describe(uint64_t free, const StepSize &step) const;

private:
  uint64_t weights = 0;
  uint64_t page = 0;
  int64_t tokensOfPage = 1;
  int64_t contextLength = 0;
  uint64_t tokenRow = 0, logitRow = 0;
};

/// "15.01 GB": decimal, as memory is sold.
std::string formatBytes(uint64_t bytes);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_CUDAMEMORY_H
