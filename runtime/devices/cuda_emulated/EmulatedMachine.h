//===- EmulatedMachine.h - The Machine of a launch --------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATEDMACHINE_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATEDMACHINE_H

#include "runtime/devices/cuda_emulated/Faults.h"
#include "runtime/devices/cuda_emulated/MemoryChecker.h"
#include "runtime/devices/cuda_emulated/Scheduler.h"

#include <map>
#include <memory>
#include <random>

namespace llmopt::emulated {

/// "gemm.cuh:12".
std::string placeOf(Site site);

class EmulatedMachine final : public Machine {
public:
  explicit EmulatedMachine(const EmulatorOptions &options);

  Status run(const GridLaunch &launch);

  [[noreturn]] void fail(const char *message, Site site) override;
  void syncBlock(Site site) override;
  void syncFirst(int count, Site site) override;
  void syncNamed(int id, int count, Site site) override;
  void arriveNamed(int id, int count, Site site) override;
  void syncWarp(uint32_t mask, Site site) override;
  void collect(const char *what, uint32_t mask, const void *in, void *out, Compute compute,
               Site site) override;
  uint64_t shuffle(uint64_t value, int source, uint32_t mask, Site site) override;
  uint32_t ballot(bool value, uint32_t mask, Site site) override;
  void loadMatrices(unsigned *to, const void *row, bool transposed, Site site) override;
  void multiplyBfloats(float *sums, const unsigned *registers, Site site) override;
  void multiplyHalves(float *sums, const unsigned *registers, Site site) override;
  void waitUntil(Predicate ready, const void *context, const char *what, Site site) override;
  void defer(const void *queue, Operation run, const void *closure, size_t bytes) override;
  void runDeferred(const void *queue) override;
  void read(const void *from, size_t bytes, size_t alignment, Site site) override;
  void write(void *to, size_t bytes, size_t alignment, Site site) override;
  void access(const void *address, size_t bytes, bool isWrite, const void *caller) override;
  void misaligned(const void *address, size_t alignment, const char *file, int line) override;
  void openWrite(void *to, size_t bytes, size_t alignment, Site site) override;
  void closeWrite(void *to, size_t bytes, const void *object) override;
  void openRead(const void *from, size_t bytes, size_t alignment, Site site) override;
  void closeRead(const void *from, size_t bytes) override;
  void copyAsync(void *shared, const void *global, int bytes, int zeros, Site site) override;
  void commitCopies() override;
  void waitCopies(int pending) override;
  void deferCopies(const void *queue, const void *object, Operation run, const void *closure,
                   size_t bytes) override;
  void release(const void *object) override;
  void acquire(const void *object) override;
  void fence(bool device) override;
  void fenceAsyncSide() override;
  void waitForProducers() override;
  void forget(const void *object) override;
  void atomic(void *address, size_t bytes, Site site) override;
  unsigned increment(unsigned *counter, Site site) override;
  void signal(unsigned *counter, Site site) override;
  void waitForCount(const unsigned *counter, unsigned least, Site site) override;

private:
  using Access = MemoryChecker::Access;

  struct Copy {
    char *to;
    const char *from;
    int bytes, zeros;
  };
  /// Copies whose end an object is told of.
  struct MovedCopies {
    const void *object;
    Operation run;
    std::vector<uint64_t> closure;
    std::vector<Copy> copies;
  };
  /// What a thread waits for. Switches go from one to the next, so each has a line of the cache.
  struct alignas(64) Waiting {
    const char *what = nullptr; ///< "the block's barrier"; null: for nothing
    Site site{};
    // When it meets its warp:
    uint32_t mask = 0;
    bool complete = false; ///< no lane may have ended
    const void *in = nullptr;
    void *out = nullptr;
    Compute compute = nullptr; ///< null: a barrier of the warp
  };
  /// The asynchronous copies of a thread.
  struct Copies {
    std::vector<Copy> list;
    size_t first = 0;
    std::vector<size_t> groups; ///< ends of the committed groups in `list`
    size_t firstGroup = 0;

