//===- LinearTest.cpp - linear.h against plain double loops, and its invariance ---------------===//

#include "LinearRun.h"

#include <gtest/gtest.h>

using namespace llmopt::cpu;

namespace {

template <class C> constexpr int64_t interleaveOf = std::is_same_v<C, bf16> ? 2 : 1;

template <class Config> class LinearTest : public testing::Test {
public:
  using Weight = typename Config::Weight;
  using Compute = typename Config::Compute;
  static constexpr int64_t maxRows = 150;
  std::vector<Weight> plain = randomValues<Weight>(Config::outputs * Config::depth, 1);
  Aligned<Weight> weight = packPanels(plain, Config::outputs, Config::depth, interleaveOf<Compute>);
  std::vector<Compute> x = randomValues<Compute>(maxRows * Config::depth, 2);
};

using Configs = testing::Types<
    TwoSegments<float, float, 64, 64, 32, 8, 16>, TwoSegments<float, float, 301, 45, 22, 45, 7>,
    TwoSegments<f16, f16, 257, 80, 40, 80, 40>, TwoSegments<float, f16, 130, 48, 33, 16, 33>,
    TwoSegments<bf16, bf16, 512, 128, 64, 64, 64>, TwoSegments<bf16, bf16, 515, 39, 18, 13, 9>,
    TwoSegments<float, bf16, 777, 96, 16, 32, 16>, TwoSegments<bf16, float, 33, 17, 1, 17, 1>,
    TwoStreams<bf16, bf16, 288, 200, 64>, TwoStreams<float, float, 1, 19, 5>,
    TwoStreams<bf16, bf16, 40, 1100, 500>>;
TYPED_TEST_SUITE(LinearTest, Configs);

TYPED_TEST(LinearTest, AgreesWithDoubleLoops) {
  using Compute = typename TypeParam::Compute;
  constexpr int64_t rows = 29;
  std::vector<float> y = runLinear<TypeParam, true>(this->weight, this->x.data(), rows, 2);
  for (int64_t n = 0; n < rows; ++n)
    for (int64_t o = 0; o < TypeParam::outputs; ++o) {
      double sum = 0, magnitude = 0;
      for (int64_t k = 0; k < TypeParam::depth; ++k) {
        float w = toFloat(this->plain[size_t(o * TypeParam::depth + k)]);
        double product = double(toFloat(this->x[size_t(n * TypeParam::depth + k)])) *
                         double(toFloat(fromFloat<Compute>(w)));
        sum += product;
        magnitude += std::abs(product);
      }
      ASSERT_NEAR(y[size_t(n * TypeParam::outputs + o)], sum, 2e-6 * magnitude + 1e-30)
          << "row " << n << " output " << o;
    }
}

TYPED_TEST(LinearTest, RowDoesNotDependOnTheRowsBesideIt) {
  constexpr int64_t rows = TestFixture::maxRows;
  std::vector<float> all = runLinear<TypeParam, true>(this->weight, this->x.data(), rows, 1);
  for (int64_t chunk : {1, 2, 3, 7, 12, 13, 61, 128})
    for (int64_t row = 0; row + chunk <= rows; row += chunk == 1 ? 37 : chunk) {
      std::vector<float> part = runLinear<TypeParam, true>(
          this->weight, this->x.data() + row * TypeParam::depth, chunk, 1 + int(row % 3));
      ASSERT_EQ(0, std::memcmp(part.data(), all.data() + row * TypeParam::outputs,
                               part.size() * sizeof(float)))
          << chunk << " rows from " << row;
    }
}

TYPED_TEST(LinearTest, RowDoesNotDependOnTheNumberOfThreads) {
  for (int64_t rows : {1, 5, 40}) {
    std::vector<float> one = runLinear<TypeParam, true>(this->weight, this->x.data(), rows, 1);
    for (int threads : {2, 3, 7})
      ASSERT_EQ(one, (runLinear<TypeParam, true>(this->weight, this->x.data(), rows, threads)));
  }
}

TYPED_TEST(LinearTest, MadeRowsGiveWhatDirectRowsGive) {
  for (int64_t rows : {1, 6})
    for (int threads : {1, 2})
      ASSERT_EQ((runLinear<TypeParam, true>(this->weight, this->x.data(), rows, threads)),
                (runLinear<TypeParam, false>(this->weight, this->x.data(), rows, threads)));
}

TYPED_TEST(LinearTest, NoRowsAreNoWork) {
  EXPECT_TRUE((runLinear<TypeParam, true>(this->weight, this->x.data(), 0, 2)).empty());
}

} // namespace
