//===- KernelBench.cpp - CPU kernels against the machine's limits -----------------------------===//
//
// Measures what the machine can do (reads, bf16 and float32 products), then the linears of a 1.1B
// Llama (2048 wide, 32 heads, 4 kv heads, feed-forward 5632, vocabulary 32000) with 1 row to 128,
// and its attention, with weights of bf16, float32, 8 and 4 bits. Weights are random and rotate
// through a buffer larger than the cache.
//
//   kernel-bench [threads [title]]     only the linears whose title contains this
//
//===------------------------------------------------------------------------------------------===//

#include "codegen/cpu/kernels/attention.h"
#include "codegen/cpu/kernels/linear.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <sys/mman.h>
#include <thread>
#include <vector>

using namespace llmopt::cpu;

namespace {

using Clock = std::chrono::steady_clock;

struct FreeMemory {
  void operator()(void *memory) const { std::free(memory); }
};

template <class T> using Array = std::unique_ptr<T[], FreeMemory>;

template <class T> Array<T> newArray(int64_t count) {
  // Large pages, as the runtime keeps weights in.
  constexpr int64_t largePage = int64_t(1) << 21;
  int64_t bytes = roundUp(count * int64_t(sizeof(T)), largePage);
  Array<T> memory(static_cast<T *>(std::aligned_alloc(size_t(largePage), size_t(bytes))));
  ::madvise(memory.get(), size_t(bytes), MADV_HUGEPAGE);
  std::memset(memory.get(), 0, size_t(bytes));
  return memory;
}

/// Random values of magnitude 1/4 to 1, made from raw bits because there are many.
template <class T> Array<T> randomArray(int64_t count) {
  Array<T> values = newArray<T>(count);
  uint64_t state = 88172645463325252ull;
  for (int64_t i = 0; i < count; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    uint32_t bits = 0x3e800000u + (uint32_t(state) & 0x80ffffffu);
    values[i] = fromFloat<T>(bitCast<float>(bits));
  }
  return values;
}

//===------------------------------------------------------------------------------------------===//
// Threads
//===------------------------------------------------------------------------------------------===//

/// Threads that stay, and spin between launches as those of the runtime do.
class Team {
public:
  explicit Team(int threads) : threads(threads) {
    for (int t = 0; t < threads; ++t)
      scratch.push_back(newArray<char>(1 << 20));
    for (int t = 1; t < threads; ++t)
      pool.emplace_back([this, t] {
        for (;;) {
          barrier(t);
          if (!work)
            return;
          (*work)(member(t));
          barrier(t);
        }
      });
  }
  ~Team() {
    work = nullptr;
    barrier(0);
    for (std::thread &thread : pool)
      thread.join();
  }

  using Work = std::function<void(const LlmoptTeam &)>;

