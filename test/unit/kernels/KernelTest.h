//===- KernelTest.h - A team of plain threads, random data, and packing for the kernel tests --===//

#ifndef LLMOPT_TEST_UNIT_KERNELS_KERNELTEST_H
#define LLMOPT_TEST_UNIT_KERNELS_KERNELTEST_H

#include "codegen/cpu/kernels/types.h"

#include "abi.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace llmopt::cpu {

/// An array that starts at a 64-byte boundary and ends where the sanitizer would notice.
template <class T> class Aligned {
public:
  explicit Aligned(int64_t count, T value = T())
      : count(count), memory(static_cast<T *>(std::aligned_alloc(64, bytes(count))), std::free) {
    for (int64_t i = 0; i < count; ++i)
      memory.get()[i] = value;
  }
  T *data() { return memory.get(); }
  const T *data() const { return memory.get(); }
  int64_t size() const { return count; }
  T &operator[](int64_t i) { return memory.get()[i]; }
  const T &operator[](int64_t i) const { return memory.get()[i]; }

private:
  /// GCC 13 follows a negative count to a warning.
  static size_t bytes(int64_t count) {
    return size_t(roundUp(std::max<int64_t>(count, 0) * int64_t(sizeof(T)), 64));
  }
  int64_t count;
  std::unique_ptr<T[], void (*)(void *)> memory;
};

/// Runs `body(team)` on `threads` threads at once.
inline void runTeam(int threads, int64_t scratchBytes,
                    const std::function<void(const LlmoptTeam &)> &body) {
  struct Barrier {
    std::mutex mutex;
    std::condition_variable passed;
    int threads, waiting = 0, round = 0;
  } barrier;
  barrier.threads = threads;
  auto wait = [](void *context, int32_t) {
    auto &b = *static_cast<Barrier *>(context);
    std::unique_lock<std::mutex> lock(b.mutex);
    int round = b.round;
    if (++b.waiting == b.threads) {
      b.waiting = 0;
      ++b.round;
      b.passed.notify_all();
      return;
    }
    b.passed.wait(lock, [&] { return b.round != round; });
  };
  std::vector<std::thread> pool;
  pool.reserve(static_cast<size_t>(threads));
  for (int t = 0; t < threads; ++t)
    pool.emplace_back([&, t] {
      Aligned<char> scratch(scratchBytes, char(0x7f));
      body(LlmoptTeam{t, threads, wait, &barrier, scratch.data()});
    });
  for (std::thread &thread : pool)
    thread.join();
}

template <class T> std::vector<T> randomValues(int64_t count, uint32_t seed, float scale = 1.0f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<T> values(static_cast<size_t>(count));
  for (T &value : values)
    value = fromFloat<T>(normal(engine));
  return values;
}

/// [O][K] row-major into the panels that linear.h and embed.h read.
template <class T>
Aligned<T> packPanels(const std::vector<T> &weight, int64_t outputs, int64_t depth,
                      int64_t interleave) {
  int64_t blocks = ceilDivide(depth, interleave);
  Aligned<T> packed(ceilDivide(outputs, 16) * blocks * 16 * interleave, fromFloat<T>(0.0f));
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t k = 0; k < depth; ++k)
      packed[(((o / 16) * blocks + k / interleave) * 16 + o % 16) * interleave + k % interleave] =
          weight[size_t(o * depth + k)];
  return packed;
}

} // namespace llmopt::cpu

#endif // LLMOPT_TEST_UNIT_KERNELS_KERNELTEST_H
