// The runtime is compiled for any CPU of its architecture; loops for wider vectors carry a target
// attribute and are chosen when they can run.

#include "runtime/devices/cpu/CpuLimits.h"

#include "runtime/devices/cpu/LargeMemory.h"
#include "runtime/devices/cpu/ThreadTeam.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace llmopt {

/// Results go here, so that no loop is left out.
static std::atomic<uint64_t> sink{0};

//===- Loops ----------------------------------------------------------------------------------===//

static uint64_t readPortable(const uint8_t *data, uint64_t bytes) {
  const auto *words = reinterpret_cast<const uint64_t *>(data);
  uint64_t sums[4] = {};
  for (uint64_t i = 0; i < bytes / 8; i += 4)
    for (int64_t j = 0; j < 4; ++j)
      sums[j] += words[i + j];
  return sums[0] + sums[1] + sums[2] + sums[3];
}

/// Sixteen independent chains hide the latency of an operation on every CPU there is.
static constexpr int chains = 16;

static double computePortable(int64_t rounds) {
  float sums[chains] = {};
  for (int64_t round = 0; round < rounds; ++round)
    for (int i = 0; i < chains; ++i)
      sums[i] = sums[i] * 0.5f + 1.0f;
  float total = 0;
  for (float sum : sums)
    total += sum;
  sink += static_cast<uint64_t>(total);
  return 2.0 * chains * static_cast<double>(rounds);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t readAvx2(const uint8_t *data, uint64_t bytes) {
  __m256i sums[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                     _mm256_setzero_si256()};
  for (uint64_t i = 0; i < bytes; i += 128) {
    _mm_prefetch(reinterpret_cast<const char *>(data + i + 4096), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char *>(data + i + 4096 + 64), _MM_HINT_T0);
    for (int64_t j = 0; j < 4; ++j)
      sums[j] = _mm256_add_epi64(
          sums[j], _mm256_load_si256(reinterpret_cast<const __m256i *>(data + i + j * 32)));
  }
  __m256i sum =
      _mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]), _mm256_add_epi64(sums[2], sums[3]));
  uint64_t words[4];
  std::memcpy(words, &sum, sizeof words);
  return words[0] + words[1] + words[2] + words[3];
}

__attribute__((target("avx512f"))) static uint64_t readAvx512(const uint8_t *data, uint64_t bytes) {
  __m512i sums[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                     _mm512_setzero_si512()};
  for (uint64_t i = 0; i < bytes; i += 256) {
    for (int64_t j = 0; j < 4; ++j)
      _mm_prefetch(reinterpret_cast<const char *>(data + i + 4096 + j * 64), _MM_HINT_T0);
    for (int64_t j = 0; j < 4; ++j)
      sums[j] = _mm512_add_epi64(sums[j], _mm512_load_si512(data + i + j * 64));
  }
  __m512i sum =
      _mm512_add_epi64(_mm512_add_epi64(sums[0], sums[1]), _mm512_add_epi64(sums[2], sums[3]));
  uint64_t words[8];
  std::memcpy(words, &sum, sizeof words);
  uint64_t total = 0;
  for (uint64_t word : words)
    total += word;
  return total;
}

__attribute__((target("avx2,fma"))) static double computeAvx2(int64_t rounds) {
  __m256 sums[12]; // with two operands, all that the sixteen registers hold
  __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(1.0f);
  for (__m256 &sum : sums)
    sum = b;
  for (int64_t round = 0; round < rounds; ++round)
    for (__m256 &sum : sums)
      sum = _mm256_fmadd_ps(sum, a, b);
  float values[8];
  for (const __m256 &sum : sums) {
    std::memcpy(values, &sum, sizeof values);
    sink += static_cast<uint64_t>(values[0]);
  }
  return 2.0 * 8 * 12 * static_cast<double>(rounds);
}

__attribute__((target("avx512f"))) static double computeAvx512(int64_t rounds) {
  __m512 sums[chains];
  __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(1.0f);
  for (__m512 &sum : sums)
    sum = b;
  for (int64_t round = 0; round < rounds; ++round)
    for (__m512 &sum : sums)
      sum = _mm512_fmadd_ps(sum, a, b);
  float values[16];
  for (const __m512 &sum : sums) {
    std::memcpy(values, &sum, sizeof values);
    sink += static_cast<uint64_t>(values[0]);
  }
  return 2.0 * 16 * chains * static_cast<double>(rounds);
}

