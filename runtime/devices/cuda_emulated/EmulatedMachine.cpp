#include "runtime/devices/cuda_emulated/EmulatedMachine.h"

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <cstring>

namespace llmopt::emulated {

EmulatedMachine::EmulatedMachine(const EmulatorOptions &options)
    : options(options), random(options.seed), checks(options.checks) {
  body = [this] {
    launch->body();
    endThread();
  };
}

//===------------------------------------------------------------------------------------------===//
// A launch
//===------------------------------------------------------------------------------------------===//

Status EmulatedMachine::run(const GridLaunch &newLaunch) {
  std::string kernel = "kernel " + newLaunch.kernel;
  if (Status status = prepare(newLaunch); !status)
    return status.error().within(kernel);
  FaultGuard guard(onFault, this);
  std::vector<int> order = orderOfBlocks();
  Status status = newLaunch.cooperative ? runTogether(order) : runInTurn(order);
  if (!status)
    return status.error().within(kernel);
  if (checks && newLaunch.early && !memory.hasWaited())
    return makeError("{}: no thread waits for the kernels ahead (gate.wait), so those behind it "
                     "may begin before these have ended",
                     kernel);
  return success();
}

Status EmulatedMachine::prepare(const GridLaunch &newLaunch) {
  launch = &newLaunch;
  threads = newLaunch.threads;
  blocks = newLaunch.blocks;
  sharedBegin = reinterpret_cast<uintptr_t>(newLaunch.shared);
  now = nullptr;
  if (threads < 1 || threads > Order::maxThreads)
    return makeError("a block of {} threads; 1 to {} are possible", threads, Order::maxThreads);
  int most = newLaunch.cooperative ? mostBlocks : Record::maxBlocks;
  if (blocks < 1 || blocks > most)
    return makeError("a{} grid of {} blocks; 1 to {} are possible",
                     newLaunch.cooperative ? " cooperative" : "", blocks, most);
  if (newLaunch.sharedBytes < 0 || newLaunch.sharedCapacity < sharedSize())
    return makeError("{} bytes of shared memory are more than a block can have",
                     newLaunch.sharedBytes);
  size_t atOnce = newLaunch.cooperative ? size_t(blocks) : 1;
  while (slots.size() < atOnce) {
    std::function<uint32_t(uint32_t)> choose;
    if (options.seed != 0)
      choose = [this](uint32_t below) { return uint32_t(random() % below); };
    slots.push_back(std::make_unique<Block>(choose));
    slots.back()->slot = static_cast<int>(slots.size()) - 1;
  }
  for (size_t i = 0; i < atOnce; ++i)
    if (!slots[i]->scheduler.reserve(threads))
      return makeError("no memory for the stacks of {} threads", threads);
  random.seed(options.seed);
  if (checks)
    memory.startLaunch(newLaunch);
  return success();
}

std::vector<int> EmulatedMachine::orderOfBlocks() {
  bool falling = options.seed != 0 || options.fallingOrder;
  std::vector<int> order;
  order.reserve(size_t(blocks));
  for (int i = 0; i < blocks; ++i)
    order.push_back(falling ? blocks - 1 - i : i);
  if (options.seed != 0)
    for (size_t i = order.size() - 1; i > 0; --i)
      std::swap(order[i], order[random() % (i + 1)]);
  return order;
}

Status EmulatedMachine::runInTurn(const std::vector<int> &order) {
  for (int index : order) {
    now = nullptr;
    startBlock(*slots[0], index);
    enterBlock(*slots[0]);
    bool ended = false;
    LLMOPT_TRY(runBlock(/*mayLeave=*/0, ended));
  }
  return success();
}

/// All at once: each as far as it gets, then the next that can go on.
Status EmulatedMachine::runTogether(const std::vector<int> &order) {
  std::vector<Block *> left;
  for (size_t i = 0; i < order.size(); ++i) {
    startBlock(*slots[i], order[i]);
    left.push_back(slots[i].get());
  }
  // Some seeds change blocks often, others seldom.
  uint32_t mayLeave = options.seed == 0 ? 0 : 16U << random() % 6;
  for (size_t next = 0; !left.empty();) {
    if (options.seed != 0)
      next = random() % left.size();
    size_t tried = 0;
    while (tried < left.size() && !left[(next + tried) % left.size()]->scheduler.canGoOn())
      ++tried;
    if (tried == left.size()) {
      std::string text;
      for (const Block *each : left)
        text += fmt::format("{}block {}, {}", text.empty() ? "" : "; ", each->index,
                            describeDeadlock(*each));
      return makeError("{}: nobody goes on", text);
    }
    next = (next + tried) % left.size();
    enterBlock(*left[next]);
    bool ended = false;
    LLMOPT_TRY(runBlock(mayLeave, ended));
    if (ended)
      left.erase(left.begin() + long(next));
    else
      ++next;
  }
  return success();
}

/// Blocks that any machine has run: a module is run by several.
static std::atomic<uint64_t> blockRuns;

void EmulatedMachine::startBlock(Block &started, int index) {
  started.index = index;
  started.run = ++blockRuns;
  started.live = threads;
  started.barriers.clear();
  started.moved.clear();
  started.waiting.assign(size_t(threads), {});
  started.countWaits.clear();
  started.copies.resize(size_t(threads));
  for (Copies &each : started.copies)
    each.clear();
  started.warps.resize(size_t(threads + 31) / 32);
  for (size_t i = 0; i < started.warps.size(); ++i) {
    int lanes = std::min(32, threads - static_cast<int>(i) * 32);
    started.warps[i].lanes = lanes == 32 ? wholeWarp : (1u << lanes) - 1;
    started.warps[i].waiting = 0;
  }
  // What nobody has written is NaN, as float, half and bfloat.
  if (launch->cooperative)
    started.shared.assign(sharedSize(), char(0xff));
  else
    std::memset(launch->shared, 0xff, sharedSize());
  if (checks)
    memory.startBlock(index, started.memory);
  started.scheduler.start(threads, body, enter, this);
}

/// Brings the block's shared memory in place of another's.
void EmulatedMachine::enterBlock(Block &entered) {
  if (&entered == now)
    return;
  if (now)
    std::memcpy(now->shared.data(), launch->shared, sharedSize());
  if (launch->cooperative)
    std::memcpy(launch->shared, entered.shared.data(), sharedSize());
  now = &entered;
  block = entered.index;
  blockRun = entered.run;
  slot = entered.slot;
  problem.clear();
  fault = {};
  if (checks)
    memory.enterBlock(entered.index, entered.memory);
}

/// Lets the block run; it may leave before it has ended.
Status EmulatedMachine::runBlock(uint32_t mayLeave, bool &ended) {
  std::fenv_t arithmetic;
  std::fegetenv(&arithmetic);
  Scheduler::End end = now->scheduler.run(mayLeave);
  if (fault.kind != Fault::Kind::None)
    std::fesetenv(&arithmetic); // left as the system begins a handler
  if (end == Scheduler::End::Stopped)
    return Error(fault.kind == Fault::Kind::None ? problem : describeFault());
  if (end == Scheduler::End::Deadlock)
    return makeError("block {}, {}: nobody goes on", now->index, describeDeadlock(*now));
  if (!problem.empty())
    return Error(problem);
  ended = end == Scheduler::End::Done;
  return ended ? checkEnded() : success();
}

Status EmulatedMachine::checkEnded() const {
  if (checks && memory.hasOpenReads())
    return makeError("block {}: ends before a product that reads its shared memory was waited for",
                     now->index);
  const char *guard = launch->shared + launch->sharedBytes;
  for (size_t i = 0; i < GridLaunch::guardBytes; ++i)
    if (guard[i] != char(0xff))
      return makeError("block {}: byte {} of shared memory was written, beyond its {} bytes",
                       now->index, size_t(launch->sharedBytes) + i, launch->sharedBytes);
  return success();
}

/// `which` thread runs from now on.
void EmulatedMachine::enter(void *argument, int which) {
  auto *self = static_cast<EmulatedMachine *>(argument);
  self->thread = which;
  self->inside = which < 0;
  if (which >= 0) {
    self->stackBegin = self->now->scheduler.stackBegin(which);
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
  now->scheduler.stop();
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
  if (!self->now || !self->now->scheduler.isRunning())
    return;
  self->fault = fault;
  self->faultThread = self->thread;
  self->now->scheduler.stop();
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
  else if (faultThread >= 0 && now->scheduler.isBelowStack(faultThread, fault.address))
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

/// Who waits for what, at most four.
std::string EmulatedMachine::describeDeadlock(const Block &where) const {
  std::string text, last;
  int listed = 0, count = 0;
  for (size_t i = 0; i < where.waiting.size(); ++i) {
    const Waiting &each = where.waiting[i];
    if (!each.what)
      continue;
    ++count;
    auto counted = where.countWaits.find(static_cast<int>(i));
    std::string what = fmt::format(
        "{} at {}", counted == where.countWaits.end() ? each.what : describe(counted->second),
        placeOf(each.site));
    if (what == last)
      continue;
    last = what;
    if (++listed <= 4)
      text += fmt::format("{}thread {} waits for {}", text.empty() ? "" : ", ", i, what);
  }
  return fmt::format("{} ({} of {} threads wait, {} have ended)", text, count, threads,
                     threads - where.live);
}

std::string EmulatedMachine::describe(const CountWait &wait) const {
  std::string where = checks
                          ? memory.describe(wait.counter)
                          : fmt::format("address {:#x}", reinterpret_cast<uintptr_t>(wait.counter));
  return fmt::format("the counter at {}, which is {}, to be {}", where, *wait.counter, wait.least);
}

} // namespace llmopt::emulated
