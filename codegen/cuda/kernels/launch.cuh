//===- launch.cuh - How tile functions are launched -------------------------------------------===//
//
// A kernel is a tile function `tile(..., int index, char *shared, const Gate &gate)`: one tile of
// its output, by one block; or `run(..., Tiles tiles, char *shared, const Gate &gate)`: some tiles,
// one after the other. It does not know who calls it. The caller tells through the gate when what
// other kernels produce is there: a tile first starts the loads of its static operands (the
// weights), then calls gate.wait() once, in every thread that goes on to touch anything else:
// activations, the batch's arrays, the cache, its outputs (whose memory others may still be
// reading). run() calls gate.wait(tile) for each of its tiles, and the warp that has stored it
// gate.done(tile).
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_LAUNCH_CUH
#define LLMOPT_CUDA_LAUNCH_CUH

#include "types.cuh"

namespace llmopt::cuda {

/// Tiles that one block makes, one after the other.
struct Tiles {
  int first, stride, end;
};

/// A kernel in a stream or a graph. Under programmatic dependent launch the block may begin before
/// the kernel ahead has ended.
struct GridGate {
  LLMOPT_DEVICE GridGate() { launchDependents(); }
  LLMOPT_DEVICE void wait() const { waitForProducers(); }
  LLMOPT_DEVICE void wait(int) const { waitForProducers(); }
  LLMOPT_DEVICE void done(int) const {}
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_LAUNCH_CUH
