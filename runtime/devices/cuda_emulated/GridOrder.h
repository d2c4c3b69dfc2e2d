//===- GridOrder.h - What blocks know of each other -------------------------------------------===//
//
// Blocks of a launch are not ordered but by atomic operations with fences (CUDA C++ Programming
// Guide, memory fence functions): a thread's writes, a fence, an atomic operation; and in the other
// block an atomic operation on the same place, a fence, reads. A barrier of the block may stand
// between the parts, in any order: what fences of all threads and then a barrier have covered, and
// what a fence after a barrier covers, an atomic operation of any thread behind it publishes; and
// what one thread has observed, the others acquire by a fence behind a barrier.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_GRIDORDER_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_GRIDORDER_H

#include "runtime/devices/cuda_emulated/Order.h"

#include <deque>

namespace llmopt::emulated {

class GridOrder {
public:
  explicit GridOrder(Order &order) : order(order) {}

  void startLaunch();
  void startBlock(int block, int threads);

  /// A plain write to global memory, which no fence has covered yet.
  void wrote(int thread) { unfenced[size_t(thread)] = true; }
  void fence(int thread);
  void atomic(int thread, const void *address);
  /// Before Order's.
  void syncBlock();
  void syncLanes(int warp, uint32_t mask);
  /// Some threads, as a bit mask per warp.
  void syncThreads(const std::vector<uint32_t> &masks);
  /// With Order's.
  void rebase();

  /// Does a thread of this block know of an access of `who` in `block`, stamped `stamp` there?
  bool knows(int thread, int block, int who, uint32_t stamp) const;
  /// Has the thread seen an atomic operation of `block` on `address`, fenced or not?
  bool observed(int thread, int block, const void *address) const;
  /// Has the thread acquired anything?
  bool knowsAny(int thread) const;

private:
  /// What an atomic operation told: all up to `floor`, and more of one warp and one thread.
  struct Publication {
    int block, thread;
    uint32_t floor, warpFloor, clock;
  };
  struct Object {
    std::deque<Publication> publications;
  };
  /// The first `count` publications of an object.
  struct View {
    const void *address;
    const Object *object;
    size_t count;
  };
  struct Thread {
    uint32_t clock = 0, floor = 0, warpFloor = 0; ///< covered by its last fence
    std::vector<View> observed, acquired;
  };
  static void add(std::vector<View> &to, const std::vector<View> &from);
  template <class Visit> bool any(const std::vector<View> &views, const Visit &visit) const;

  Order &order;
  int block = 0;
  uint32_t floor = 0; ///< covered by fences, and known to all since a barrier
  std::vector<Thread> threads;
  std::vector<char> unfenced;
  Thread whole; ///< what is observed and acquired by every thread
  bool views = false;
  std::unordered_map<const void *, Object> objects;
};

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_GRIDORDER_H
