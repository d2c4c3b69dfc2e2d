//===- MemoryChecker.h - Holds every access to bounds, initialization and order ---------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_MEMORYCHECKER_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_MEMORYCHECKER_H

#include "runtime/devices/cuda_emulated/Emulator.h"
#include "runtime/devices/cuda_emulated/Shadow.h"

namespace llmopt::emulated {

/// What is known of one block's accesses, and its shared memory's records.
struct BlockMemory {
  /// The last fence of the asynchronous side: its stamp, and what all threads of the block, and its
  /// first ones, knew of each other then.
  struct Fence {
    uint32_t stamp = 0, floor = 0, firstFloor = 0;
  };

  Order order;
  GridOrder grid;
  std::vector<Record> writers, readers; ///< of shared memory
  /// Per 16 bytes of shared memory: operations that are still going to read.
  std::vector<uint16_t> openReads;
  int openReadCount = 0;
  std::vector<Fence> fences;   ///< per thread
  std::vector<uint32_t> waits; ///< per thread: its stamp when it waited for producers; 0: not yet
};

/// Functions return true if all is well; else problem() says what is not, as the rest of a sentence
/// that begins with the thread: "writes 4 bytes at ...".
class MemoryChecker {
public:
  using Access = RaceDetector::Access;

  void startLaunch(const GridLaunch &launch);
  void startBlock(int block, BlockMemory &memory);
  /// This block runs from now on.
  void enterBlock(int block, BlockMemory &memory);

  const std::string &problem() const { return text; }
  Order &order() { return own->order; }

  //===- Order, as of Order and GridOrder -----------------------------------------------------===//

  void syncBlock();
  void syncFirst(int count);
  void syncLanes(int warp, uint32_t mask);
  void syncThreads(const std::vector<uint32_t> &masks);
  void release(int thread, const void *object);
  void acquire(int thread, const void *object);
  void forget(const void *object);
  void fence(int thread) { own->grid.fence(thread); }
  void increment(int thread, const unsigned *counter) {
    own->grid.increment(thread, counter, *counter);
  }
  void signal(int thread, const unsigned *counter) { own->grid.signal(thread, counter, *counter); }
  void waited(int thread, const unsigned *counter, unsigned least) {
    own->grid.waited(thread, counter, least);
  }

  //===- Accesses -----------------------------------------------------------------------------===//

  bool access(Access access, int thread, const void *address, size_t bytes);
  /// cp.async and others that write shared memory later.
  bool openWrite(int thread, const void *to, size_t bytes);
  bool closeWrite(int who, uint32_t stamp, const void *to, size_t bytes);
  /// The operation is on the asynchronous side of shared memory, which sees what threads have
  /// written only after a fence.
  bool openRead(int thread, const void *from, size_t bytes);
  bool closeRead(int thread, const void *from, size_t bytes);
  void fenceAsyncSide(int thread);

  void waitForProducers(int thread);
  /// Has any thread of the launch waited?
  bool hasWaited() const { return anyWaited; }

  /// Does an operation still read shared memory?
  bool hasOpenReads() const { return own->openReadCount > 0; }

  bool inShared(const void *address) const {
    return reinterpret_cast<uintptr_t>(address) - sharedBegin < launch->sharedCapacity;
  }
  /// "byte 16 of shared memory", "byte 4 of parameter 2".
  std::string describe(const void *address) const;

private:
  bool fail(Access access, const void *address, size_t bytes, const std::string &what);
  bool checkShared(Access access, int thread, uintptr_t offset, size_t bytes);
  bool sharedBounds(Access access, const void *address, size_t bytes);
  bool checkGlobal(Access access, int thread, uintptr_t address, size_t bytes);
  const MemoryRange *rangeOf(uintptr_t address) const;
  std::string describe(const Conflict &conflict) const;
  bool reportConflict(Access access, const void *address, size_t bytes, const Conflict &conflict);
  bool checkOpenReads(uintptr_t offset, size_t bytes);
  bool mayTouchProducts(int thread);
  bool isFenced(int thread, uintptr_t offset, size_t bytes, int &writer) const;
  Cells sharedCells(uintptr_t offset) {
    return {own->writers.data() + offset, own->readers.data() + offset, /*global=*/false};
  }

  const GridLaunch *launch = nullptr;
  uintptr_t sharedBegin = 0;
  std::vector<const MemoryRange *> ranges; ///< by address
  bool overlapping = false;                ///< some of them
  mutable const MemoryRange *recent = nullptr;
  BlockMemory *own = nullptr; ///< of the block that runs
  GridCounters counters;
  RaceDetector races;
  GlobalShadow global;
  bool anyWaited = false;
  std::string text;
};

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_MEMORYCHECKER_H
