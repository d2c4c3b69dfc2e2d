//===- AttentionTest.cpp - attention.h against plain double loops, and its invariance ---------===//

#include "codegen/cpu/kernels/attention.h"

#include "KernelTest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace llmopt::cpu;

namespace {

template <class T, class C, int64_t H, int64_t G, int64_t D, int64_t W = 0, bool A = false>
struct Shape {
  using Type = T;
  using Cache = C;
  static constexpr int64_t heads = H, kvHeads = G, headDim = D, window = W;
  static constexpr float scale = 0.37f;
  static constexpr bool alibi = A;
  static constexpr float softCap = A ? 4.0f : 0.0f;
};

/// Keys, values and queries of some sequences in full, and what attention gives for a part of them.
template <class Config> class Sequences {
public:
  using Type = typename Config::Type;
  static constexpr int64_t qWidth = Config::heads * Config::headDim;
  static constexpr int64_t kvWidth = Config::kvHeads * Config::headDim;

  explicit Sequences(std::vector<int64_t> lengths) : lengths(lengths) {
    for (size_t s = 0; s < lengths.size(); ++s) {
      q.push_back(randomValues<Type>(lengths[s] * qWidth, uint32_t(3 * s)));
      keys.push_back(randomValues<float>(lengths[s] * kvWidth, uint32_t(3 * s + 1)));
      values.push_back(randomValues<float>(lengths[s] * kvWidth, uint32_t(3 * s + 2)));
    }
    for (int64_t h = 0; h < Config::heads; ++h)
      slopes.push_back(0.01f * float(h + 1));
  }

  /// Runs the rows [from[s], to[s]) of each sequence as one batch, with pages scattered over a
  /// cache whose unwritten places hold NaN. Returns one row after the other.
  std::vector<float> run(const std::vector<int64_t> &from, const std::vector<int64_t> &to,
                         int threads) const {
    int64_t stride = ceilDivide(*std::max_element(to.begin(), to.end()), pageTokens);
    std::vector<int32_t> table(lengths.size() * size_t(stride));
    std::iota(table.begin(), table.end(), 0);
    std::shuffle(table.begin(), table.end(), std::mt19937(7));
    Aligned<char> cache(int64_t(table.size()) * cachePageBytes<Config>(), char(0xff));

    std::vector<int32_t> positions, sequenceOf, firstRow = {0};
    Aligned<Type> batchQ(rowsOf(from, to) * qWidth), out(batchQ.size());
    for (size_t s = 0; s < lengths.size(); ++s) {
      for (int64_t t = from[s]; t < to[s]; ++t) {
        std::copy_n(&q[s][size_t(t * qWidth)], qWidth,
                    batchQ.data() + int64_t(positions.size()) * qWidth);
        positions.push_back(int32_t(t));
        sequenceOf.push_back(int32_t(s));
      }
      firstRow.push_back(int32_t(positions.size()));
    }
    LlmoptBatch batch = {};
    batch.tokens = int32_t(positions.size());
    batch.sequences = int32_t(lengths.size());
    batch.pageTableStride = int32_t(stride);
    batch.positions = positions.data();
    batch.sequenceOf = sequenceOf.data();
    batch.firstRow = firstRow.data();
    batch.pageTable = table.data();
    fillCache(cache.data(), batch, to);
    runTeam(threads, attentionScratchBytes(Config::headDim), [&](const LlmoptTeam &team) {
      attention<Config>(team, batch, batchQ.data(), out.data(), cache.data(), slopes.data());
    });
    std::vector<float> result(static_cast<size_t>(out.size()));
    for (int64_t i = 0; i < out.size(); ++i)
      result[static_cast<size_t>(i)] = toFloat(out[i]);
    return result;
  }

  /// Row t of sequence s in double.
  std::vector<double> expected(size_t s, int64_t t) const {
    std::vector<double> result;
    int64_t first = Config::window ? std::max<int64_t>(0, t - Config::window + 1) : 0;
    for (int64_t h = 0; h < Config::heads; ++h) {
      int64_t g = h / (Config::heads / Config::kvHeads);
      std::vector<double> weights, sums(size_t(Config::headDim), 0.0);
      for (int64_t k = first; k <= t; ++k) {
        double dot = 0;
        for (int64_t d = 0; d < Config::headDim; ++d)
          dot += double(toFloat(q[s][size_t(t * qWidth + h * Config::headDim + d)])) *
                 cached(keys[s][size_t(k * kvWidth + g * Config::headDim + d)]);
        // As Falcon does it: in bfloat16, and scaled with the product.
        if (Config::alibi)
          dot += double(rounded(slopes[size_t(h)] * rounded(float(k))));
        double score = dot * double(Config::scale);
        if (Config::softCap > 0)
          score = double(Config::softCap) * std::tanh(score / double(Config::softCap));
        weights.push_back(score);
      }
      double highest = *std::max_element(weights.begin(), weights.end()), total = 0;
      for (double &w : weights)
        total += w = std::exp(w - highest);
      for (int64_t k = first; k <= t; ++k)
        for (int64_t d = 0; d < Config::headDim; ++d)
          sums[size_t(d)] += weights[size_t(k - first)] / total *
                             cached(values[s][size_t(k * kvWidth + g * Config::headDim + d)]);
      result.insert(result.end(), sums.begin(), sums.end());
    }
    return result;
  }

  const std::vector<int64_t> lengths;

private:
  static double cached(float value) {
    return double(toFloat(fromFloat<typename Config::Cache>(value)));
  }
  static float rounded(float value) { return toFloat(fromFloat<bf16>(value)); }
  static int64_t rowsOf(const std::vector<int64_t> &from, const std::vector<int64_t> &to) {
    int64_t rows = 0;
    for (size_t s = 0; s < from.size(); ++s)
      rows += to[s] - from[s];
    return rows;
  }

  /// Appends positions [0, to[s]) of each sequence, columns in two uneven parts as two tiles would.
  void fillCache(void *cache, LlmoptBatch batch, const std::vector<int64_t> &to) const {
    for (int32_t s = 0; s < batch.sequences; ++s)
      for (int32_t t = 0; t < to[size_t(s)]; ++t) {
        batch.positions = &t;
        batch.sequenceOf = &s;
        const float *k = &keys[size_t(s)][size_t(t * kvWidth)];
        const float *v = &values[size_t(s)][size_t(t * kvWidth)];
        int64_t part = kvWidth / 3;
        appendKeys<Config>(cache, batch, 0, 0, part, k);
        appendKeys<Config>(cache, batch, 0, part, kvWidth - part, k + part);
        appendValues<Config>(cache, batch, 0, 0, part, v);
        appendValues<Config>(cache, batch, 0, part, kvWidth - part, v + part);
      }
  }

  std::vector<std::vector<Type>> q;
  std::vector<std::vector<float>> keys, values;
  std::vector<float> slopes;
};

template <class Config> class AttentionTest : public testing::Test {
public:
  Sequences<Config> sequences{{150, 7, 65}};
};

using Shapes =
    testing::Types<Shape<float, float, 4, 4, 8>, Shape<float, float, 8, 2, 64>,
                   Shape<float, float, 3, 1, 80>, Shape<bf16, bf16, 8, 1, 64>,
                   Shape<f16, f16, 4, 2, 128>, Shape<bf16, bf16, 40, 1, 24>,
                   Shape<float, bf16, 4, 2, 64, 40>, Shape<float, float, 6, 2, 20, 0, true>,
                   Shape<bf16, float, 4, 4, 64, 1>, Shape<float, float, 71, 1, 16>>;
TYPED_TEST_SUITE(AttentionTest, Shapes);

TYPED_TEST(AttentionTest, AgreesWithDoubleLoops) {
  auto &sequences = this->sequences;
  std::vector<float> out = sequences.run({0, 0, 0}, sequences.lengths, 2);
  double bound = std::is_same_v<typename TypeParam::Type, float> ? 5e-6
                 : std::is_same_v<typename TypeParam::Type, f16> ? 2e-3
                                                                 : 1.6e-2;
  size_t at = 0;
  for (size_t s = 0; s < sequences.lengths.size(); ++s)
    for (int64_t t = 0; t < sequences.lengths[s]; ++t)
      for (double value : sequences.expected(s, t)) {
        ASSERT_NEAR(out[at], value, bound * std::max(1.0, std::abs(value)))
            << "sequence " << s << " position " << t;
        ++at;
      }
}

TYPED_TEST(AttentionTest, RowDoesNotDependOnChunksNorThreads) {
  auto &sequences = this->sequences;
  constexpr int64_t width = Sequences<TypeParam>::qWidth;
  std::vector<float> whole = sequences.run({0, 0, 0}, sequences.lengths, 1);
  for (int threads : {2, 3})
    ASSERT_EQ(whole, sequences.run({0, 0, 0}, sequences.lengths, threads));
  for (int64_t first : {0, 15, 16, 63, 64, 100, 149})
    for (int64_t count : {1, 5, 50}) {
      int64_t to = std::min<int64_t>(first + count, 150);
      std::vector<float> part = sequences.run({first, 6, 0}, {to, 7, 0}, 1 + int(count % 3));
      ASSERT_TRUE(std::equal(part.begin(), part.end() - width, whole.begin() + first * width))
          << "from " << first << " to " << to;
      ASSERT_TRUE(std::equal(part.end() - width, part.end(), whole.begin() + 156 * width));
    }
}

} // namespace
