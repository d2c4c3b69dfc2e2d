#include "runtime/engine/Sampler.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace llmopt;

static const std::vector<float> logits = {0.5f, 2.0f, -1.0f, 2.0f, 1.0f, -3.0f};

/// How often each token is chosen at 40,000 positions.
static std::vector<double> frequencies(const SamplingOptions &options) {
  std::vector<double> counts(logits.size());
  constexpr int draws = 40000;
  for (int position = 0; position < draws; ++position)
    counts[*sampleToken(logits.data(), int64_t(logits.size()), options, position)] += 1.0 / draws;
  return counts;
}

/// softmax over the tokens that are kept.
static std::vector<double> expected(double temperature, const std::vector<int> &kept) {
  std::vector<double> result(logits.size());
  double total = 0;
  for (int token : kept)
    total += result[token] = std::exp(logits[token] / temperature);
  for (double &value : result)
    value /= total;
  return result;
}

static void expectNear(const std::vector<double> &actual, const std::vector<double> &wanted) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    // Five standard deviations of a frequency over 40,000 draws.
    EXPECT_NEAR(actual[i], wanted[i], 5 * std::sqrt(0.25 / 40000)) << "token " << i;
    EXPECT_EQ(actual[i] == 0, wanted[i] == 0) << "token " << i;
  }
}

TEST(Sampler, GreedyTakesTheLowestOfEqualTokens) {
  SamplingOptions options;
  options.temperature = 0;
  EXPECT_EQ(*sampleToken(logits.data(), 6, options, 3), 1);
}

TEST(Sampler, FollowsTheDistribution) {
  SamplingOptions options;
  options.temperature = 1;
  expectNear(frequencies(options), expected(1, {0, 1, 2, 3, 4, 5}));
  options.temperature = 0.7;
  options.seed = 99;
  expectNear(frequencies(options), expected(0.7, {0, 1, 2, 3, 4, 5}));
}

TEST(Sampler, TopKKeepsTheMostProbable) {
  SamplingOptions options;
  options.temperature = 1;
  options.topK = 3;
  expectNear(frequencies(options), expected(1, {1, 3, 4}));
  options.topK = 1;
  expectNear(frequencies(options), expected(1, {1}));
}

TEST(Sampler, TopPKeepsTheFewestThatReachTheShare) {
  // Shares: 1 and 3 about 0.37 each, 4: 0.137, 0: 0.083.
  SamplingOptions options;
  options.temperature = 1;
  options.topP = 0.8;
  expectNear(frequencies(options), expected(1, {1, 3, 4}));
  options.topP = 0.5;
  expectNear(frequencies(options), expected(1, {1, 3}));
  options.topP = 0.01;
  expectNear(frequencies(options), expected(1, {1}));
}

TEST(Sampler, TopPCountsWhatTopKLeaves) {
  SamplingOptions options;
  options.temperature = 1;
  options.topK = 3;
  options.topP = 0.8; // of three: 0.42, 0.42, 0.155
  expectNear(frequencies(options), expected(1, {1, 3}));
}

TEST(Sampler, ChoosesInTheOrderOfIds) {
  // Of equal tokens, each has its part of [0, 1) in the order of the ids, whatever is cut off.
  std::vector<float> row = {1, -5, 1, 1, -5, 1};
  const int kept[] = {0, 2, 3, 5};
  SamplingOptions cut;
  cut.temperature = 1;
  cut.topK = 4;
  cut.topP = 0.999;
  for (int64_t position = 0; position < 200; ++position) {
    double random = uniformRandom(cut.seed, cut.stream, uint64_t(position));
    EXPECT_EQ(*sampleToken(row.data(), 6, cut, position), kept[int(random * 4)]) << random;
  }
}

TEST(Sampler, AChoiceDependsOnSeedStreamAndPositionOnly) {
  EXPECT_EQ(uniformRandom(1, 2, 3), uniformRandom(1, 2, 3));
  EXPECT_NE(uniformRandom(1, 2, 3), uniformRandom(2, 2, 3));
  EXPECT_NE(uniformRandom(1, 2, 3), uniformRandom(1, 3, 3));
  EXPECT_NE(uniformRandom(1, 2, 3), uniformRandom(1, 2, 4));
  double total = 0;
  for (uint64_t i = 0; i < 10000; ++i) {
    double value = uniformRandom(5, 0, i);
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    total += value;
  }
  EXPECT_NEAR(total / 10000, 0.5, 0.015);
}

TEST(Sampler, RefusesNaN) {
  for (size_t i = 0; i < logits.size(); ++i) {
    std::vector<float> bad = logits;
    bad[i] = std::nanf("");
    auto token = sampleToken(bad.data(), 6, SamplingOptions(), 0);
    ASSERT_FALSE(token) << i;
    EXPECT_EQ(token.error().message(), "the model's logits are not numbers (NaN)");
  }
}

TEST(Sampler, RefusesInfinity) {
  std::vector<float> bad = logits;
  bad[2] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(sampleToken(bad.data(), 6, SamplingOptions(), 0));
  std::vector<float> none(6, -std::numeric_limits<float>::infinity());
  EXPECT_FALSE(sampleToken(none.data(), 6, SamplingOptions(), 0));
}

TEST(Sampler, MinusInfinityIsNeverChosen) {
  std::vector<float> masked(6, -std::numeric_limits<float>::infinity());
  masked[4] = 1;
  EXPECT_EQ(*sampleToken(masked.data(), 6, SamplingOptions(), 0), 4);
}

TEST(Sampler, ChecksItsOptions) {
  auto message = [](auto change) {
    SamplingOptions options;
    change(options);
    Status status = checkSampling(options);
    return status ? std::string("fine") : status.error().message();
  };
  EXPECT_EQ(message([](SamplingOptions &) {}), "fine");
  EXPECT_THAT(message([](SamplingOptions &o) { o.temperature = -1; }),
              testing::HasSubstr("temperature -1"));
  EXPECT_THAT(message([](SamplingOptions &o) { o.topK = -1; }), testing::HasSubstr("top-k -1"));
  EXPECT_THAT(message([](SamplingOptions &o) { o.topP = 0; }), testing::HasSubstr("top-p 0"));
  EXPECT_THAT(message([](SamplingOptions &o) { o.topP = 1.5; }), testing::HasSubstr("top-p 1.5"));
}
