//===- persistent.cuh - A whole step by one kernel --------------------------------------------===//
//
// As many blocks as the card runs at once walk through the kernels of the step, in order. Tiles are
// numbered through all of them; tile g belongs to block g % blocks, and a block makes its tiles in
// rising order, so the lowest tile that is not made yet can always be made: nothing waits for ever.
//
// Before a tile touches anything but weights it waits at counters for what it needs, no more
// (LlmoptStepKernel, derived by --llm-synchronize); after it, it is counted at its chunk's.
// Counters only rise: what a launch waits for is what all launches before it and itself have
// counted, and how many came before, each block sees at the first counter. Nothing is ever reset.
//
// Where a kernel streams its weights (stream.cuh), a loader warp goes ahead of the others through
// all kernels: it waits for room in the ring, never for a counter. So the next linear's weights are
// under way, or there, when its input is.
//
// A Step is what codegen emits:
//
//   struct Step {
//     using Stream = WeightStream<...>;        // or NoStream
//     static constexpr int consumers = 256;    // threads that make tiles
//     static constexpr int workBytes = ...;    // their shared memory, a multiple of 128
//     // Calls Kernel::load(), if the kernel streams.
//     static void load(const LlmoptBatch &, const LlmoptStepKernel &, Tiles, Stream &);
//     // Makes the tiles.
//     static void make(const LlmoptBatch &, const LlmoptStepKernel &, Tiles, char *work, Stream &,
//                      StepGate &);
//   };
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_PERSISTENT_CUH
#define LLMOPT_CUDA_PERSISTENT_CUH

#include "launch.cuh"

namespace llmopt::cuda {

/// Where no kernel streams: there is no loader warp.
struct NoStream {
  static constexpr int sharedBytes = 0;
  explicit LLMOPT_DEVICE NoStream(char *) {}
  LLMOPT_DEVICE void start(int) const {}
};

/// The counters of one kernel of the step.
class StepGate {
public:
  LLMOPT_DEVICE StepGate(const LlmoptStep &step, const LlmoptStepKernel &kernel,
                         const unsigned *launches)
      : step(step), kernel(kernel), launches(launches) {}

  /// `Threads` threads return when what the tile needs is there.
  template <int Threads> LLMOPT_DEVICE void wait(int tile) {
    int place = kernel.waits + (kernel.waitsOf < 0 ? 0 : step.table[kernel.waitsOf + entry(tile)]);
    if (place == waited)
      return;
    waited = place;
    int count = step.table[place];
    if (count == 0)
      return;
    const int *waits = step.table + place + 1;
    if (warpIndex() == 0)
      for (int i = laneIndex(); i < count; i += 32)
        waitForCount(step.counters + waits[2 * i], (*launches + 1) * unsigned(waits[2 * i + 1]));
    syncThreads<Threads>();
  }
  /// By one thread, which knows of all that the tile has stored.
  LLMOPT_DEVICE void signalDone(int tile) const {
    int chunk = kernel.chunksOf < 0 ? 0 : step.table[kernel.chunksOf + entry(tile)];
    signal(step.counters + kernel.counters + chunk);
  }

private:
  LLMOPT_DEVICE int entry(int tile) const { return tile / kernel.parts % kernel.period; }

