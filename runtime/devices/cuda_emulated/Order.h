//===- Order.h - Which accesses of a block come before which ----------------------------------===//
//
// Happens-before by clocks (Lamport, 1978; Flanagan and Freund, FastTrack, 2009). Every thread has
// a clock, which goes on whenever it tells others what it has done; an access is stamped with its
// thread and that clock. A thread knows, of each other, up to which stamp it has been told.
//
// Most of that knowledge is alike for many threads: what was before the last barrier of the block
// is one number, what was before the last barrier of a warp is one number per warp. Only what comes
// by acquire() and by barriers of some warps needs a vector of clocks, kept per warp or per lane.
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
  static constexpr uint32_t maxStamp = (1u << 20) - 1;

  /// A new block; clocks begin at 1.
  void start(int threads);

  uint32_t clock(int thread) const { return clocks[size_t(thread)]; }
  /// What every thread knows of every thread.
  uint32_t blockFloor() const { return floor; }
  /// What the lanes of a warp know of each other.
  uint32_t warpFloor(int warp) const { return warps[size_t(warp)].floor; }

  /// Does `thread` know of the access of `who` (a thread or an agent) stamped `stamp`?
  bool knows(int thread, int who, uint32_t stamp) const {
    if (who == thread || (who < threads && stamp <= floor))
      return true;
    return knowsMore(thread, who, stamp);
  }

  //===- What orders --------------------------------------------------------------------------===//

  void syncBlock();
  /// The lanes of `mask`, of one warp.
  void syncLanes(int warp, uint32_t mask);
  /// Some threads, as a bit mask per warp.
  void syncThreads(const std::vector<uint32_t> &masks);
  /// Part of a barrier of some threads: those that arrive tell `object`.
  void release(int thread, const void *object);
  void acquire(int thread, const void *object);
  /// Separates what a thread did from what it does next.
  void advance(int thread) { exhausted |= ++clocks[size_t(thread)] >= maxStamp; }

  /// Clocks are near their end: the next barrier of the block should begin them anew.
  bool isLate() const { return floor > maxStamp / 2; }
  /// A clock has come to its end: what comes cannot be followed.
  bool isExhausted() const { return exhausted; }
  /// After a barrier of the block: clocks are at 2, and all know up to 1.
  void rebase();

  /// The agent whose operations end at `object`; -1 if there are too many.
  int agentOf(const void *object);
  /// The stamp of what an agent does next; `object` is told of it.
  uint32_t step(int agent, const void *object);

private:
  using Vector = std::vector<uint32_t>; ///< by thread or agent; absent at the end: 0
  struct Warp {
    uint32_t floor = 0;
    Vector known;
  };

  bool knowsMore(int thread, int who, uint32_t stamp) const;
  void join(Vector &to, const Vector &from);
  void addKnowledge(Vector &to, int thread) const;
  uint32_t agentFloor(int agent) const;

  int threads = 0;
  uint32_t floor = 0;
  Vector agentFloors; ///< what every thread knows of each agent
  Vector clocks;      ///< of the threads
  Vector agentClocks;
  std::vector<Warp> warps;
  std::vector<Vector> lanes;
  bool exhausted = false;
  bool vectors = false; ///< some warp or lane has one
  std::unordered_map<const void *, Vector> objects;
  std::unordered_map<const void *, int> agents;
};

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_ORDER_H
