//===- Scheduler.h - Which thread of a block runs next ----------------------------------------===//
//
// A thread runs until it pauses. Threads that can go on wait in a queue; when it is empty, those
// that wait for a condition are asked, then a deferred operation is done, and if there is none the
// block is in a deadlock. If all that is waited for is up to other blocks, these are to run: the
// block is suspended, its deferred operations still open.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_SCHEDULER_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_SCHEDULER_H

#include "runtime/devices/cuda_emulated/Fiber.h"
#include "runtime/devices/cuda_emulated/Machine.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

namespace llmopt::emulated {

class Scheduler {
public:
  /// `random` is asked for a number below its argument, or null for rising order.
  explicit Scheduler(std::function<uint32_t(uint32_t)> random) : random(std::move(random)) {}

  /// Stacks for so many threads; false if there is no memory for them.
  bool reserve(int threads);

  /// Makes `body` ready to run in every thread. Whenever another one runs, `now(context, thread)`
  /// is told, -1 for none.
  using Now = void (*)(void *context, int thread);
  void start(int threads, const std::function<void()> &body, Now now, void *context);
  /// Goes on. Returns when all threads are done, after stop(), or when other blocks are to run:
  /// from then on it may be called again. With `mayLeave` and a random order that may be at any
  /// point between two threads, once in `mayLeave` times on average; 0: never.
  enum class End { Done, Stopped, Deadlock, Suspended };
  End run(uint32_t mayLeave);
  /// Would a suspended block get any further?
  bool canGoOn() const;

  //===- From a thread ------------------------------------------------------------------------===//

  int current() const { return running; }
  /// Between the first thread's start and the last one's end.
  bool isRunning() const { return started; }
  uintptr_t stackBegin(int thread) const { return fibers[size_t(thread)].begin(); }
  /// Is the address of the memory that ends a thread's stack?
  bool isBelowStack(int thread, uintptr_t address) const {
    return stackBegin(thread) - address - 1 < Fiber::guardBytes;
  }
  /// Lets others run until somebody wakes this thread.
  void pause();
  void wake(int thread);
  /// Lets others run until the condition holds; `foreign`: which only other blocks change, so that
  /// it may be asked while these run.
  void waitUntil(Machine::Predicate ready, const void *context, bool foreign);
  /// Lets other blocks run; this thread can go on at any time.
  void leave();
  /// Goes back to the caller of run() for good.
  [[noreturn]] void stop();

  //===- Deferred operations ------------------------------------------------------------------===//

  void defer(const void *queue, Machine::Operation run, const void *closure, size_t bytes);
  /// Runs those of a queue, or of all if null.
  void runDeferred(const void *queue);
  bool anyDeferred() const { return !deferred.empty(); }

private:
  struct Poll {
    int thread;
    Machine::Predicate ready;
    const void *context;
    bool foreign;
  };
  struct Deferred {
    const void *queue;
    Machine::Operation run;
    std::vector<uint64_t> closure;
  };

  static void enter(void *self);
  void goOn();
  bool findReady();
  bool askPolls();
  void runOne(size_t index);

  std::function<uint32_t(uint32_t)> random;
  std::deque<Fiber> fibers;
  Fiber host, lost;
  const std::function<void()> *body = nullptr;
  Now now = nullptr;
  void *context = nullptr;
  std::vector<int> ready; ///< a ring
  size_t readyFirst = 0, readyCount = 0;
  std::vector<Poll> polls;
  std::deque<Deferred> deferred;
  int running = -1, live = 0;
  uint32_t mayLeave = 0;
  bool started = false;
  End end = End::Done;
};

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_SCHEDULER_H
