#include "support/ThreadPool.h"

#include <algorithm>
#include <atomic>
#include <sched.h>
#include <thread>
#include <vector>

namespace llmopt {

int availableThreads() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

Result<int> resolveThreads(int threads) {
  constexpr int maximum = 1024;
  if (threads < 0 || threads > maximum)
    return makeError("{} threads: from 1 to {} are possible", threads, maximum);
  return threads == 0 ? availableThreads() : threads;
}

void parallelFor(int64_t count, int threads, const std::function<void(int64_t)> &body) {
  std::atomic<int64_t> next{0};
  auto work = [&] {
    for (int64_t i = next++; i < count; i = next++)
      body(i);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < std::min<int64_t>(threads, count); ++i)
    others.emplace_back(work);
  work();
  for (std::thread &thread : others)
    thread.join();
}

} // namespace llmopt