  const LlmoptStep &step;
  const LlmoptStepKernel &kernel;
  const unsigned *launches; ///< of the step that came before this one
  int waited = -1;
};

/// The gate of a kernel that makes tile after tile by `Threads` threads.
template <int Threads> class StreamGate {
public:
  explicit LLMOPT_DEVICE StreamGate(StepGate &gate) : gate(gate) {}
  LLMOPT_DEVICE void wait(int tile) const { gate.wait<Threads>(tile); }
  /// By the warp that has stored the tile.
  LLMOPT_DEVICE void done(int tile) const {
    syncWarp();
    if (laneIndex() == 0)
      gate.signalDone(tile);
  }

private:
  StepGate &gate;
};

/// The gate of one tile.
template <int Threads> class TileGate {
public:
  LLMOPT_DEVICE TileGate(StepGate &gate, int tile) : gate(gate), tile(tile) {}
  LLMOPT_DEVICE void wait() const { gate.wait<Threads>(tile); }

private:
  StepGate &gate;
  int tile;
};

/// Calls make(tile, gate) in the first `Threads` threads for each of the tiles.
template <int Threads, class Make>
LLMOPT_DEVICE void makeTiles(Tiles tiles, StepGate &gate, const Make &make) {
  if (threadIndex() >= Threads)
    return;
  for (int tile = tiles.first; tile < tiles.end; tile += tiles.stride) {
    make(tile, TileGate<Threads>(gate, tile));
    syncThreads<Threads>();
    if (threadIndex() == 0)
      gate.signalDone(tile);
  }
}

/// Runs a Step, by blocks of Step::consumers threads and, if kernels stream, a loader warp.
template <class Step> class PersistentStep {
public:
  using Stream = typename Step::Stream;
  static constexpr bool streams = Stream::sharedBytes > 0;
  static constexpr int consumers = Step::consumers;
  static constexpr int threads = consumers + (streams ? 32 : 0);
  /// Shared memory: the work of a kernel; the stream; the facts of two kernels, the running one and
  /// the next; and how many launches came before.
  static constexpr int kernelBytes = int(sizeof(LlmoptStepKernel));
  static constexpr int sharedBytes = Step::workBytes + Stream::sharedBytes + 2 * kernelBytes + 16;
  static_assert(Step::workBytes % 128 == 0 && kernelBytes % 16 == 0, "whole pieces, aligned");

  static LLMOPT_DEVICE void run(const LlmoptBatch &batch, const LlmoptStep &step, char *shared) {
    Stream stream(shared + Step::workBytes);
    char *kernels = shared + Step::workBytes + Stream::sharedBytes;
    unsigned *launches = reinterpret_cast<unsigned *>(kernels + 2 * kernelBytes);
    if (threadIndex() == 0) {
      stream.start(consumers / 32);
      auto *arrivals = reinterpret_cast<unsigned long long *>(step.counters);
      *launches = unsigned(arriveAtGrid(arrivals) / unsigned(blockCount()));
    }
    fetch(step, 0, kernels);
    waitCopies<0>();
    syncThreads<threads>();
    if (threadIndex() < consumers)
      make(batch, step, shared, stream, kernels, launches);
    else if constexpr (streams)
      load(batch, step, stream);
  }

private:
  /// Those of the kernel that are this block's.
  static LLMOPT_DEVICE Tiles tilesOf(const LlmoptStepKernel &kernel) {
    int first = blockIndex() - kernel.begin;
    return {first < 0 ? first + blockCount() : first, blockCount(), kernel.tiles};
  }

  static LLMOPT_DEVICE void load(const LlmoptBatch &batch, const LlmoptStep &step, Stream &stream) {
    for (int k = 0; k < step.kernelCount; ++k)
      Step::load(batch, step.kernels[k], tilesOf(step.kernels[k]), stream);
  }

  /// The first lanes start to bring a kernel's facts.
  static LLMOPT_DEVICE void fetch(const LlmoptStep &step, int k, char *kernels) {
    if (threadIndex() < kernelBytes / 16)
      copyAsync(kernels + k % 2 * kernelBytes + threadIndex() * 16,
                reinterpret_cast<const char *>(step.kernels + k) + threadIndex() * 16, true);
    commitCopies();
  }

  /// The next kernel's facts come while this one's tiles are made.
  static LLMOPT_DEVICE void make(const LlmoptBatch &batch, const LlmoptStep &step, char *work,
                                 Stream &stream, char *kernels, const unsigned *launches) {
    for (int k = 0; k < step.kernelCount; ++k) {
      if (k + 1 < step.kernelCount)
        fetch(step, k + 1, kernels);
      const auto &kernel =
          *reinterpret_cast<const LlmoptStepKernel *>(kernels + k % 2 * kernelBytes);
      Tiles tiles = tilesOf(kernel);
      if (tiles.first < tiles.end) {
        StepGate gate(step, kernel, launches);
        Step::make(batch, kernel, tiles, work, stream, gate);
      }
      waitCopies<0>();
      // Not the barrier of tiles: threads that make none are here already.
      syncNamed(15, consumers);
    }
  }
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_PERSISTENT_CUH
