//===- CudaTarget.h - Facts of the CUDA architectures -----------------------------------------===//

#ifndef LLMOPT_SUPPORT_CUDATARGET_H
#define LLMOPT_SUPPORT_CUDATARGET_H

#include "support/Error.h"

#include <cstdint>
#include <string>

namespace llmopt {

/// What the schedule and the emitter have to know of an architecture.
struct CudaTarget {
  std::string arch; ///< "sm_90a"
  /// Of a large card of the architecture.
  int64_t multiprocessors;
  /// Shared memory that a block can have and that a multiprocessor has for its blocks, each of
  /// which takes reservedBytes more (CUDA C++ Programming Guide, table of compute capabilities).
  int64_t blockSharedBytes;
  int64_t multiprocessorSharedBytes;
  static constexpr int64_t reservedBytes = 1024;
  /// wgmma, bulk copies and barriers in shared memory (kernels/intrinsics_sm90.cuh).
  bool warpgroups;
};

/// The error lists the known ones.
Result<CudaTarget> findCudaTarget(const std::string &arch);

} // namespace llmopt

#endif // LLMOPT_SUPPORT_CUDATARGET_H
