#include "runtime/eval/Score.h"

#include "runtime/eval/Statistics.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace llmopt;

static float logOf(double value) { return static_cast<float>(std::log(value)); }

TEST(Score, IsTheNegativeLogarithmOfTheProbability) {
  // Probabilities 1/8, 1/2, 3/8.
  std::vector<float> logits = {logOf(1), logOf(4), logOf(3)};
  EXPECT_NEAR(scoreRow(logits.data(), 3, 0).nll, std::log(8), 1e-7);
  EXPECT_NEAR(scoreRow(logits.data(), 3, 1).nll, std::log(2), 1e-7);
  EXPECT_NEAR(scoreRow(logits.data(), 3, 2).nll, std::log(8.0 / 3), 1e-7);
}

TEST(Score, LargeLogitsDoNotOverflow) {
  std::vector<float> logits = {3e38f, 3e38f, -3e38f};
  EXPECT_DOUBLE_EQ(scoreRow(logits.data(), 3, 1).nll, std::log(2));
  EXPECT_GT(scoreRow(logits.data(), 3, 2).nll, 5e38);
  logits = {-1000, -1001};
  EXPECT_NEAR(scoreRow(logits.data(), 2, 0).nll, std::log1p(std::exp(-1.0)), 1e-15);
}

TEST(Score, SmallProbabilitiesKeepTheirDigits) {
  std::vector<float> logits = {0, 200};
  EXPECT_DOUBLE_EQ(scoreRow(logits.data(), 2, 0).nll, 200);
  EXPECT_NEAR(scoreRow(logits.data(), 2, 1).nll, 0, 1e-15);
}

TEST(Score, LogitsThatAreNoNumbersAreNotFinite) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = HUGE_VALF;
  for (std::vector<float> logits : {std::vector<float>{nan, 0, 1}, {0, nan, 1}, {0, infinity, 1}})
    for (int32_t token : {0, 2})
      EXPECT_FALSE(std::isfinite(scoreRow(logits.data(), 3, token).nll));
}

TEST(Score, DivergenceIsFromTheBaselineOverTheWholeVocabulary) {
  // The model says 1/8, 1/2, 3/8 and the baseline 1/4, 1/4, 1/2; constants added do not matter.
  std::vector<float> model = {logOf(1) + 5, logOf(4) + 5, logOf(3) + 5};
  std::vector<float> baseline = {logOf(1) - 3, logOf(1) - 3, logOf(2) - 3};
  TokenScore score = compareRows(model.data(), baseline.data(), 3, 1);
  EXPECT_NEAR(score.nll, std::log(2), 1e-6);
  EXPECT_NEAR(score.baselineNll, std::log(4), 1e-6);
  double expected = 0.25 * std::log(2) + 0.25 * std::log(0.5) + 0.5 * std::log(4.0 / 3);
  EXPECT_NEAR(score.kl, expected, 1e-6);
  EXPECT_FALSE(score.sameTop);
}

TEST(Score, ARowIsNoDistanceFromItself) {
  std::vector<float> logits = {0.1f, 2.7f, -3.3f, 2.6f};
  TokenScore score = compareRows(logits.data(), logits.data(), 4, 2);
  EXPECT_EQ(score.nll, score.baselineNll);
  EXPECT_EQ(score.nll, scoreRow(logits.data(), 4, 2).nll);
  EXPECT_EQ(score.kl, 0);
  EXPECT_TRUE(score.sameTop);
}

TEST(Score, DivergenceIsNeverBelowZero) {
  std::vector<float> logits(1000), shifted(1000);
  for (size_t i = 0; i < logits.size(); ++i) {
    logits[i] = std::sin(static_cast<float>(i));
    shifted[i] = logits[i] + 64;
  }
  double kl = compareRows(logits.data(), shifted.data(), 1000, 0).kl;
  EXPECT_GE(kl, 0);
  EXPECT_LT(kl, 1e-10);
}

TEST(Statistics, MeansAndTheirErrors) {
  Estimate mean = meanOf({1, 2, 3, 6});
  EXPECT_DOUBLE_EQ(mean.value, 3);
  EXPECT_DOUBLE_EQ(mean.error, std::sqrt(14.0 / 3 / 4));
  EXPECT_EQ(meanOf({7}).error, 0);
  Estimate perplexity = expOf({std::log(10), 0.02});
  EXPECT_DOUBLE_EQ(perplexity.value, 10);
  EXPECT_DOUBLE_EQ(perplexity.error, 0.2);
}

TEST(Statistics, QuantilesAreBetweenNeighbours) {
  // numpy.percentile([4, 1, 3, 2], [0, 50, 99, 100])
  EXPECT_EQ(quantileOf({4, 1, 3, 2}, 0), 1);
  EXPECT_DOUBLE_EQ(quantileOf({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantileOf({4, 1, 3, 2}, 0.99), 3.97);
  EXPECT_EQ(quantileOf({4, 1, 3, 2}, 1), 4);
  EXPECT_EQ(quantileOf({5}, 0.99), 5);
}
