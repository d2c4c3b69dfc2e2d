// Threads of a block that meet or wait, and blocks that wait for each other.

#include "runtime/devices/cuda_emulated/EmulatedMachine.h"

#include <algorithm>
#include <cstring>

namespace llmopt::emulated {

static const char *const blockBarrier = "the block's barrier";

void EmulatedMachine::pauseFor(const char *what, Site site) {
  Waiting &own = self();
  own.what = what;
  own.site = site;
  now->scheduler.pause();
  own.what = nullptr;
}

void EmulatedMachine::wakeAll(std::vector<int> &waiting) {
  if (options.seed != 0)
    std::shuffle(waiting.begin(), waiting.end(), random);
  for (int which : waiting)
    now->scheduler.wake(which);
  waiting.clear();
}

static bool isSameLine(Site a, Site b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

void EmulatedMachine::syncBlock(Site site) {
  Inside guard(*this);
  arriveAtBlock(/*count=*/0, site);
}

void EmulatedMachine::syncFirst(int count, Site site) {
  Inside guard(*this);
  if (count > threads)
    failWith(fmt::format("comes to a barrier of {} threads in a block of {}", count, threads),
             placeOf(site));
  if (thread >= count)
    failWith(fmt::format("comes to a barrier of the first {} threads of the block", count),
             placeOf(site));
  arriveAtBlock(count, site);
}

void EmulatedMachine::arriveAtBlock(int count, Site site) {
  Barrier &barrier = now->barriers[0];
  if (barrier.arrived == 0) {
    barrier.site = site;
    barrier.count = count;
  } else if (!isSameLine(barrier.site, site) || barrier.site.column != site.column) {
    int other = barrier.waiting.front();
    std::string there = placeOf(barrier.site), own = placeOf(site);
    if (there == own) {
      there += fmt::format(":{}", barrier.site.column);
      own += fmt::format(":{}", site.column);
    }
    failWith(fmt::format("comes to a barrier of the block while thread {} waits at another one, {}",
                         other, there),
             own);
  } else if (barrier.count != count) {
    failWith(fmt::format("comes to a barrier of the first {} threads, which is one of {} for "
                         "thread {}",
                         count, barrier.count, barrier.waiting.front()),
             placeOf(site));
  }
  ++barrier.arrived;
  if (openBlockBarrier())
    return;
  barrier.waiting.push_back(thread);
  pauseFor(blockBarrier, site);
}

/// Lets those go on that wait at the barrier of the block, if all threads are there that have not
/// ended. One of the first threads has to have all of them, one of the block whole now->warps.
bool EmulatedMachine::openBlockBarrier() {
  Barrier &barrier = now->barriers[0];
  size_t warpCount = barrier.count > 0 ? size_t(barrier.count) / 32 : now->warps.size();
  int expected = 0;
  for (size_t i = 0; i < warpCount; ++i)
    expected += __builtin_popcount(now->warps[i].lanes);
  if (barrier.arrived == 0 || barrier.arrived < expected)
    return false;
  for (size_t i = 0; i < warpCount; ++i) {
    uint32_t lanes = now->warps[i].lanes;
    int all = std::min(32, threads - static_cast<int>(i) * 32);
    int present = __builtin_popcount(lanes);
    if (present == all || (present == 0 && barrier.count == 0))
      continue;
    int missing = static_cast<int>(i) * 32 + __builtin_ctz(~lanes);
    if (present != 0)
      thread = static_cast<int>(i) * 32 + __builtin_ctz(lanes);
    else if (!barrier.waiting.empty())
      thread = barrier.waiting.front();
    failWith(fmt::format("waits at a barrier of the block, but thread {}{} has ended", missing,
                         present != 0 ? " of its warp" : ""),
             placeOf(barrier.site));
  }
  if (checks && (barrier.count == 0 || barrier.count == threads))
    memory.syncBlock();
  else if (checks)
    memory.syncFirst(barrier.count);
  barrier.arrived = 0;
  wakeAll(barrier.waiting);
  return true;
}

void EmulatedMachine::syncNamed(int id, int count, Site site) {
  Inside guard(*this);
  if (id < 1 || id > 15)
    failWith(fmt::format("names barrier {}; there are 1 to 15", id), placeOf(site));
  if (count < 1 || count % 32 != 0 || count > static_cast<int>(now->warps.size()) * 32)
    failWith(fmt::format("waits for {} threads at a barrier", count), placeOf(site));
  Barrier &barrier = now->barriers[id];
  arriveAt(barrier, count, site);
  barrier.waiting.push_back(thread);
  if (barrier.arrived < count)
    return pauseFor("a named barrier", site);
  openNamed(barrier);
}

void EmulatedMachine::arriveAt(Barrier &barrier, int count, Site site) {
  if (barrier.arrived > 0 && barrier.count != count)
    failWith(fmt::format("comes to a named barrier of {} threads, which is one of {} for others",
                         count, barrier.count),
             placeOf(site));
  barrier.count = count;
  ++barrier.arrived;
}

void EmulatedMachine::arriveNamed(int id, int count, Site site) {
  Inside guard(*this);
  if (id < 1 || id > 15)
    failWith(fmt::format("names barrier {}; there are 1 to 15", id), placeOf(site));
  Barrier &barrier = now->barriers[id];
  arriveAt(barrier, count, site);
  if (checks)
    memory.release(thread, &barrier);
  if (barrier.arrived >= count)
    openNamed(barrier);
}

/// The threads that wait know of each other, and of those that have only arrived.
void EmulatedMachine::openNamed(Barrier &barrier) {
  if (checks) {
    std::vector<uint32_t> masks(now->warps.size());
    for (int which : barrier.waiting) {
      masks[size_t(which) / 32] |= 1u << which % 32;
      memory.acquire(which, &barrier);
    }
    memory.syncThreads(masks);
  }
  barrier.arrived = 0;
  barrier.waiting.erase(std::remove(barrier.waiting.begin(), barrier.waiting.end(), thread),
                        barrier.waiting.end());
  wakeAll(barrier.waiting);
}

void EmulatedMachine::collect(const char *what, uint32_t mask, const void *in, void *out,
                              Compute compute, Site site) {
  meet(what, mask, in, out, compute, /*complete=*/true, site);
}

void EmulatedMachine::meet(const char *what, uint32_t mask, const void *in, void *out,
                           Compute compute, bool complete, Site site) {
  Inside guard(*this);
  Warp &warp = now->warps[size_t(thread) / 32];
  uint32_t lane = 1u << thread % 32;
  if (!(mask & lane))
    failWith(fmt::format("is not among the lanes {:#010x} of its own {}", mask, what),
             placeOf(site));
  Waiting &own = self();
  own = {what, site, mask, complete, in, out, compute};
  warp.waiting |= lane;
  if (!tryToMeet(thread / 32, mask))
    now->scheduler.pause();
  own.what = nullptr;
}

/// If the lanes of `mask` have all come, does what they came for and wakes those that are not the
/// current thread.
bool EmulatedMachine::tryToMeet(int warpIndex, uint32_t mask) {
  Warp &warp = now->warps[size_t(warpIndex)];
  uint32_t lanes = mask & warp.lanes;
  if (lanes == 0 || (lanes & ~warp.waiting) != 0)
    return false;
  Lanes together;
  together.lanes = lanes;
  int firstThread = warpIndex * 32 + __builtin_ctz(lanes);
  const Waiting &first = now->waiting[size_t(firstThread)];
  for (uint32_t left = lanes; left != 0; left &= left - 1) {
    int lane = __builtin_ctz(left);
    const Waiting &each = now->waiting[size_t(warpIndex * 32 + lane)];
    if (each.mask != mask)
      return false;
    if (each.what != first.what && std::strcmp(each.what, first.what) != 0)
      failWith(fmt::format("a warp diverges: thread {} is at {} ({}), thread {} at {} ({})",
                           firstThread, first.what, placeOf(first.site), warpIndex * 32 + lane,
                           each.what, placeOf(each.site)),
               "");
    together.in[lane] = each.in;
    together.out[lane] = each.out;
  }
  if (first.complete && lanes != mask) {
    thread = firstThread;
    failWith(fmt::format("{} needs thread {}, which has ended", first.what,
                         warpIndex * 32 + __builtin_ctz(mask & ~lanes)),
             placeOf(first.site));
  }
  Compute compute = first.compute;
  if (compute)
    compute(together);
  else
    syncLanes(warpIndex, lanes);
  warp.waiting &= ~lanes;
  uint32_t others = lanes;
  if (thread >= 0 && thread / 32 == warpIndex)
    others &= ~(1u << thread % 32);
  int start = options.seed == 0 ? 0 : static_cast<int>(random() % 32);
  for (int i = 0; i < 32; ++i)
    if (int lane = (start + i) % 32; others >> lane & 1)
      now->scheduler.wake(warpIndex * 32 + lane);
  return true;
}

void EmulatedMachine::syncLanes(int warp, uint32_t mask) {
  if (!checks)
    return;
  memory.syncLanes(warp, mask);
}

void EmulatedMachine::syncWarp(uint32_t mask, Site site) {
  meet("syncwarp", mask, nullptr, nullptr, nullptr, /*complete=*/false, site);
}

/// A thread has come to its end: barriers do not wait for it any more.
void EmulatedMachine::endThread() {
  Inside guard(*this);
  Warp &warp = now->warps[size_t(thread) / 32];
  warp.lanes &= ~(1u << thread % 32);
  --now->live;
  auto meetOthers = [&] {
    for (uint32_t left = warp.waiting; left != 0; left &= left - 1)
      if (tryToMeet(thread / 32, now->waiting[size_t(thread / 32 * 32 + __builtin_ctz(left))].mask))
        return true;
    return false;
  };
  while (meetOthers())
    continue;
  if (now->live > 0)
    openBlockBarrier();
}

//===------------------------------------------------------------------------------------------===//
// Waiting
//===------------------------------------------------------------------------------------------===//

void EmulatedMachine::waitUntil(Predicate ready, const void *context, const char *what, Site site) {
  Inside guard(*this);
  if (ready(context))
    return;
  Waiting &own = self();
  own.what = what;
  own.site = site;
  now->scheduler.waitUntil(ready, context, /*foreign=*/false);
  own.what = nullptr;
}

void EmulatedMachine::defer(const void *queue, Operation run, const void *closure, size_t bytes) {
  Inside guard(*this);
  now->scheduler.defer(queue, run, closure, bytes);
}

void EmulatedMachine::runDeferred(const void *queue) {
  Inside guard(*this);
  now->scheduler.runDeferred(queue);
}

//===------------------------------------------------------------------------------------------===//
// Other blocks
//===------------------------------------------------------------------------------------------===//

/// With a seed, blocks change now and then where what they tell each other changes.
void EmulatedMachine::maybeLeave() {
  if (launch->cooperative && options.seed != 0 && random() % 4 == 0)
    now->scheduler.leave();
}

unsigned EmulatedMachine::increment(unsigned *counter, Site site) {
  checkAlignment(counter, sizeof *counter, site);
  Inside guard(*this);
  if (checks)
    check(memory.access(Access::Atomic, thread, counter, sizeof *counter), site);
  unsigned before = (*counter)++;
  if (checks && !memory.inShared(counter))
    memory.increment(thread, counter);
  return before;
}

void EmulatedMachine::signal(unsigned *counter, Site site) {
  checkAlignment(counter, sizeof *counter, site);
  Inside guard(*this);
  if (checks)
    check(memory.access(Access::Atomic, thread, counter, sizeof *counter), site);
  ++*counter;
  if (checks)
    memory.signal(thread, counter);
  maybeLeave();
}

bool EmulatedMachine::CountWait::isOver(const void *self) {
  auto *wait = static_cast<const CountWait *>(self);
  return static_cast<int>(*wait->counter - wait->least) >= 0;
}

void EmulatedMachine::waitForCount(const unsigned *counter, unsigned least, Site site) {
  checkAlignment(counter, sizeof *counter, site);
  CountWait wait{counter, least};
  {
    Inside guard(*this);
    if (!launch->cooperative)
      failWith("waits for a counter, which other blocks of a launch that is not cooperative may "
               "never change",
               placeOf(site));
    if (checks)
      check(memory.access(Access::Atomic, thread, counter, sizeof *counter), site);
    maybeLeave();
    if (!CountWait::isOver(&wait)) {
      Waiting &own = self();
      own.what = "a counter";
      own.site = site;
      now->countWaits[thread] = wait;
      now->scheduler.waitUntil(CountWait::isOver, &wait, /*foreign=*/true);
      own.what = nullptr;
      now->countWaits.erase(thread);
    }
  }
  Inside guard(*this);
  if (checks)
    memory.waited(thread, counter, least);
}

} // namespace llmopt::emulated