    void clear() {
      list.clear();
      groups.clear();
      first = firstGroup = 0;
    }
  };
  struct Warp {
    uint32_t lanes = 0; ///< that exist and have not ended
    uint32_t waiting = 0;
  };
  struct Barrier {
    int arrived = 0;
    int count = 0; ///< of threads that it opens for, if somebody has arrived; 0: all that live
    std::vector<int> waiting;
    Site site{};
  };

  /// That other blocks bring a counter to `least`.
  struct CountWait {
    const unsigned *counter = nullptr;
    unsigned least = 0;

    static bool isOver(const void *self);
  };
  /// A block that has begun and not ended.
  struct Block {
    explicit Block(std::function<uint32_t(uint32_t)> random) : scheduler(std::move(random)) {}

    int index = 0;
    int slot = 0;
    uint64_t run = 0;
    int live = 0; ///< threads that have not ended
    Scheduler scheduler;
    std::vector<Waiting> waiting;
    std::map<int, CountWait> countWaits; ///< by thread
    std::vector<Copies> copies;
    std::vector<Warp> warps;
    std::map<int, Barrier> barriers; ///< by number
    std::deque<MovedCopies> moved;
    BlockMemory memory;
    std::vector<char> shared; ///< its shared memory, while another block's is in its place
  };

  /// Marks accesses as the emulator's own: kernels and the emulator may share instrumented code.
  class Inside {
  public:
    explicit Inside(EmulatedMachine &machine) : machine(machine) { machine.inside = true; }
    ~Inside() { machine.inside = false; }

  private:
    EmulatedMachine &machine;
  };

  Waiting &self() { return now->waiting[size_t(thread)]; }
  static void enter(void *self, int which);
  Status prepare(const GridLaunch &launch);
  std::vector<int> orderOfBlocks();
  Status runInTurn(const std::vector<int> &order);
  Status runTogether(const std::vector<int> &order);
  Status runBlock(uint32_t mayLeave, bool &ended);
  Status checkEnded() const;
  void startBlock(Block &block, int index);
  void enterBlock(Block &block);
  size_t sharedSize() const { return size_t(launch->sharedBytes) + GridLaunch::guardBytes; }
  void maybeLeave();
  void endThread();
  void arriveAtBlock(int count, Site site);
  bool openBlockBarrier();
  void meet(const char *what, uint32_t mask, const void *in, void *out, Compute compute,
            bool complete, Site site);
  bool tryToMeet(int warp, uint32_t mask);
  void wakeAll(std::vector<int> &waiting);
  void pauseFor(const char *what, Site site);
  void syncLanes(int warp, uint32_t mask);

  void arriveAt(Barrier &barrier, int count, Site site);
  void openNamed(Barrier &barrier);
  void makeCopies(size_t end);
  void makeMoved(MovedCopies &own);
  void makeCopy(const Copy &copy, int who, uint32_t stamp);
  void checkAlignment(const void *address, size_t alignment, Site site);
  void check(bool fine, Site site);

  [[noreturn]] void failWith(const std::string &message, const std::string &place);
  std::string describe(int who, const std::string &message, const std::string &place) const;
  static void onFault(void *self, const Fault &fault);
  std::string describeFault() const;
  static std::string stackOverflow();
  std::string describeDeadlock(const Block &block) const;
  std::string describe(const CountWait &wait) const;

  EmulatorOptions options;
  std::mt19937_64 random;
  MemoryChecker memory;
  bool checks;
  bool inside = true; ///< the emulator's own accesses are not the kernel's
  const GridLaunch *launch = nullptr;
  std::function<void()> body;
  std::vector<std::unique_ptr<Block>> slots; ///< blocks that live at once
  Block *now = nullptr;                      ///< the one that runs, whose shared memory is in place
  std::string problem;
  Fault fault;          ///< that has stopped the block
  int faultThread = -1; ///< whose it is
};

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATEDMACHINE_H
