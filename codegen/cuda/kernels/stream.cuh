//===- stream.cuh - A ring of weights in shared memory, filled ahead by a warp of its own
//---------===//
//
// A loader warp brings weights, slice by slice, into the stages of a ring; consumer warps take them
// in the same order. They meet at two barriers for each stage: `full`, when a slice has come, and
// `empty`, when every consumer warp has done with it. Weights are static, so the loader waits for
// nothing but room: the ring goes on from tile to tile, and in a persistent kernel from one linear
// to the next, whatever the consumers are waiting for.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_STREAM_CUH
#define LLMOPT_CUDA_STREAM_CUH

#include "intrinsics_sm90.cuh"
#include "launch.cuh"

namespace llmopt::cuda {

/// Each thread has its own, and counts for itself where in the ring it is. Every thread takes the
/// same slices in the same order: the loader by acquire() and next(), a consumer by wait(),
/// release() and next(). `Arrivals` threads say that a slice has come: 1, which announces the bytes
/// of bulk copies, or all 32 of the loader warp.
template <int StageBytes, int Stages, int Arrivals> class WeightStream {
public:
  static constexpr int stageBytes = StageBytes, arrivals = Arrivals;
  /// 128-byte aligned.
  static constexpr int sharedBytes = Stages * (StageBytes + 2 * int(sizeof(SharedBarrier)));
  static_assert(Arrivals == 1 || Arrivals == 32, "one thread or the warp");

  explicit LLMOPT_DEVICE WeightStream(char *shared)
      : memory(shared), full(reinterpret_cast<SharedBarrier *>(shared + Stages * StageBytes)) {}
  /// By one thread; the others may use the ring after a barrier of the block.
  LLMOPT_DEVICE void start(int consumerWarps) const {
    for (int s = 0; s < Stages; ++s) {
      initBarrier(full[s], Arrivals);
      initBarrier(full[Stages + s], consumerWarps);
    }
    fenceBarriers();
  }

  /// The stage to fill, when the consumers have given it back.
  LLMOPT_DEVICE char *acquire() const {
    if (round > 0)
      waitBarrier(full[Stages + stage], (round - 1) % 2);
    return memory + stage * StageBytes;
  }
  /// At which what fills it arrives.
  LLMOPT_DEVICE SharedBarrier &arrived() const { return full[stage]; }

  /// The slice, when it is there.
  LLMOPT_DEVICE const char *wait() const {
    waitBarrier(full[stage], round % 2);
    return memory + stage * StageBytes;
  }
  /// This warp has done with it.
  LLMOPT_DEVICE void release() const {
    syncWarp();
    if (laneIndex() == 0)
      arrive(full[Stages + stage]);
  }

  LLMOPT_DEVICE void next() {
    if (++stage == Stages) {
      stage = 0;
      ++round;
    }
  }

private:
  char *memory;
  SharedBarrier *full; ///< of each stage, then the empty ones
  int stage = 0, round = 0;
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_STREAM_CUH
