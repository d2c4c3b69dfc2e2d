//===- CudaPersistent.h - A whole step as one kernel ------------------------------------------===//

#ifndef LLMOPT_CODEGEN_CUDA_CUDAPERSISTENT_H
#define LLMOPT_CODEGEN_CUDA_CUDAPERSISTENT_H

#include "codegen/cuda/CudaWriter.h"

#include <set>

namespace llmopt {

/// A kernel as it was emitted by itself.
struct EmittedKernel {
  const PlannedKernel *planned;
  std::vector<CudaVariant> variants;
  std::string parts; ///< the text of its namespace
};

/// The source of the persistent step for up to maxRows rows, whose kernels are those of the step by
/// themselves: the same tile functions.
struct PersistentSource {
  std::string name; ///< of the function
  std::set<std::string> headers;
  std::string text;
  int64_t maxRows = 0, threads = 0, sharedBytes = 0;
};

/// Fails where a kernel takes more than one call for so many rows, or they have no room together.
Result<PersistentSource> emitPersistentStep(const std::vector<EmittedKernel> &kernels,
                                            int64_t maxRows, const CudaTarget &target);

} // namespace llmopt

#endif // LLMOPT_CODEGEN_CUDA_CUDAPERSISTENT_H