  /// Seconds that `body` takes on all threads.
  double seconds(const Work &body) {
    work = &body;
    auto start = Clock::now();
    barrier(0);
    body(member(0));
    barrier(0);
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  const int threads;

private:
  LlmoptTeam member(int t) {
    auto wait = [](void *context, int32_t thread) {
      static_cast<Team *>(context)->barrier(thread);
    };
    return {t, threads, wait, this, scratch[size_t(t)].get()};
  }
  void barrier(int) {
    int round = rounds.load(std::memory_order_relaxed);
    if (waiting.fetch_add(1, std::memory_order_acq_rel) == threads - 1) {
      waiting.store(0, std::memory_order_relaxed);
      rounds.store(round + 1, std::memory_order_release);
      return;
    }
    while (rounds.load(std::memory_order_acquire) == round)
      std::atomic_signal_fence(std::memory_order_seq_cst);
  }

  std::atomic<int> waiting{0}, rounds{0};
  const Work *work = nullptr;
  std::vector<Array<char>> scratch;
  std::vector<std::thread> pool;
};

/// Median of the times of repeated calls, after one to warm up.
double medianSeconds(int repeats, const std::function<double()> &once) {
  once();
  std::vector<double> times;
  times.reserve(static_cast<size_t>(repeats));
  for (int i = 0; i < repeats; ++i)
    times.push_back(once());
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

//===------------------------------------------------------------------------------------------===//
// Limits
//===------------------------------------------------------------------------------------------===//

constexpr int64_t bufferBytes = int64_t(768) << 20;

/// Each thread reads a part of the buffer: `streams` ranges of 64 KiB side by side, as a linear
/// reads its panels. One stream alone waits for the translation of each page.
template <int streams> double readSeconds(Team &team, const char *buffer) {
  constexpr int64_t range = 64 * 1024;
  return medianSeconds(5, [&] {
    return team.seconds([&](const LlmoptTeam &member) {
      int64_t groups = bufferBytes / (range * streams) / member.threads;
      const char *from = buffer + groups * range * streams * member.thread;
      Vec sum[streams] = {};
      for (int64_t group = 0; group < groups; ++group, from += range * streams)
        for (int64_t byte = 0; byte < range; byte += 64)
          for (int s = 0; s < streams; ++s) {
            const char *line = from + s * range + byte;
            prefetch(line + 4096);
            sum[s] = sum[s] + load(reinterpret_cast<const float *>(line));
          }
      for (int s = 0; s < streams; ++s)
        store(static_cast<float *>(member.scratch) + s * lanes, sum[s]);
    });
  });
}

double readBandwidth(Team &team, const char *buffer) {
  double seconds = std::min(readSeconds<1>(team, buffer), readSeconds<4>(team, buffer));
  return double(bufferBytes) / seconds;
}

/// Products alone, as many independent sums as a register tile has, with no loads between.
/// Operations per second.
template <class Operand> double arithmeticPeak(Team &team) {
  constexpr int64_t times = 1000000;
  constexpr int count = tileRows * tilePanels;
  using Product = Step<Operand, Operand>;
  Array<Operand> operands = randomArray<Operand>(2 * lanes);
  double time = medianSeconds(5, [&] {
    return team.seconds([&](const LlmoptTeam &member) {
      auto w = Product::weights(operands.get());
      auto x = Product::input(operands.get());
      Vec sum[count];
#pragma GCC unroll 32
      for (int i = 0; i < count; ++i)
        sum[i] = broadcast(float(i));
      for (int64_t t = 0; t < times; ++t) {
#pragma GCC unroll 32
        for (int i = 0; i < count; ++i)
          sum[i] = Product::accumulate(w, x, sum[i]);
      }
#pragma GCC unroll 32
      for (int i = 0; i < count; ++i)
        store(static_cast<float *>(member.scratch) + i * lanes, sum[i]);
    });
  });
  return 2.0 * double(times * count * lanes * Product::depth * team.threads) / time;
}

//===------------------------------------------------------------------------------------------===//
// Linears
//===------------------------------------------------------------------------------------------===//

template <class W, class C, int64_t K, int64_t O, int64_t Tile, int Streams> struct Shape {
  using Weight = W;
  using Compute = C;
  static constexpr int64_t depth = K, outputs = O;
  static constexpr int segmentCount = 1;
  static constexpr Segment segments[] = {{O / Streams, Tile, Streams, {0, O / Streams}}};
};

template <class Compute> struct Rows {
  static constexpr bool direct = true;
  const Compute *x;
  const Compute *rows() const { return x; }
};

template <class Compute> struct Store {
  Compute *y;
  int64_t width;
  void operator()(int, int64_t row, int64_t column, int64_t columns,
                  const float *const *sums) const {
    for (int64_t i = 0; i < columns; ++i)
      y[row * width + column + i] = fromFloat<Compute>(sums[0][i]);
  }
};

struct Limits {
  double bandwidth, arithmetic;
};

/// Of a packed weight.
template <class Config>
constexpr int64_t weightBytes = ceilDivide(Config::outputs, lanes) *
                                llmopt::cpu::detail::LinearTraits<Config>::Panel::elements *
                                int64_t(sizeof(typename Config::Weight));

/// Prints one line; returns the seconds of one call.
template <class Config>
double benchLinear(Team &team, const char *name, int64_t rows, const char *buffer, Limits limits) {
  using Compute = typename Config::Compute;
  using Weight = typename Config::Weight;
  Array<Compute> x = randomArray<Compute>(rows * Config::depth);
  Array<Compute> y = randomArray<Compute>(rows * Config::outputs);
  Array<char> shared = newArray<char>(linearSharedBytes(rows, Config::depth, 4));
  int64_t bytes = roundUp(weightBytes<Config>, 4096);
  int64_t copies = bufferBytes / bytes, next = 0;
  int64_t calls = rows > 16 ? 2 : larger(4, (int64_t(256) << 20) / bytes);
  double time = medianSeconds(5, [&] {
    double sum = 0;
    for (int64_t i = 0; i < calls; ++i) {
      const Weight *weight = reinterpret_cast<const Weight *>(buffer + next++ % copies * bytes);
      sum += team.seconds([&](const LlmoptTeam &member) {
        linear<Config>(member, rows, weight, shared.get(), Rows<Compute>{x.get()},
                       Store<Compute>{y.get(), Config::outputs});
      });
    }
    return sum / double(calls);
  });
  double operations = 2.0 * double(rows * Config::depth * Config::outputs);
  std::printf("  %-10s rows %4ld %9.3f ms %7.1f GB/s (%3.0f %%) %8.1f GFLOP/s (%3.0f %%)\n", name,
              long(rows), time * 1e3, double(bytes) / time / 1e9,
              100 * double(bytes) / time / limits.bandwidth, operations / time / 1e9,
              100 * operations / time / limits.arithmetic);
  return time;
}

const char *wanted = "";

/// All linears of a step: 22 layers and the output.
template <class W, class C>
void benchStep(Team &team, const char *title, int64_t rows, const char *buffer, Limits limits) {
  using Qkv = Shape<W, C, 2048, 2560, 64, 1>;
  using Out = Shape<W, C, 2048, 2048, 64, 1>;
  using GateUp = Shape<W, C, 2048, 11264, 64, 2>;
  using Down = Shape<W, C, 5632, 2048, 64, 1>;
  using Logits = Shape<W, C, 2048, 32000, 64, 1>;
  if (!std::strstr(title, wanted))
    return;
  std::printf("%s\n", title);
  double layer = benchLinear<Qkv>(team, "qkv", rows, buffer, limits);
  layer += benchLinear<Out>(team, "out", rows, buffer, limits);
  layer += benchLinear<GateUp>(team, "gate, up", rows, buffer, limits);
  layer += benchLinear<Down>(team, "down", rows, buffer, limits);
  double logits = benchLinear<Logits>(team, "logits", rows, buffer, limits);
  double weights = 22 * (2048.0 * (2560 + 2048 + 11264) + 5632.0 * 2048) + 2048.0 * 32000;
  double bytes = double(22 * (weightBytes<Qkv> + weightBytes<Out> + weightBytes<GateUp> +
                              weightBytes<Down>)+weightBytes<Logits>);
  double time = 22 * layer + logits;
  std::printf("  %-10s rows %4ld %9.3f ms %7.1f GB/s (%3.0f %%) %8.1f GFLOP/s (%3.0f %%)\n\n",
              "all", long(rows), time * 1e3, bytes / time / 1e9,
              100 * bytes / time / limits.bandwidth, 2 * double(rows) * weights / time / 1e9,
              200 * double(rows) * weights / time / limits.arithmetic);
}

//===------------------------------------------------------------------------------------------===//
// Attention
//===------------------------------------------------------------------------------------------===//

template <int64_t H, int64_t G, int64_t D> struct Heads {
  using Type = bf16;
  using Cache = bf16;
  static constexpr int64_t heads = H, kvHeads = G, headDim = D, window = 0;
  static constexpr float scale = 0.125f, softCap = 0;
  static constexpr bool alibi = false;
};

/// `rows` queries at the end of a context.
template <class Config>
void benchAttention(Team &team, const char *name, int64_t rows, int64_t context) {
  int64_t width = Config::heads * Config::headDim, pages = ceilDivide(context, pageTokens);
  Array<bf16> q = randomArray<bf16>(rows * width), out = randomArray<bf16>(rows * width);
  int64_t layers = larger(1, smaller(64, (int64_t(64) << 20) / (pages * cachePageBytes<Config>())));
  Array<bf16> cache = randomArray<bf16>(layers * pages * cachePageBytes<Config>() / 2);
  std::vector<int32_t> table, positions, sequenceOf(size_t(rows), 0), firstRow = {0, int32_t(rows)};
  for (int32_t page = 0; page < pages; ++page)
    table.push_back(page);
  for (int64_t row = 0; row < rows; ++row)
    positions.push_back(int32_t(context - rows + row));
  LlmoptBatch batch = {};
  batch.tokens = int32_t(rows);
  batch.sequences = 1;
  batch.pageTableStride = int32_t(pages);
  batch.positions = positions.data();
  batch.sequenceOf = sequenceOf.data();
  batch.firstRow = firstRow.data();
  batch.pageTable = table.data();
  int64_t layer = 0;
  double time = medianSeconds(9, [&] {
    const char *pagesOfLayer = reinterpret_cast<const char *>(cache.get()) +
                               layer++ % layers * pages * cachePageBytes<Config>();
    return team.seconds([&](const LlmoptTeam &member) {
      attention<Config>(member, batch, q.get(), out.get(), pagesOfLayer, nullptr);
    });
  });
  double keys = double(rows) * (double(context) - double(rows - 1) / 2);
  std::printf("  %-20s rows %4ld context %5ld %9.4f ms %7.1f GB/s %8.1f GFLOP/s\n", name,
              long(rows), long(context), time * 1e3,
              double(pages * cachePageBytes<Config>()) / time / 1e9,
              4 * keys * double(width) / time / 1e9);
}

} // namespace

int main(int argc, char **argv) {
  int threads = argc > 1 ? std::atoi(argv[1]) : int(std::thread::hardware_concurrency());
  if (threads < 1) {
    std::fprintf(stderr, "kernel-bench: '%s' is no number of threads\n", argv[1]);
    return 1;
  }
  if (argc > 2)
    wanted = argv[2];
  Team team(threads);
  Array<bf16> weights = randomArray<bf16>(bufferBytes / 2);
  const char *buffer = reinterpret_cast<const char *>(weights.get());
  double bandwidth = readBandwidth(team, buffer);
  Limits pairs = {bandwidth, arithmeticPeak<bf16>(team)};
  Limits floats = {bandwidth, arithmeticPeak<float>(team)};
  std::printf("%d threads: reads %.1f GB/s, bf16 products %.0f GFLOP/s, float32 %.0f GFLOP/s\n\n",
              threads, bandwidth / 1e9, pairs.arithmetic / 1e9, floats.arithmetic / 1e9);

  for (int64_t rows : {1, 4, 16, 128})
    benchStep<bf16, bf16>(team, "bf16", rows, buffer, pairs);
  for (int64_t rows : {1, 128})
    benchStep<float, float>(team, "float32", rows, buffer, floats);
  for (int64_t rows : {1, 128})
    benchStep<float, bf16>(team, "float32 weights, bf16 products", rows, buffer, pairs);
  for (int64_t rows : {1, 128}) {
    benchStep<Quantized<Code::i8, 0, float>, bf16>(
        team, "8-bit weights, a scale a row, bf16 products", rows, buffer, pairs);
    benchStep<Quantized<Code::i4, 32, f16>, bf16>(
        team, "4-bit weights, groups of 32, bf16 products", rows, buffer, pairs);
  }
  std::printf("attention, bf16 cache\n");
  for (int64_t context : {128, 1024, 8192}) {
    benchAttention<Heads<32, 4, 64>>(team, "32 heads, 4 kv x 64", 1, context);
    benchAttention<Heads<32, 4, 64>>(team, "32 heads, 4 kv x 64", 128, context);
    benchAttention<Heads<71, 1, 64>>(team, "71 heads, 1 kv x 64", 1, context);
    benchAttention<Heads<32, 32, 128>>(team, "32 heads, 32 kv x 128", 1, context);
  }
}
