//===- LinearRun.h - Shapes of linears for the tests, and one of them run by a team -----------===//

#ifndef LLMOPT_TEST_UNIT_KERNELS_LINEARRUN_H
#define LLMOPT_TEST_UNIT_KERNELS_LINEARRUN_H

#include "codegen/cpu/kernels/linear.h"

#include "KernelTest.h"

#include <gtest/gtest.h>

namespace llmopt::cpu {

template <class W, class C, int64_t K, int64_t Q, int64_t V, int64_t QTile, int64_t VTile>
struct TwoSegments {
  using Weight = W;
  using Compute = C;
  static constexpr int64_t depth = K;
  static constexpr int segmentCount = 2;
  static constexpr int64_t outputs = Q + V;
  static constexpr Segment segments[] = {{Q, QTile, 1, {0, 0}}, {V, VTile, 1, {Q, 0}}};
};

template <class W, class C, int64_t K, int64_t F, int64_t Tile> struct TwoStreams {
  using Weight = W;
  using Compute = C;
  static constexpr int64_t depth = K;
  static constexpr int segmentCount = 1;
  static constexpr int64_t outputs = 2 * F;
  static constexpr Segment segments[] = {{F, Tile, 2, {0, F}}};
};

template <class Compute> struct DirectRows {
  static constexpr bool direct = true;
  const Compute *x;
  const Compute *rows() const { return x; }
};

template <class Compute, int64_t K> struct MadeRows {
  static constexpr bool direct = false;
  const Compute *x;
  void operator()(int64_t row, Compute *to) const { std::copy_n(x + row * K, K, to); }
};

/// Writes the sums to [rows][outputs], and counts how often each was given.
template <class Config> struct StoreSums {
  float *y;
  int *calls;
  void operator()(int segment, int64_t row, int64_t column, int64_t columns,
                  const float *const *sums) const {
    const Segment &s = Config::segments[segment];
    for (int stream = 0; stream < s.streams; ++stream)
      for (int64_t i = 0; i < columns; ++i) {
        int64_t at = row * Config::outputs + s.first[stream] + column + i;
        y[at] = sums[stream][i];
        ++calls[at];
      }
  }
};

template <class Config, bool Direct>
std::vector<float> runLinear(const Aligned<typename Config::Weight> &weight,
                             const typename Config::Compute *x, int64_t rows, int threads) {
  using Compute = typename Config::Compute;
  std::vector<float> y(size_t(rows * Config::outputs), -1.0f);
  std::vector<int> calls(y.size(), 0);
  StoreSums<Config> epilogue{y.data(), calls.data()};
  Aligned<char> shared(
      linearSharedBytes(rows, Config::depth, std::is_same_v<Compute, bf16> ? 2 : 4), char(0x7f));
  runTeam(threads, linearScratchBytes(Config::depth), [&](const LlmoptTeam &team) {
    using Prologue =
        std::conditional_t<Direct, DirectRows<Compute>, MadeRows<Compute, Config::depth>>;
    linear<Config>(team, rows, weight.data(), shared.data(), Prologue{{x}}, epilogue);
  });
  EXPECT_EQ(std::count(calls.begin(), calls.end(), 1), int64_t(calls.size()));
  return y;
}

} // namespace llmopt::cpu

#endif // LLMOPT_TEST_UNIT_KERNELS_LINEARRUN_H
