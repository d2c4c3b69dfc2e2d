//===- GridOrder.h - What blocks know of each other -------------------------------------------===//
//
// Blocks of a launch are ordered in two ways only.
//
// By atomic operations with fences (CUDA C++ Programming Guide, memory fence functions): a thread's
// writes, a fence, an atomic operation; and in the other block an atomic operation on the same
// place, a fence, reads. A barrier of the block may stand between the parts, in any order: what
// fences of all threads and then a barrier have covered, and what a fence after a barrier covers,
// an atomic operation of any thread behind it publishes; and what one thread has observed, the
// others acquire by a fence behind a barrier.
//
// By signals and waits (PTX ISA, memory consistency model: release and acquire patterns): a signal
// tells all that the thread has done, and all that it knows by barriers, waits and fences, of its
// own block and of others. A wait for a count takes over what those signals told that made the
// counter reach it, and not what later ones did, though the counter may be further already.
//
// What a thread knows of other blocks passes to others by every barrier of the block: of all
// threads, of some, of a warp, on an mbarrier.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_GRIDORDER_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_GRIDORDER_H

#include "runtime/devices/cuda_emulated/Knowledge.h"
#include "runtime/devices/cuda_emulated/Order.h"

#include <unordered_map>

namespace llmopt::emulated {

/// The atomic operations of a launch: what each told.
class GridCounters {
public:
  struct Counter {
    Known told;
    Known operations; ///< who has changed it, and when
    /// After each change; changes add 1.
    std::vector<std::pair<unsigned, Known>> history;
  };
  void startLaunch() { counters.clear(); }
  Counter &at(const void *address) { return counters[address]; }

private:
  std::unordered_map<const void *, Counter> counters;
};

/// What the threads of one block know of others.
class GridOrder {
public:
  void startBlock(int block, Order &order, GridCounters &counters, int threads);

  /// A plain write to global memory, which no fence has covered yet.
  void wrote(int thread) { unfenced[size_t(thread)] = true; }
  void fence(int thread);
  /// Adds 1, which makes it `value`: relaxed.
  void increment(int thread, const void *address, unsigned value);
  /// Adds 1, which makes it `value`: release.
  void signal(int thread, const void *address, unsigned value);
  /// Has seen that the counter has reached `least`: acquire.
  void waited(int thread, const void *address, unsigned least);

  //===- With Order's functions, before each --------------------------------------------------===//

  void syncBlock();
  void syncFirst(int count);
  void syncLanes(int warp, uint32_t mask);
  /// Some threads, as a bit mask per warp.
  void syncThreads(const std::vector<uint32_t> &masks);
  void release(int thread, const void *object);
  void acquire(int thread, const void *object);
  void forget(const void *object) { objects.erase(object); }

  /// Does a thread of this block know of accesses of the threads `first` to `last` - 1 of `block`
  /// up to `stamp`?
  bool knows(int thread, int block, int first, int last, uint32_t stamp) const {
    const Known &known = threads[size_t(thread)].acquired;
    return known && known->covers(block, first, last, stamp);
  }
  bool knows(int thread, int block, int who, uint32_t stamp) const {
    return knows(thread, block, who, who + 1, stamp);
  }
  /// Has the thread seen this atomic operation, fenced or not?
  bool observed(int thread, int block, int who, uint32_t stamp) const;
  /// Has the thread acquired anything?
  bool knowsAny(int thread) const { return threads[size_t(thread)].acquired != nullptr; }

private:
  struct Thread {
    Known acquired;   ///< what it knows
    Known observed;   ///< told by atomic operations that it has seen; a fence acquires it
    Known operations; ///< these operations themselves
    Known covered;    ///< what its atomic operations tell, by fences
  };
  static void join(Thread &to, const Thread &from);
  template <class ForEach> void meet(const ForEach &forEach);
  Known allOf(int thread) const;
  void note(int thread, GridCounters::Counter &counter, unsigned value, const Known &told);

  Order *order = nullptr;
  GridCounters *counters = nullptr;
  int block = 0;
  bool any = false; ///< some thread has something
  std::vector<Thread> threads;
  std::vector<char> unfenced;
  /// Covered by fences of all threads before a barrier of the block, or of its first threads.
  uint32_t floor = 0, firstFloor = 0;
  int firstCount = 0;
  std::unordered_map<const void *, Thread> objects;
};

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_GRIDORDER_H
