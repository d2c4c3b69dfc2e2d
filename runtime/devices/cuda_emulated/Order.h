//===- Order.h - Which accesses of a block come before which ----------------------------------===//
//
// Happens-before by clocks (Lamport, 1978; Flanagan and Freund, FastTrack, 2009). Every thread has
// a clock, which goes on whenever it tells others what it has done; an access is stamped with its
// thread and that clock. A thread knows, of each other, up to which stamp it has been told.
//
// Most of that knowledge is alike for many threads: what was before the last barrier of the block
// is one number, what was before the last barrier of its first threads is another, what was before
// the last barrier of a warp is one number per warp. Only what comes by acquire() and by barriers
// of other threads needs a vector of clocks, kept for the first threads, per warp or per lane.
//
// What hardware does by itself (a bulk copy) belongs to an agent, one per object by which its end
// is told (an mbarrier), with an index after those of the threads.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_ORDER_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_ORDER_H

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace llmopt::emulated {

class Order {
public:
  static constexpr int maxThreads = 1024, maxAgents = 1022;
  static constexpr uint32_t maxStamp = (1u << 31) - 2;

  /// A new block; clocks begin at 1.
  void start(int threads);

  uint32_t clock(int thread) const { return clocks[size_t(thread)]; }
  /// What every thread knows of every thread.
  uint32_t blockFloor() const { return floor; }
  /// What the lanes of a warp know of each other.
  uint32_t warpFloor(int warp) const { return warps[size_t(warp)].floor; }
  /// How many threads came to the last barrier of the first threads, and what these know of each
  /// other.
  int firstCount() const { return first.count; }
  uint32_t firstFloor() const { return first.floor; }
  /// What `thread` knows at least of all lanes of a warp.
  uint32_t floorOf(int thread, int warp) const {
    bool bothFirst = thread < first.count && warp * 32 < first.count;
    return bothFirst && first.floor > floor ? first.floor : floor;
  }

  /// Does `thread` know of the access of `who` (a thread or an agent) stamped `stamp`?
  bool knows(int thread, int who, uint32_t stamp) const {
    if (who == thread || (who < threads && stamp <= floor))
      return true;
    return knowsMore(thread, who, stamp);
  }

  //===- What orders --------------------------------------------------------------------------===//

  void syncBlock();
  /// The first `count` threads, whole warps.
  void syncFirst(int count);
  /// The lanes of `mask`, of one warp.
  void syncLanes(int warp, uint32_t mask);
  /// Some threads, as a bit mask per warp.
  void syncThreads(const std::vector<uint32_t> &masks);
  /// Part of a barrier of some threads: those that arrive tell `object`.
  void release(int thread, const void *object);
  void acquire(int thread, const void *object);
  /// What was told to the object holds no longer.
  void forget(const void *object) { objects.erase(object); }
  /// Separates what a thread did from what it does next.
  void advance(int thread) { exhausted |= ++clocks[size_t(thread)] >= maxStamp; }

  /// A clock has come to its end: what comes cannot be followed.
  bool isExhausted() const { return exhausted; }
  using Vector = std::vector<uint32_t>; ///< by thread or agent; absent at the end: 0
  /// Up to which stamp `thread` knows of each thread of the block, itself included.
  Vector knowledgeOf(int thread) const;

  /// The agent whose operations end at `object`; -1 if there are too many.
  int agentOf(const void *object);
  /// The stamp of what an agent does next; `object` is told of it.
  uint32_t step(int agent, const void *object);

private:
  struct Warp {
    uint32_t floor = 0;
    Vector known;
  };
  struct First {
    int count = 0;
    uint32_t floor = 0;
    Vector known; ///< by all of them
  };

  bool knowsMore(int thread, int who, uint32_t stamp) const;
  static void join(Vector &to, const Vector &from);
  void splitFirst();
  void addKnowledge(Vector &to, int thread) const;
  uint32_t agentFloor(int agent) const;

  int threads = 0;
  uint32_t floor = 0;
  Vector agentFloors; ///< what every thread knows of each agent
  Vector clocks;      ///< of the threads
  Vector agentClocks;
  std::vector<Warp> warps;
  First first;
  std::vector<Vector> lanes;
  bool exhausted = false;
  bool vectors = false; ///< some warp or lane or the first threads have one
  std::unordered_map<const void *, Vector> objects;
  std::unordered_map<const void *, int> agents;
};

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_ORDER_H
