#include "runtime/devices/cuda_emulated/GridOrder.h"

#include <algorithm>

namespace llmopt::emulated {

void GridOrder::startBlock(int newBlock, Order &newOrder, GridCounters &newCounters, int count) {
  block = newBlock;
  order = &newOrder;
  counters = &newCounters;
  if (any)
    threads.clear();
  any = false;
  threads.resize(size_t(count));
  unfenced.assign(size_t(count), false);
  floor = firstFloor = 0;
  firstCount = 0;
  objects.clear();
}

/// What a thread has done and knows, of its block and of others.
Known GridOrder::allOf(int thread) const {
  return Knowledge::join(Knowledge::ofBlock(block, order->knowledgeOf(thread)),
                         threads[size_t(thread)].acquired);
}

void GridOrder::fence(int index) {
  Thread &thread = threads[size_t(index)];
  any = true;
  thread.acquired = Knowledge::join(thread.acquired, thread.observed);
  thread.covered = Knowledge::join(thread.covered, allOf(index));
  order->advance(index); // what comes after is not covered
  unfenced[size_t(index)] = false;
}

/// The counter has changed.
void GridOrder::note(int index, GridCounters::Counter &counter, unsigned value, const Known &told) {
  any = true;
  Thread &thread = threads[size_t(index)];
  thread.operations = Knowledge::join(thread.operations, counter.operations);
  counter.told = Knowledge::join(counter.told, told);
  counter.operations = Knowledge::join(
      counter.operations, Knowledge::ofThreads(block, index, index + 1, order->clock(index)));
  counter.history.emplace_back(value, counter.told);
}

void GridOrder::increment(int index, const void *address, unsigned value) {
  GridCounters::Counter &counter = counters->at(address);
  Thread &thread = threads[size_t(index)];
  thread.observed = Knowledge::join(thread.observed, counter.told);
  Known told = thread.covered;
  if (floor > 0)
    told = Knowledge::join(told,
                           Knowledge::ofThreads(block, 0, static_cast<int>(threads.size()), floor));
  if (firstFloor > floor && index < firstCount)
    told = Knowledge::join(told, Knowledge::ofThreads(block, 0, firstCount, firstFloor));
  note(index, counter, value, told);
}

void GridOrder::signal(int index, const void *address, unsigned value) {
  note(index, counters->at(address), value, allOf(index));
  order->advance(index); // what comes after is not told
}

void GridOrder::waited(int index, const void *address, unsigned least) {
  any = true;
  Thread &thread = threads[size_t(index)];
  const GridCounters::Counter &counter = counters->at(address);
  thread.operations = Knowledge::join(thread.operations, counter.operations);
  if (counter.history.empty())
    return;
  auto later = static_cast<int>(least - counter.history.front().first);
  if (later < 0)
    return; // the counter was there before the launch
  size_t change = std::min(size_t(later), counter.history.size() - 1);
  thread.acquired = Knowledge::join(thread.acquired, counter.history[change].second);
}

bool GridOrder::observed(int thread, int other, int who, uint32_t stamp) const {
  const Thread &own = threads[size_t(thread)];
  return (own.operations && own.operations->covers(other, who, who + 1, stamp)) ||
         knows(thread, other, who, stamp);
}

//===------------------------------------------------------------------------------------------===//
// Inside the block
//===------------------------------------------------------------------------------------------===//

void GridOrder::join(Thread &to, const Thread &from) {
  for (Known Thread::*each :
       {&Thread::acquired, &Thread::observed, &Thread::operations, &Thread::covered})
    if (to.*each != from.*each)
      to.*each = Knowledge::join(to.*each, from.*each);
}

template <class ForEach> void GridOrder::meet(const ForEach &forEach) {
  if (!any)
    return;
  Thread all;
  forEach([&](const Thread &thread) { join(all, thread); });
  forEach([&](Thread &thread) { join(thread, all); });
}

void GridOrder::syncBlock() {
  // Without a barrier of the block in the way, nobody has stamps above the latest clock.
  if (std::find(unfenced.begin(), unfenced.end(), true) == unfenced.end())
    for (size_t i = 0; i < threads.size(); ++i)
      floor = std::max(floor, order->clock(static_cast<int>(i)));
  meet([&](auto visit) { std::for_each(threads.begin(), threads.end(), visit); });
}

void GridOrder::syncFirst(int count) {
  if (count != firstCount) {
    firstCount = count;
    firstFloor = 0;
  }
  if (std::find(unfenced.begin(), unfenced.begin() + count, true) == unfenced.begin() + count)
    for (int i = 0; i < count; ++i)
      firstFloor = std::max(firstFloor, order->clock(i));
  meet([&](auto visit) { std::for_each(threads.begin(), threads.begin() + count, visit); });
}

void GridOrder::syncLanes(int warp, uint32_t mask) {
  meet([&](auto visit) {
    for (size_t lane = 0; lane < 32; ++lane)
      if (mask >> lane & 1 && size_t(warp) * 32 + lane < threads.size())
        visit(threads[size_t(warp) * 32 + lane]);
  });
}

void GridOrder::syncThreads(const std::vector<uint32_t> &masks) {
  meet([&](auto visit) {
    for (size_t thread = 0; thread < std::min(threads.size(), masks.size() * 32); ++thread)
      if (masks[thread / 32] >> thread % 32 & 1)
        visit(threads[thread]);
  });
}

void GridOrder::release(int thread, const void *object) {
  if (any)
    join(objects[object], threads[size_t(thread)]);
}

void GridOrder::acquire(int thread, const void *object) {
  if (!any)
    return;
  if (auto found = objects.find(object); found != objects.end())
    join(threads[size_t(thread)], found->second);
}

} // namespace llmopt::emulated
