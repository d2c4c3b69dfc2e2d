//===- ThreadTeam.h - Threads that go through a step together ---------------------------------===//
//
// A fixed team: the caller is thread 0, the others wait for the next region. Waiting spins for some
// ten microseconds, as long as kernels are apart, and then sleeps in the kernel (futex), so that a
// machine with more to do than cores does not crawl. With as many threads as cores each has a core
// of its own for the region.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CPU_THREADTEAM_H
#define LLMOPT_RUNTIME_DEVICES_CPU_THREADTEAM_H

#include "support/Error.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace llmopt {

/// A word that threads wait on to change.
class WaitWord {
public:
  uint32_t load() const { return value.load(std::memory_order_acquire); }
  /// Advances the word and wakes who waits on it.
  void advance();
  /// Returns when the word is not `old` any more; spins at most `spins` times first.
  void waitWhile(uint32_t old, int spins);

private:
  alignas(64) std::atomic<uint32_t> value{0};
  alignas(64) std::atomic<int> sleepers{0};
};

class ThreadTeam {
public:
  static Result<std::unique_ptr<ThreadTeam>> create(int threads);
  ThreadTeam(const ThreadTeam &) = delete;
  ThreadTeam &operator=(const ThreadTeam &) = delete;
  ~ThreadTeam();

  int size() const { return threads; }

  /// Calls body(thread) from every thread of the team; returns when all have returned. One region
  /// at a time.
  void run(const std::function<void(int)> &body);

  /// Inside a region: returns when every thread of the team has called it.
  void barrier(int thread);

private:
  explicit ThreadTeam(int threads);
  Status start();
  void work(int thread);

  const int threads;
  int spins;
  std::vector<int> cores; ///< of each thread; empty if the system may move them
  std::vector<std::thread> workers;
  const std::function<void(int)> *body = nullptr;
  bool stopping = false;
  WaitWord region;
  WaitWord phase;
  alignas(64) std::atomic<int> arrived{0};
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CPU_THREADTEAM_H
