//===- launch.cuh - How tile functions are launched -------------------------------------------===//
//
// A kernel is a tile function `tile(..., int index, char *shared, const Gate &gate)`: one tile of
// its output, by one block. It does not know who calls it. The caller tells through the gate when
// what other kernels produce is there: a tile first starts the loads of its static operands (the
// weights), then calls gate.wait() once, in every thread, and only then touches anything else:
// activations, the batch's arrays, the cache, its outputs (whose memory others may still be
// reading).
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_LAUNCH_CUH
#define LLMOPT_CUDA_LAUNCH_CUH

#include "types.cuh"

namespace llmopt::cuda {

/// A tile per block of a kernel in a stream or a graph. Under programmatic dependent launch the
/// block may begin before the kernel ahead has ended.
struct GridGate {
  LLMOPT_DEVICE GridGate() { launchDependents(); }
  LLMOPT_DEVICE void wait() const { waitForProducers(); }
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_LAUNCH_CUH
