#include "runtime/devices/cuda_emulated/Scheduler.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace llmopt::emulated {

bool Scheduler::reserve(int threads) {
  while (fibers.size() < size_t(threads)) {
    fibers.emplace_back();
    if (!fibers.back().allocate()) {
      fibers.pop_back();
      return false;
    }
  }
  return true;
}

void Scheduler::start(int threads, const std::function<void()> &newBody, Now newNow,
                      void *newContext) {
  body = &newBody;
  now = newNow;
  context = newContext;
  polls.clear();
  deferred.clear();
  ready.resize(size_t(threads));
  readyFirst = readyCount = 0;
  live = threads;
  for (int i = 0; i < threads; ++i) {
    fibers[size_t(i)].start(enter, this, i);
    wake(i);
  }
  if (random)
    for (int i = threads - 1; i > 0; --i)
      std::swap(ready[size_t(i)], ready[random(uint32_t(i) + 1)]);
}

Scheduler::End Scheduler::run(uint32_t newMayLeave) {
  mayLeave = newMayLeave;
  if (findReady()) {
    now(context, running);
    started = true;
    host.switchTo(fibers[size_t(running)]);
    started = false;
  }
  running = -1;
  now(context, -1);
  return end;
}

bool Scheduler::canGoOn() const {
  auto mayBeReady = [&](const Poll &poll) {
    return poll.foreign ? poll.ready(poll.context) : !deferred.empty();
  };
  return readyCount > 0 || live == 0 || std::any_of(polls.begin(), polls.end(), mayBeReady);
}

void Scheduler::enter(void *argument) {
  auto *self = static_cast<Scheduler *>(argument);
  (*self->body)();
  --self->live;
  self->goOn();
  std::abort(); // a thread that is done is not run again
}

void Scheduler::wake(int thread) {
  size_t at = readyFirst + readyCount++;
  ready[at < ready.size() ? at : at - ready.size()] = thread;
}

void Scheduler::pause() { goOn(); }

void Scheduler::waitUntil(Machine::Predicate condition, const void *context, bool foreign) {
  polls.push_back({running, condition, context, foreign});
  goOn();
}

void Scheduler::leave() {
  wake(running);
  end = End::Suspended;
  fibers[size_t(running)].switchTo(host);
}

void Scheduler::stop() {
  end = End::Stopped;
  lost.switchTo(host);
  std::abort();
}

/// Switches to the next thread, or back to run().
void Scheduler::goOn() {
  int self = running;
  if (!findReady()) {
    fibers[size_t(self)].switchTo(host);
    return;
  }
  now(context, running);
  if (running != self)
    fibers[size_t(self)].switchTo(fibers[size_t(running)]);
}

/// Makes the next thread that can go on the running one; false if there is none, or it is other
/// blocks' turn: `end` says which.
bool Scheduler::findReady() {
  if (mayLeave > 0 && random && readyCount > 0 && random(mayLeave) == 0) {
    end = End::Suspended;
    return false;
  }
  while (readyCount == 0) {
    running = -1;
    now(context, -1);
    if (live == 0) {
      while (!deferred.empty())
        runOne(0);
      end = End::Done;
      return false;
    }
    if (askPolls())
      break;
    auto isForeign = [](const Poll &poll) { return poll.foreign; };
    bool allForeign = std::all_of(polls.begin(), polls.end(), isForeign);
    if (deferred.empty() || (allForeign && !polls.empty())) {
      bool anyForeign = std::any_of(polls.begin(), polls.end(), isForeign);
      end = anyForeign ? End::Suspended : End::Deadlock;
      return false;
    }
    size_t index = 0;
    if (random) {
      // The first of some queue.
      const void *queue = deferred[random(uint32_t(deferred.size()))].queue;
      while (deferred[index].queue != queue)
        ++index;
    }
    runOne(index);
  }
  running = ready[readyFirst];
  readyFirst = readyFirst + 1 == ready.size() ? 0 : readyFirst + 1;
  --readyCount;
  return true;
}

/// Wakes the threads whose condition holds; false if there are none.
bool Scheduler::askPolls() {
  std::vector<Poll> waiting;
  waiting.swap(polls);
  for (const Poll &poll : waiting) {
    if (poll.ready(poll.context))
      wake(poll.thread);
    else
      polls.push_back(poll);
  }
  return readyCount > 0;
}

void Scheduler::defer(const void *queue, Machine::Operation run, const void *closure,
                      size_t bytes) {
  Deferred operation{queue, run, std::vector<uint64_t>((bytes + 7) / 8)};
  std::memcpy(operation.closure.data(), closure, bytes);
  deferred.push_back(std::move(operation));
}

void Scheduler::runDeferred(const void *queue) {
  int self = running;
  running = -1;
  now(context, -1);
  for (size_t i = 0; i < deferred.size();) {
    if (!queue || deferred[i].queue == queue)
      runOne(i);
    else
      ++i;
  }
  running = self;
  now(context, self);
}

void Scheduler::runOne(size_t index) {
  Deferred operation = std::move(deferred[index]);
  deferred.erase(deferred.begin() + long(index));
  operation.run(operation.closure.data());
}

} // namespace llmopt::emulated
