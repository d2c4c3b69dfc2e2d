//===- Machine.h - What a kernel sees of the emulated GPU -------------------------------------===//
//
// The one interface between kernels, compiled as C++ for the host, and the emulator that runs them.
// The intrinsics of codegen/cuda/kernels are written on it (emulated.h, emulated_sm90.h). A
// kernel's threads are fibers of one host thread: one runs at a time, until it has to wait for
// others.
//
// How the parts of an instruction are said here:
//
// - Threads that meet: syncBlock, syncNamed, syncWarp; collect, for whatever the lanes of a warp do
//   together (shuffles, matrix products): the last lane to come computes for all.
// - A thread that waits for something else, such as a phase of an mbarrier: waitUntil. The
// predicate
//   is asked again whenever no thread can go on.
// - What hardware does by itself, later: defer. A deferred operation is done when no thread can go
//   on without, so as late as the kernel's waits allow, one at a time and in order.
// - Shared memory that an operation is still going to write or read: openWrite, openRead at its
//   start, closeWrite, closeRead when it is done. In between the bytes are garbage to everyone
//   (openWrite), or may not be written (openRead).
// - Order of memory: release(object) tells `object` all that the thread has done and seen;
//   acquire(object) takes over what it was told. An object is any address. Barriers of the block
//   and of a warp do both by themselves; shuffles, votes and matrix products do not order memory.
// - Other blocks: signal and waitForCount. A block runs until none of its threads can go on but for
//   what other blocks do; then another runs, with its own shared memory at the same address.
//
// Memory that the intrinsics touch for a kernel they announce with read() and write(); loads and
// stores of the kernel itself are announced by instrumentation.h. With checks off these do nothing.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_MACHINE_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_MACHINE_H

#include <cstddef>
#include <cstdint>
#if __cplusplus > 201703L
#include <source_location>
#endif

/// Functions that touch the emulator's own memory, or a kernel's after announcing it. Their calls
/// are not inlined into checked code, and lambdas in them do not inherit it.
#if defined(__clang__)
#define LLMOPT_UNCHECKED __attribute__((no_sanitize("thread", "alignment")))
#else
#define LLMOPT_UNCHECKED __attribute__((no_sanitize("thread,alignment")))
#endif

namespace llmopt::emulated {

/// Where a kernel calls an intrinsic, for messages and to tell barriers apart: `Site site = here()`
/// as the last, defaulted parameter of an intrinsic.
struct Site {
  const char *file;
  int line;
  int column;
};
#if __cplusplus > 201703L // as kernels are compiled
constexpr Site here(std::source_location where = std::source_location::current()) {
  return {where.file_name(), int(where.line()), int(where.column())};
}
#else
inline Site here(const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
  return {file, line, 0};
}
#endif

/// The lanes of a warp that have come together. `in` and `out` are what each lane gave to
/// collect(); only those of `lanes` are set.
struct Lanes {
  uint32_t lanes;
  const void *in[32];
  void *out[32];
};

constexpr uint32_t wholeWarp = 0xffffffffu;
/// Blocks of a cooperative launch, which live at once.
constexpr int mostBlocks = 16;

class Machine {
public:
  //===- The thread that runs now -------------------------------------------------------------===//

  int thread = -1; ///< in its block; -1: no kernel runs
  int block = 0;
  int threads = 0; ///< of a block
  int blocks = 0;
  uint64_t blockRun = 0;     ///< another number for each run of a block, by any machine
  int slot = 0;              ///< of the block among those that live at once, below mostBlocks
  uintptr_t sharedBegin = 0; ///< of the block's shared memory
  uintptr_t stackBegin = 0;  ///< of the thread, whose own it is
  size_t stackBytes = 0;

  /// Ends the launch with a message that names kernel, block and thread. Does not return.
  [[noreturn]] virtual void fail(const char *message, Site site) = 0;

  //===- Meeting ------------------------------------------------------------------------------===//

  /// __syncthreads. All threads of the block have to come to the same place of the source.
  virtual void syncBlock(Site site) = 0;
  /// bar.sync 0, count: the first `count` threads of the block have to come to the same place.
  virtual void syncFirst(int count, Site site) = 0;
  /// bar.sync and bar.arrive of barrier `id` (1 to 15), which opens for `count` threads.
  virtual void syncNamed(int id, int count, Site site) = 0;
  virtual void arriveNamed(int id, int count, Site site) = 0;
  virtual void syncWarp(uint32_t mask, Site site) = 0;

  /// Waits for the lanes of `mask`, each with its own `in` and `out`; the last calls `compute`
  /// once. `what` names the operation, and lanes that meet in different ones are an error.
  using Compute = void (*)(const Lanes &lanes);
  virtual void collect(const char *what, uint32_t mask, const void *in, void *out, Compute compute,
                       Site site) = 0;
  /// The value of lane `source` (its low 5 bits), which has to be in `mask` and there.
  virtual uint64_t shuffle(uint64_t value, int source, uint32_t mask, Site site) = 0;
  /// A bit for each lane of `mask` whose value is true.
  virtual uint32_t ballot(bool value, uint32_t mask, Site site) = 0;