__attribute__((target("avx512f,avx512bf16"))) static double computeBFloat16(int64_t rounds) {
  __m512 sums[chains];
  // Small enough that no sum overflows.
  __m512i bits = _mm512_set1_epi16(0x1000);
  __m512bh a = (__m512bh)bits, b = (__m512bh)bits;
  for (__m512 &sum : sums)
    sum = _mm512_setzero_ps();
  for (int64_t round = 0; round < rounds; ++round)
    for (__m512 &sum : sums)
      sum = _mm512_dpbf16_ps(sum, a, b);
  float values[16];
  for (const __m512 &sum : sums) {
    std::memcpy(values, &sum, sizeof values);
    sink += static_cast<uint64_t>(values[0]);
  }
  return 4.0 * 16 * chains * static_cast<double>(rounds);
}
#endif

//===- Measuring ------------------------------------------------------------------------------===//

static constexpr int passes = 3;

/// The least seconds of some passes of `body(thread)` on all threads.
static double bestSeconds(ThreadTeam &team, const std::function<void(int)> &body) {
  double best = 1e30;
  for (int pass = 0; pass < passes; ++pass) {
    auto start = std::chrono::steady_clock::now();
    team.run(body);
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

/// From 512 MiB to 1 GiB: four times the largest cache, which may be that of a whole socket.
static uint64_t bufferBytes() {
  uint64_t bytes = uint64_t(512) << 20;
#if defined(_SC_LEVEL3_CACHE_SIZE)
  long cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  if (cache > 0)
    bytes = std::max(bytes, 4 * static_cast<uint64_t>(cache));
#endif
  return std::min(bytes, uint64_t(1) << 30);
}

namespace {
class CpuLimits final : public DeviceLimits {
public:
  static Result<std::unique_ptr<DeviceLimits>> create(int threads, bool bfloat16);

  Result<double> readBandwidth() override;
  Result<double> arithmeticPeak() override;
  std::string arithmetic() const override { return instruction + " on registers"; }

private:
  /// Runs so many rounds and gives the operations done.
  using ArithmeticLoop = double (*)(int64_t rounds);
  using ReadLoop = uint64_t (*)(const uint8_t *data, uint64_t bytes);

  std::unique_ptr<ThreadTeam> team;
  LargeMemory buffer;
  ReadLoop read = readPortable;
  ArithmeticLoop compute = computePortable;
  std::string instruction = "scalar float32 multiply and add";
};
} // namespace

Result<std::unique_ptr<DeviceLimits>> CpuLimits::create(int threads, bool bfloat16) {
  auto limits = std::make_unique<CpuLimits>();
  LLMOPT_ASSIGN(limits->team, ThreadTeam::create(threads));
  LLMOPT_ASSIGN(limits->buffer, LargeMemory::allocate(bufferBytes(), "the bandwidth test"));
  (void)bfloat16;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) {
    limits->read = readAvx512;
    limits->compute = computeAvx512;
    limits->instruction = "float32 fused multiply-add (512 bit)";
    if (bfloat16 && __builtin_cpu_supports("avx512bf16")) {
      limits->compute = computeBFloat16;
      limits->instruction = "vdpbf16ps (512 bit)";
    }
  } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    limits->read = readAvx2;
    limits->compute = computeAvx2;
    limits->instruction = "float32 fused multiply-add (256 bit)";
  }
#endif
  // The pages must be there, and not all be the one page of zeros.
  uint64_t share = limits->buffer.bytes() / static_cast<uint64_t>(threads);
  limits->team->run([&](int thread) {
    std::memset(limits->buffer.data() + static_cast<uint64_t>(thread) * share, thread + 1, share);
  });
  return std::unique_ptr<DeviceLimits>(std::move(limits));
}

Result<double> CpuLimits::readBandwidth() {
  uint64_t share = buffer.bytes() / static_cast<uint64_t>(team->size()) / 4096 * 4096;
  double seconds = bestSeconds(*team, [&](int thread) {
    sink += read(buffer.data() + static_cast<uint64_t>(thread) * share, share);
  });
  return static_cast<double>(share) * team->size() / seconds;
}

Result<double> CpuLimits::arithmeticPeak() {
  // Some ten milliseconds, so that clocks settle and the start does not count.
  constexpr int64_t rounds = 4'000'000;
  std::atomic<uint64_t> operations{0};
  double seconds =
      bestSeconds(*team, [&](int) { operations = static_cast<uint64_t>(compute(rounds)); });
  return static_cast<double>(operations) * team->size() / seconds;
}

Result<std::unique_ptr<DeviceLimits>> openCpuLimits(int threads, bool bfloat16) {
  return CpuLimits::create(threads, bfloat16);
}

} // namespace llmopt
