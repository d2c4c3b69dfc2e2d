#include "runtime/devices/cuda_emulated/GridOrder.h"

#include <algorithm>

namespace llmopt::emulated {

void GridOrder::startLaunch() { objects.clear(); }

void GridOrder::startBlock(int newBlock, int count) {
  block = newBlock;
  floor = 0;
  unfenced.assign(size_t(count), false);
  threads.resize(size_t(count));
  for (Thread &thread : threads) {
    thread.clock = thread.floor = thread.warpFloor = 0;
    if (views) {
      thread.observed.clear();
      thread.acquired.clear();
    }
  }
  whole = Thread();
  views = false;
}

void GridOrder::add(std::vector<View> &to, const std::vector<View> &from) {
  for (const View &view : from) {
    auto same = std::find_if(to.begin(), to.end(),
                             [&](const View &other) { return other.object == view.object; });
    if (same == to.end())
      to.push_back(view);
    else
      same->count = std::max(same->count, view.count);
  }
}

void GridOrder::fence(int index) {
  Thread &thread = threads[size_t(index)];
  thread.clock = order.clock(index);
  thread.floor = order.blockFloor();
  thread.warpFloor = order.warpFloor(index / 32);
  order.advance(index); // what comes after is not covered
  unfenced[size_t(index)] = false;
  if (views) {
    add(thread.acquired, thread.observed);
    add(thread.acquired, whole.observed);
  }
}

void GridOrder::atomic(int index, const void *address) {
  Thread &thread = threads[size_t(index)];
  Object &object = objects[address];
  // What was acquired is passed on.
  for (const std::vector<View> *acquired : {&thread.acquired, &whole.acquired})
    for (const View &view : *acquired)
      if (view.object != &object)
        object.publications.insert(object.publications.end(), view.object->publications.begin(),
                                   view.object->publications.begin() + long(view.count));
  add(thread.observed, {{address, &object, object.publications.size()}});
  views = true;
  object.publications.push_back(
      {block, index, std::max(floor, thread.floor), thread.warpFloor, thread.clock});
}

void GridOrder::syncBlock() {
  bool allFenced = std::find(unfenced.begin(), unfenced.end(), true) == unfenced.end();
  uint32_t latest = 0;
  for (size_t i = 0; i < threads.size(); ++i) {
    floor = std::max(floor, threads[i].floor);
    latest = std::max(latest, order.clock(static_cast<int>(i)));
  }
  if (allFenced)
    floor = std::max(floor, latest);
  if (views)
    for (Thread &thread : threads) {
      add(whole.observed, thread.observed);
      add(whole.acquired, thread.acquired);
    }
}

void GridOrder::rebase() {
  floor = std::min(floor, 1u);
  for (Thread &thread : threads) {
    thread.clock = std::min(thread.clock, 1u);
    thread.floor = std::min(thread.floor, 1u);
    thread.warpFloor = 0;
  }
}

void GridOrder::syncLanes(int warp, uint32_t mask) {
  if (!views)
    return;
  std::vector<uint32_t> masks(size_t(warp) + 1);
  masks[size_t(warp)] = mask;
  syncThreads(masks);
}

void GridOrder::syncThreads(const std::vector<uint32_t> &masks) {
  if (!views)
    return;
  Thread all;
  auto forEach = [&](auto visit) {
    for (size_t thread = 0; thread < std::min(threads.size(), masks.size() * 32); ++thread)
      if (masks[thread / 32] >> thread % 32 & 1)
        visit(threads[thread]);
  };
  forEach([&](const Thread &thread) {
    add(all.observed, thread.observed);
    add(all.acquired, thread.acquired);
  });
  forEach([&](Thread &thread) {
    add(thread.observed, all.observed);
    add(thread.acquired, all.acquired);
  });
}

template <class Visit>
bool GridOrder::any(const std::vector<View> &list, const Visit &visit) const {
  for (const View &view : list)
    for (size_t i = 0; i < view.count; ++i)
      if (visit(view, view.object->publications[i]))
        return true;
  return false;
}

bool GridOrder::knows(int thread, int other, int who, uint32_t stamp) const {
  auto covers = [&](const View &, const Publication &told) {
    return told.block == other &&
           (stamp <= told.floor || (who == told.thread && stamp <= told.clock) ||
            (who / 32 == told.thread / 32 && stamp <= told.warpFloor));
  };
  return any(threads[size_t(thread)].acquired, covers) || any(whole.acquired, covers);
}

bool GridOrder::observed(int thread, int other, const void *address) const {
  auto has = [&](const View &view, const Publication &told) {
    return view.address == address && told.block == other;
  };
  return any(threads[size_t(thread)].observed, has) || any(whole.observed, has);
}

bool GridOrder::knowsAny(int thread) const {
  return !threads[size_t(thread)].acquired.empty() || !whole.acquired.empty();
}

} // namespace llmopt::emulated