  /// ldmatrix of four matrices and mma.sync.m16n8k16 with float32 sums; intrinsics.cuh has the
  /// layouts. `row` is this lane's address, `registers` are four of a, then two of b.
  virtual void loadMatrices(unsigned *to, const void *row, bool transposed, Site site) = 0;
  virtual void multiplyBfloats(float *sums, const unsigned *registers, Site site) = 0;
  virtual void multiplyHalves(float *sums, const unsigned *registers, Site site) = 0;

  //===- Waiting, and what happens by itself --------------------------------------------------===//

  /// Returns when ready(context) is true. `what` is for the message about a deadlock: "waits for
  /// <what>".
  using Predicate = bool (*)(const void *context);
  virtual void waitUntil(Predicate ready, const void *context, const char *what, Site site) = 0;
  template <class Ready> void waitUntil(const Ready &ready, const char *what, Site site) {
    waitUntil([](const void *context) { return (*static_cast<const Ready *>(context))(); }, &ready,
              what, site);
  }

  /// Runs a copy of `operation` later, outside of any thread. Those of one `queue` run in order;
  /// `runDeferred` runs the open ones of a queue now.
  using Operation = void (*)(void *closure);
  virtual void defer(const void *queue, Operation run, const void *closure, size_t bytes) = 0;
  template <class Run> void defer(const void *queue, const Run &run) {
    static_assert(__is_trivially_copyable(Run), "closures are copied byte by byte");
    defer(queue, [](void *closure) { (*static_cast<Run *>(closure))(); }, &run, sizeof run);
  }
  virtual void runDeferred(const void *queue) = 0;

  //===- Memory -------------------------------------------------------------------------------===//

  /// The thread reads or writes these bytes now. `alignment` is what the instruction asks for.
  virtual void read(const void *from, size_t bytes, size_t alignment, Site site) = 0;
  virtual void write(void *to, size_t bytes, size_t alignment, Site site) = 0;
  /// From instrumentation: `caller` is the address of the code.
  virtual void access(const void *address, size_t bytes, bool isWrite, const void *caller) = 0;
  virtual void misaligned(const void *address, size_t alignment, const char *file, int line) = 0;

  /// The thread has started an operation that will write `to`, in shared memory: it is filled with
  /// garbage, and whoever touches it before closeWrite is reported. closeWrite has to be called
  /// before the bytes are stored; by whom the reader has to be told is `object`, whose acquire
  /// makes the bytes known, or null for the thread itself (the one that opened).
  virtual void openWrite(void *to, size_t bytes, size_t alignment, Site site) = 0;
  virtual void closeWrite(void *to, size_t bytes, const void *object) = 0;
  /// The thread has started an operation that will read `from`, in shared memory: whoever writes it
  /// before closeRead, itself too, is reported. closeRead has to be called by the same thread. What
  /// threads wrote there has to be fenced (fenceAsyncSide).
  virtual void openRead(const void *from, size_t bytes, size_t alignment, Site site) = 0;
  virtual void closeRead(const void *from, size_t bytes) = 0;

  /// cp.async, its groups and its wait. `zeros` of the last bytes are not read but 0.
  virtual void copyAsync(void *shared, const void *global, int bytes, int zeros, Site site) = 0;
  virtual void commitCopies() = 0;
  virtual void waitCopies(int pending) = 0;
  /// The copies that this thread has started so far are done by a deferred operation of `queue`,
  /// which then releases to `object` and runs `run` (cp.async.mbarrier.arrive).
  virtual void deferCopies(const void *queue, const void *object, Operation run,
                           const void *closure, size_t bytes) = 0;

  //===- Order --------------------------------------------------------------------------------===//

  virtual void release(const void *object) = 0;
  virtual void acquire(const void *object) = 0;
  /// Nobody is told any more what the object was told: it is another one from now on.
  virtual void forget(const void *object) = 0;
  /// __threadfence, __threadfence_block.
  virtual void fence(bool device) = 0;
  /// fence.proxy.async: asynchronous operations may read what the thread has written to shared
  /// memory, or has been told of.
  virtual void fenceAsyncSide() = 0;
  /// griddepcontrol.wait: the kernels ahead have ended.
  virtual void waitForProducers() = 0;
  /// The thread reads and writes these bytes of shared memory as one, relaxed.
  virtual void atomic(void *address, size_t bytes, Site site) = 0;

  //===- Between blocks -----------------------------------------------------------------------===//

  /// Adds 1 and gives the old value, relaxed: with fences around it, a release and an acquire
  /// between blocks too. Of memory of any kind.
  virtual unsigned increment(unsigned *counter, Site site) = 0;
  /// red.release.gpu: adds 1. In a cooperative launch other blocks may run before it returns.
  virtual void signal(unsigned *counter, Site site) = 0;
  /// ld.acquire.gpu until int(*counter - least) >= 0; other blocks run meanwhile, so the launch has
  /// to be cooperative.
  virtual void waitForCount(const unsigned *counter, unsigned least, Site site) = 0;

protected:
  ~Machine() = default;
};

/// The machine of the kernels of this module.
__attribute__((visibility("hidden"))) inline Machine *machine = nullptr;

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_MACHINE_H
