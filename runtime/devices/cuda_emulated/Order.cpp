#include "runtime/devices/cuda_emulated/Order.h"

#include <algorithm>

namespace llmopt::emulated {

void Order::start(int count) {
  threads = count;
  floor = 0;
  first = First();
  clocks.assign(size_t(count), 1);
  size_t warpCount = size_t(count + 31) / 32;
  warps.resize(warpCount);
  lanes.resize(size_t(count));
  for (Warp &warp : warps) {
    warp.floor = 0;
    warp.known.clear();
  }
  if (vectors)
    for (Vector &lane : lanes)
      lane.clear();
  vectors = exhausted = false;
  agentFloors.clear();
  agentClocks.clear();
  objects.clear();
  agents.clear();
}

bool Order::knowsMore(int thread, int who, uint32_t stamp) const {
  auto index = static_cast<size_t>(who);
  if (who < threads) {
    if (who / 32 == thread / 32 && stamp <= warps[size_t(thread) / 32].floor)
      return true;
    if (who < first.count && thread < first.count && stamp <= first.floor)
      return true;
  } else if (stamp <= agentFloor(who - threads)) {
    return true;
  }
  auto holds = [&](const Vector &known) { return index < known.size() && stamp <= known[index]; };
  return vectors && (holds(warps[size_t(thread) / 32].known) || holds(lanes[size_t(thread)]) ||
                     (thread < first.count && holds(first.known)));
}

uint32_t Order::agentFloor(int agent) const {
  return size_t(agent) < agentFloors.size() ? agentFloors[size_t(agent)] : 0;
}

void Order::join(Vector &to, const Vector &from) {
  if (to.size() < from.size())
    to.resize(from.size());
  for (size_t i = 0; i < from.size(); ++i)
    to[i] = std::max(to[i], from[i]);
}

/// All that a thread has done and knows.
void Order::addKnowledge(Vector &to, int thread) const {
  size_t size = size_t(threads) + agentClocks.size();
  if (to.size() < size)
    to.resize(size);
  for (size_t i = 0; i < size_t(threads); ++i)
    to[i] = std::max(to[i], floor);
  for (size_t i = 0; i < agentFloors.size(); ++i)
    to[size_t(threads) + i] = std::max(to[size_t(threads) + i], agentFloors[i]);
  const Warp &warp = warps[size_t(thread) / 32];
  size_t firstLane = size_t(thread) / 32 * 32;
  for (size_t i = firstLane; i < std::min(firstLane + 32, size_t(threads)); ++i)
    to[i] = std::max(to[i], warp.floor);
  join(to, warp.known);
  join(to, lanes[size_t(thread)]);
  if (thread < first.count) {
    for (size_t i = 0; i < size_t(first.count); ++i)
      to[i] = std::max(to[i], first.floor);
    join(to, first.known);
  }
  to[size_t(thread)] = clocks[size_t(thread)];
}

Order::Vector Order::knowledgeOf(int thread) const {
  Vector known;
  addKnowledge(known, thread);
  known.resize(size_t(threads));
  return known;
}

void Order::syncBlock() {
  floor = *std::max_element(clocks.begin(), clocks.end());
  std::fill(clocks.begin(), clocks.end(), floor + 1);
  exhausted |= floor + 1 >= maxStamp;
  if (!vectors)
    return;
  agentFloors.resize(agentClocks.size());
  auto take = [&](Vector &known) {
    for (size_t i = size_t(threads); i < known.size(); ++i)
      agentFloors[i - size_t(threads)] = std::max(agentFloors[i - size_t(threads)], known[i]);
    known.clear();
  };
  take(first.known);
  for (Warp &warp : warps)
    take(warp.known);
  for (Vector &lane : lanes)
    take(lane);
  vectors = false;
}

void Order::syncFirst(int count) {
  if (count != first.count) {
    splitFirst();
    first.count = count;
  }
  auto end = clocks.begin() + count;
  first.floor = *std::max_element(clocks.begin(), end);
  std::fill(clocks.begin(), end, first.floor + 1);
  exhausted |= first.floor + 1 >= maxStamp;
  if (!vectors)
    return;
  auto take = [&](Vector &known) {
    join(first.known, known);
    known.clear();
  };
  for (size_t warp = 0; warp < size_t(count) / 32; ++warp)
    take(warps[warp].known);
  for (size_t lane = 0; lane < size_t(count); ++lane)
    take(lanes[lane]);
}

/// Each of the first threads keeps for itself what they know in common.
void Order::splitFirst() {
  if (first.count == 0)
    return;
  Vector common(size_t(first.count), first.floor);
  join(common, first.known);
  for (int lane = 0; lane < first.count; ++lane)
    join(lanes[size_t(lane)], common);
  first = First();
  vectors = true;
}

void Order::syncLanes(int warpIndex, uint32_t mask) {
  Warp &warp = warps[size_t(warpIndex)];
  int first = warpIndex * 32, last = std::min(first + 32, threads);
  uint32_t all = last - first == 32 ? 0xffffffffu : (1u << (last - first)) - 1;
  if ((mask & all) != all) {
    std::vector<uint32_t> masks(warps.size());
    masks[size_t(warpIndex)] = mask;
    return syncThreads(masks);
  }
  auto begin = clocks.begin() + first, end = clocks.begin() + last;
  warp.floor = *std::max_element(begin, end);
  std::fill(begin, end, warp.floor + 1);
  exhausted |= warp.floor + 1 >= maxStamp;
  if (!vectors)
    return;
  for (int lane = first; lane < last; ++lane) {
    join(warp.known, lanes[size_t(lane)]);
    lanes[size_t(lane)].clear();
  }
}

void Order::syncThreads(const std::vector<uint32_t> &masks) {
  Vector common;
  uint32_t latest = 0;
  auto forEach = [&](auto visit) {
    for (size_t warp = 0; warp < masks.size(); ++warp)
      for (int lane = 0; lane < 32; ++lane)
        if (masks[warp] >> lane & 1)
          visit(static_cast<int>(warp) * 32 + lane);
  };
  forEach([&](int thread) {
    addKnowledge(common, thread);
    latest = std::max(latest, clocks[size_t(thread)]);
  });
  // Nobody has stamps between its own clock and the latest one.
  forEach([&](int thread) { common[size_t(thread)] = latest; });
  forEach([&](int thread) {
    lanes[size_t(thread)] = common;
    clocks[size_t(thread)] = latest + 1;
  });
  vectors = true;
  exhausted |= latest + 1 >= maxStamp;
}

void Order::release(int thread, const void *object) {
  addKnowledge(objects[object], thread);
  advance(thread);
}

void Order::acquire(int thread, const void *object) {
  auto found = objects.find(object);
  if (found == objects.end())
    return;
  join(lanes[size_t(thread)], found->second);
  vectors = true;
}

int Order::agentOf(const void *object) {
  auto [found, added] = agents.emplace(object, static_cast<int>(agentClocks.size()));
  if (added) {
    if (agentClocks.size() == maxAgents) {
      agents.erase(found);
      return -1;
    }
    agentClocks.push_back(0);
  }
  return threads + found->second;
}

uint32_t Order::step(int agent, const void *object) {
  uint32_t stamp = ++agentClocks[size_t(agent - threads)];
  exhausted |= stamp >= maxStamp;
  Vector &told = objects[object];
  if (told.size() <= size_t(agent))
    told.resize(size_t(agent) + 1);
  told[size_t(agent)] = stamp;
  return stamp;
}

} // namespace llmopt::emulated
