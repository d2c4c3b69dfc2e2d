#include "runtime/devices/cuda_emulated/EmulatedMachine.h"

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <cstring>

namespace llmopt::emulated {

static const char *const blockBarrier = "the block's barrier";

EmulatedMachine::EmulatedMachine(const EmulatorOptions &options)
    : options(options), random(options.seed),
      scheduler(options.seed == 0 ? std::function<uint32_t(uint32_t)>()
                                  : [this](uint32_t below) { return uint32_t(random() % below); }),
      checks(options.checks) {
  body = [this] {
    launch->body();
    endThread();
  };
}

//===------------------------------------------------------------------------------------------===//
// A launch
//===------------------------------------------------------------------------------------------===//

Status EmulatedMachine::run(const GridLaunch &newLaunch) {
  launch = &newLaunch;
  threads = newLaunch.threads;
  blocks = newLaunch.blocks;
  sharedBegin = reinterpret_cast<uintptr_t>(newLaunch.shared);
  std::string kernel = "kernel " + newLaunch.kernel;
  if (threads < 1 || threads > Order::maxThreads)
    return makeError("{}: a block of {} threads; 1 to {} are possible", kernel, threads,
                     Order::maxThreads);
  if (blocks < 1)
    return makeError("{}: a grid of {} blocks", kernel, blocks);
  if (newLaunch.sharedBytes < 0 ||
      newLaunch.sharedCapacity < size_t(newLaunch.sharedBytes) + GridLaunch::guardBytes)
    return makeError("{}: {} bytes of shared memory are more than a block can have", kernel,
                     newLaunch.sharedBytes);
  if (!scheduler.reserve(threads))
    return makeError("{}: no memory for the stacks of {} threads", kernel, threads);
  waiting.resize(size_t(threads));
  copies.resize(size_t(threads));
  warps.resize(size_t(threads + 31) / 32);
  random.seed(options.seed);
  if (checks)
    memory.startLaunch(newLaunch);

  std::vector<int> order;
  if (options.seed != 0 || options.fallingOrder)
    for (int i = 0; i < blocks; ++i)
      order.push_back(blocks - 1 - i);
  if (options.seed != 0)
    for (size_t i = order.size() - 1; i > 0; --i)
      std::swap(order[i], order[random() % (i + 1)]);
  FaultGuard guard(onFault, this);
  for (int i = 0; i < blocks; ++i) {
    Status status = runBlock(order.empty() ? i : order[size_t(i)]);
    if (!status)
      return status.error().within(kernel);
  }
  if (checks && newLaunch.early && !memory.hasWaited())
    return makeError("{}: no thread waits for the kernels ahead (gate.wait), so those behind it "
                     "may begin before these have ended",
                     kernel);
  return success();
}

/// Blocks that any machine has run: a module is run by several.
static std::atomic<uint64_t> blockRuns;

void EmulatedMachine::startBlock(int index) {
  block = index;
  blockRun = ++blockRuns;
  live = threads;
  problem.clear();
  fault = {};
  barriers.clear();
  moved.clear();
  for (Waiting &each : waiting)
    each.what = nullptr;
  for (Copies &each : copies)
    each.clear();
  for (size_t i = 0; i < warps.size(); ++i) {
    int lanes = std::min(32, threads - static_cast<int>(i) * 32);
    warps[i].lanes = lanes == 32 ? wholeWarp : (1u << lanes) - 1;
    warps[i].waiting = 0;
  }
  // What nobody has written is NaN, as float, half and bfloat.
  std::memset(launch->shared, 0xff, size_t(launch->sharedBytes) + GridLaunch::guardBytes);
  if (checks)
    memory.startBlock(index);
}

Status EmulatedMachine::runBlock(int index) {
  startBlock(index);
  std::fenv_t arithmetic;
  std::fegetenv(&arithmetic);
  Scheduler::End end = scheduler.run(threads, body, enter, this);
  if (fault.kind != Fault::Kind::None)
    std::fesetenv(&arithmetic); // left as the system begins a handler
  if (end == Scheduler::End::Stopped)
    return Error(fault.kind == Fault::Kind::None ? problem : describeFault());
  if (end == Scheduler::End::Deadlock)
    return makeError("block {}, {}", index, describeDeadlock());
  if (!problem.empty())
    return Error(problem);
  if (checks && memory.hasOpenReads())
    return makeError("block {}: ends before a product that reads its shared memory was waited for",
                     index);
  const char *guard = launch->shared + launch->sharedBytes;
  for (size_t i = 0; i < GridLaunch::guardBytes; ++i)
    if (guard[i] != char(0xff))
      return makeError("block {}: byte {} of shared memory was written, beyond its {} bytes", index,
                       size_t(launch->sharedBytes) + i, launch->sharedBytes);
  return success();
}

/// `which` thread runs from now on.
void EmulatedMachine::enter(void *argument, int which) {
  auto *self = static_cast<EmulatedMachine *>(argument);
  self->thread = which;
  self->inside = which < 0;
  if (which >= 0) {
    self->stackBegin = self->scheduler.stackBegin(which);
    self->stackBytes = Fiber::bytes;
  }
}

//===------------------------------------------------------------------------------------------===//
// Errors
//===------------------------------------------------------------------------------------------===//

std::string placeOf(Site site) {
  const char *slash = std::strrchr(site.file, '/');
  return fmt::format("{}:{}", slash ? slash + 1 : site.file, site.line);
}

void EmulatedMachine::failWith(const std::string &message, const std::string &place) {
  problem = describe(thread, message, place);
  scheduler.stop();
}

/// "block 0, thread 3: <message>, at gemm.cuh:12".
std::string EmulatedMachine::describe(int who, const std::string &message,
                                      const std::string &place) const {
  std::string name = who >= 0 ? fmt::format("thread {}", who) : "an asynchronous operation";
  return fmt::format("block {}, {}: {}{}{}", block, name, message, place.empty() ? "" : ", at ",
                     place);
}

/// On a stack of its own, in the middle of anything: only notes what has happened.
void EmulatedMachine::onFault(void *argument, const Fault &fault) {
  auto *self = static_cast<EmulatedMachine *>(argument);
  if (!self->scheduler.isRunning())
    return;
  self->fault = fault;
  self->faultThread = self->thread;
  self->scheduler.stop();
}

std::string EmulatedMachine::stackOverflow() {
  return fmt::format("needs more than the {} bytes of its stack", Fiber::bytes);
}

std::string EmulatedMachine::describeFault() const {
  std::string place;
  // An instruction begins where a call would return to, less one.
  if (fault.code && launch->place)
    place = launch->place(static_cast<const char *>(fault.code) + 1);
  std::string what;
  if (fault.kind == Fault::Kind::Arithmetic)
    what = "divides an integer by zero, or the lowest by -1";
  else if (fault.kind == Fault::Kind::Trap)
    what = "runs into a trap, which stands for what C++ gives no meaning (a division by zero, a "
           "null pointer, the end of a function that returns a value)";
  else if (faultThread >= 0 && scheduler.isBelowStack(faultThread, fault.address))
    what = stackOverflow();
  else if (fault.address != 0)
    what = fmt::format("touches address {:#x}, which is no memory that it may touch so",
                       fault.address);
  else
    what = "touches an address that is none";
  return describe(faultThread, what, place);
}

void EmulatedMachine::fail(const char *message, Site site) { failWith(message, placeOf(site)); }

void EmulatedMachine::check(bool fine, Site site) {
  if (memory.order().isExhausted())
    failWith("synchronizes more often than the emulator can follow without a barrier of the block",
             site.file ? placeOf(site) : "");
  if (!fine)
    failWith(memory.problem(), site.file ? placeOf(site) : "");
}

std::string EmulatedMachine::describeDeadlock() const {
  std::string text;
  int listed = 0, count = 0;
  const Waiting *last = nullptr;
  for (const Waiting &each : waiting) {
    if (!each.what)
      continue;
    ++count;
    if (last && each.what == last->what && each.site.line == last->site.line)
      continue;
    last = &each;
    if (++listed <= 4)
      text += fmt::format("{}thread {} waits for {} at {}", text.empty() ? "" : ", ",
                          &each - waiting.data(), each.what, placeOf(each.site));
  }
  return fmt::format("{}: nobody goes on ({} of {} threads wait, {} have ended)", text, count,
                     threads, threads - live);
}

//===------------------------------------------------------------------------------------------===//
// Meeting
//===------------------------------------------------------------------------------------------===//

void EmulatedMachine::pauseFor(const char *what, Site site) {
  Waiting &own = self();
  own.what = what;
  own.site = site;
  scheduler.pause();
  own.what = nullptr;
}

void EmulatedMachine::wakeAll(std::vector<int> &waiting) {
  if (options.seed != 0)
    std::shuffle(waiting.begin(), waiting.end(), random);
  for (int which : waiting)
    scheduler.wake(which);
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
  Barrier &barrier = barriers[0];
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
/// ended. One of the first threads has to have all of them, one of the block whole warps.
bool EmulatedMachine::openBlockBarrier() {
  Barrier &barrier = barriers[0];
  size_t warpCount = barrier.count > 0 ? size_t(barrier.count) / 32 : warps.size();
  int expected = 0;
  for (size_t i = 0; i < warpCount; ++i)
    expected += __builtin_popcount(warps[i].lanes);
  if (barrier.arrived == 0 || barrier.arrived < expected)
    return false;
  for (size_t i = 0; i < warpCount; ++i) {
    uint32_t lanes = warps[i].lanes;
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
  if (count < 1 || count % 32 != 0 || count > static_cast<int>(warps.size()) * 32)
    failWith(fmt::format("waits for {} threads at a barrier", count), placeOf(site));
  Barrier &barrier = barriers[id];
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
  Barrier &barrier = barriers[id];
  arriveAt(barrier, count, site);
  if (checks)
    memory.order().release(thread, &barrier);
  if (barrier.arrived >= count)
    openNamed(barrier);
}

/// The threads that wait know of each other, and of those that have only arrived.
void EmulatedMachine::openNamed(Barrier &barrier) {
  if (checks) {
    std::vector<uint32_t> masks(warps.size());
    for (int which : barrier.waiting) {
      masks[size_t(which) / 32] |= 1u << which % 32;
      memory.order().acquire(which, &barrier);
    }
    memory.order().syncThreads(masks);
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
  Warp &warp = warps[size_t(thread) / 32];
  uint32_t lane = 1u << thread % 32;
  if (!(mask & lane))
    failWith(fmt::format("is not among the lanes {:#010x} of its own {}", mask, what),
             placeOf(site));
  Waiting &own = self();
  own = {what, site, mask, complete, in, out, compute};
  warp.waiting |= lane;
  if (!tryToMeet(thread / 32, mask))
    scheduler.pause();
  own.what = nullptr;
}

/// If the lanes of `mask` have all come, does what they came for and wakes those that are not the
/// current thread.
bool EmulatedMachine::tryToMeet(int warpIndex, uint32_t mask) {
  Warp &warp = warps[size_t(warpIndex)];
  uint32_t lanes = mask & warp.lanes;
  if (lanes == 0 || (lanes & ~warp.waiting) != 0)
    return false;
  Lanes together;
  together.lanes = lanes;
  int firstThread = warpIndex * 32 + __builtin_ctz(lanes);
  const Waiting &first = waiting[size_t(firstThread)];
  for (uint32_t left = lanes; left != 0; left &= left - 1) {
    int lane = __builtin_ctz(left);
    const Waiting &each = waiting[size_t(warpIndex * 32 + lane)];
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
      scheduler.wake(warpIndex * 32 + lane);
  return true;
}

void EmulatedMachine::syncLanes(int warp, uint32_t mask) {
  if (!checks)
    return;
  memory.gridOrder().syncLanes(warp, mask);
  memory.order().syncLanes(warp, mask);
}

void EmulatedMachine::syncWarp(uint32_t mask, Site site) {
  meet("syncwarp", mask, nullptr, nullptr, nullptr, /*complete=*/false, site);
}

/// A thread has come to its end: barriers do not wait for it any more.
void EmulatedMachine::endThread() {
  Inside guard(*this);
  Warp &warp = warps[size_t(thread) / 32];
  warp.lanes &= ~(1u << thread % 32);
  --live;
  auto meetOthers = [&] {
    for (uint32_t left = warp.waiting; left != 0; left &= left - 1)
      if (tryToMeet(thread / 32, waiting[size_t(thread / 32 * 32 + __builtin_ctz(left))].mask))
        return true;
    return false;
  };
  while (meetOthers())
    continue;
  if (live > 0)
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
  scheduler.waitUntil(ready, context);
  own.what = nullptr;
}

void EmulatedMachine::defer(const void *queue, Operation run, const void *closure, size_t bytes) {
  Inside guard(*this);
  scheduler.defer(queue, run, closure, bytes);
}

void EmulatedMachine::runDeferred(const void *queue) {
  Inside guard(*this);
  scheduler.runDeferred(queue);
}

} // namespace llmopt::emulated
