//===- SamplingTest.cpp - Tokens chosen on the device, against the host's sampler -------------===//
//
// sampling.cuh on the emulator. Host and device choose the same token but for rounding: where they
// differ, the random number lies on the edge of the host's choice.
//
//===------------------------------------------------------------------------------------------===//

#include "codegen/cuda/kernels/sampling.cuh"
#include "runtime/engine/Sampler.h"
#include "test/unit/cuda/Emulate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

using namespace llmopt;
using namespace llmopt::cuda;

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();

using RowOfLogits = std::vector<float>;

LlmoptSampling sampling(float temperature, int topK, float topP, uint64_t seed = 0,
                        uint64_t stream = 0) {
  return {temperature, topK, topP, seed, stream};
}

/// Rows of logits in a batch that has other rows between those whose logits are wanted.
template <class Kernel>
std::vector<int> sampleOnDevice(const std::vector<RowOfLogits> &rows,
                                const std::vector<LlmoptSampling> &how, bool falling = false) {
  int count = int(rows.size());
  std::vector<float> logits;
  std::vector<int> positions, logitRow;
  for (const RowOfLogits &row : rows) {
    logits.insert(logits.end(), row.begin(), row.end());
    positions.insert(positions.end(), {-1, int(logitRow.size()) * 10});
    logitRow.push_back(int(positions.size()) - 1);
  }
  LlmoptBatch batch{};
  batch.tokens = int(positions.size());
  batch.logitRows = count;
  batch.positions = positions.data();
  batch.logitRow = logitRow.data();
  std::vector<int> tokens(rows.size(), -7);
  std::vector<uint64_t> workspace(rows.size() * Kernel::workspaceRowBytes / 8);
  std::string error = emulate(Kernel::blocks * count, Kernel::threads, Kernel::sharedBytes, falling,
                              [&](char *shared) {
                                Kernel::tile(batch, logits.data(), how.data(), tokens.data(),
                                             workspace.data(), blockIndex(), shared, GridGate());
                              });
  EXPECT_EQ(error, "");
  return tokens;
}

SamplingOptions hostOptions(const LlmoptSampling &how) {
  SamplingOptions options;
  options.temperature = how.temperature;
  options.topK = how.topK;
  options.topP = how.topP;
  options.seed = how.seed;
  options.stream = how.stream;
  return options;
}

/// The share of the tokens before `token` in the order of ids, of all that the host keeps: the
/// choice as an interval of [0, 1).
std::pair<double, double> intervalOf(const RowOfLogits &row, const LlmoptSampling &how, int token) {
  std::vector<int> ids(row.size());
  for (size_t i = 0; i < ids.size(); ++i)
    ids[i] = int(i);
  std::stable_sort(ids.begin(), ids.end(), [&](int a, int b) { return row[a] > row[b]; });
  if (how.topK > 0 && size_t(how.topK) < ids.size())
    ids.resize(how.topK);
  auto weight = [&](int id) {
    return std::exp((double(row[id]) - double(row[ids[0]])) / double(how.temperature));
  };
  double total = 0;
  for (int id : ids)
    total += weight(id);
  if (how.topP < 1) {
    double kept = 0;
    size_t end = 0;
    while (end < ids.size() && kept < double(how.topP) * total)
      kept += weight(ids[end++]);
    ids.resize(end);
    total = kept;
  }
  double before = 0, own = 0;
  for (int id : ids) {
    before += id < token ? weight(id) : 0;
    own += id == token ? weight(id) : 0;
  }
  return {before / total, (before + own) / total};
}

/// Holds the device to the host on every row.
template <class Kernel>
void checkAgainstHost(const std::vector<RowOfLogits> &rows,
                      const std::vector<LlmoptSampling> &how) {
  for (bool falling : {false, true}) {
    std::vector<int> tokens = sampleOnDevice<Kernel>(rows, how, falling);
    for (size_t i = 0; i < rows.size(); ++i) {
      int64_t position = int64_t(i) * 10 + 1;
      auto expected =
          sampleToken(rows[i].data(), int64_t(rows[i].size()), hostOptions(how[i]), position);
      ASSERT_TRUE(expected);
      if (tokens[i] == *expected)
        continue;
      double random = uniformRandom(how[i].seed, how[i].stream, uint64_t(position));
      auto [begin, end] = intervalOf(rows[i], how[i], tokens[i]);
      EXPECT_TRUE(begin < end && random > begin - 1e-5 && random < end + 1e-5)
          << "row " << i << ": token " << tokens[i] << " for [" << begin << ", " << end
          << "), the host's " << *expected << ", random " << random << ", temperature "
          << how[i].temperature << ", top-k " << how[i].topK << ", top-p " << how[i].topP;
    }
  }
}

RowOfLogits randomRow(int vocabulary, float scale, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, scale);
  RowOfLogits row(static_cast<size_t>(vocabulary));
  for (float &logit : row)
    logit = normal(generator);
  return row;
}

/// Several strips of a part, several blocks, more tokens than shared memory has room for.
using Small = Sampling<1000, 64>;
static_assert(Small::blocks == 4 && Small::capacity == 512);

/// `how` on rows from steep to flat.
void checkRandomRows(float temperature, int topK, float topP) {
  std::vector<RowOfLogits> rows;
  std::vector<LlmoptSampling> how;
  unsigned seed = 0;
  for (float scale : {0.01f, 0.5f, 2.0f, 6.0f, 30.0f})
    for (int i = 0; i < 6; ++i) {
      rows.push_back(randomRow(1000, scale, ++seed));
      how.push_back(sampling(temperature, topK, topP, seed % 3, seed));
    }
  checkAgainstHost<Small>(rows, how);
}
} // namespace

TEST(CudaSampling, Greedy) { checkRandomRows(0, 0, 1); }
TEST(CudaSampling, Temperature) {
  checkRandomRows(1, 0, 1);
  checkRandomRows(0.3f, 0, 1);
}
TEST(CudaSampling, AVeryLowTemperatureTakesTheLargest) { checkRandomRows(1e-9f, 0, 1); }
TEST(CudaSampling, AVeryHighTemperatureIsUniform) { checkRandomRows(1e9f, 0, 1); }
TEST(CudaSampling, TopKOfFewerThanStrips) {
  checkRandomRows(1, 1, 1);
  checkRandomRows(1, 5, 1);
}
TEST(CudaSampling, TopKOfMoreThanStrips) { checkRandomRows(0.8f, 50, 1); }
TEST(CudaSampling, TopKOfAlmostAll) { checkRandomRows(5, 999, 1); }
TEST(CudaSampling, TopKOfAllAndMore) {
  checkRandomRows(1, 1000, 1);
  checkRandomRows(1, 1 << 30, 0.9f);
}
TEST(CudaSampling, TopP) {
  checkRandomRows(1, 0, 0.9f);
  checkRandomRows(0.7f, 0, 0.5f);
  checkRandomRows(1, 0, 0.999f);
}
TEST(CudaSampling, ATinyTopPKeepsTheLargest) { checkRandomRows(1, 0, 1e-30f); }
TEST(CudaSampling, TopPCountsWhatTopKLeaves) {
  checkRandomRows(1, 7, 0.8f);
  checkRandomRows(1, 300, 0.95f);
}

TEST(CudaSampling, EqualLogitsRankByRisingId) {
  RowOfLogits flat(1000, 2.5f), steps(1000);
  for (size_t i = 0; i < steps.size(); ++i)
    steps[i] = float(i * 7 % 5);
  std::vector<RowOfLogits> rows;
  std::vector<LlmoptSampling> how;
  for (int i = 0; i < 8; ++i)
    for (const RowOfLogits &row : {flat, steps})
      for (LlmoptSampling one : {sampling(1, 3, 1), sampling(1, 450, 1), sampling(1, 0, 0.3f),
                                 sampling(0, 0, 1), sampling(1, 0, 1)}) {
        rows.push_back(row);
        one.stream = uint64_t(i);
        how.push_back(one);
      }
  checkAgainstHost<Small>(rows, how);
}

TEST(CudaSampling, MinusInfinityIsNeverChosen) {
  std::vector<RowOfLogits> rows(6, RowOfLogits(1000, -infinity));
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t kept = 0; kept <= i; ++kept)
      rows[i][kept * 190 + 3] = float(kept);
  checkAgainstHost<Small>(rows, {sampling(1, 0, 1), sampling(1, 0, 0.9f), sampling(1, 40, 1),
                                 sampling(2, 4, 0.9f), sampling(0, 0, 1), sampling(9, 0, 1)});
}

TEST(CudaSampling, ZerosOfEitherSignAreEqual) {
  RowOfLogits row(1000, -1);
  row[700] = 0.0f;
  row[300] = -0.0f;
  row[900] = 0.0f;
  checkAgainstHost<Small>({row, row}, {sampling(0, 0, 1), sampling(1, 2, 1, 4)});
  row[300] = 0.0f;
  row[700] = -0.0f;
  checkAgainstHost<Small>({row, row}, {sampling(0, 0, 1), sampling(1, 2, 1, 4)});
}

TEST(CudaSampling, RowsWithoutALargestLogitHaveNoToken) {
  RowOfLogits good = randomRow(1000, 1, 1), nan = good, infinite = good;
  nan[999] = NAN;
  infinite[0] = infinity;
  RowOfLogits none(1000, -infinity), first = good;
  first[0] = NAN;
  for (float temperature : {0.0f, 1.0f}) {
    std::vector<LlmoptSampling> how(5, sampling(temperature, 10, 0.9f));
    std::vector<int> tokens = sampleOnDevice<Small>({nan, infinite, none, first, good}, how);
    EXPECT_GE(tokens.back(), 0);
    tokens.pop_back();
    EXPECT_EQ(tokens, std::vector<int>(4, -1));
  }
}

TEST(CudaSampling, AVocabularyOfLessThanAStrip) {
  RowOfLogits row = {0.5f, 2, -1, 2, 1, -3};
  std::vector<RowOfLogits> rows(40, row);
  std::vector<LlmoptSampling> how;
  for (size_t i = 0; i < rows.size(); ++i)
    how.push_back(sampling(i % 5 == 0 ? 0.0f : 1.0f, int(i % 4), i % 3 ? 1.0f : 0.8f, i));
  checkAgainstHost<Sampling<6, 256>>(rows, how);
}

TEST(CudaSampling, ALargeVocabulary) {
  std::vector<RowOfLogits> rows;
  std::vector<LlmoptSampling> how;
  for (LlmoptSampling one :
       {sampling(0, 0, 1), sampling(0.8f, 0, 1), sampling(1, 40, 0.95f), sampling(1, 0, 0.9f)}) {
    rows.push_back(randomRow(50257, 4, unsigned(rows.size())));
    how.push_back(one);
  }
  checkAgainstHost<Sampling<50257, 512>>(rows, how);
}

TEST(CudaSampling, AdvancesADecodeBatch) {
  std::vector<int> tokens = {5, -1, 9}, ids = {1, 2, 3, 4}, positions = {10, 20, 30, 40};
  LlmoptBatch batch{};
  batch.tokens = 3;
  batch.tokenIds = ids.data();
  batch.positions = positions.data();
  std::string error = emulate(1, 32, 0, false, [&](char *) {
    advanceRow(batch, tokens.data(), blockIndex() * 32 + threadIndex());
  });
  EXPECT_EQ(error, "");
  EXPECT_EQ(ids, std::vector<int>({5, 0, 9, 4}));
  EXPECT_EQ(positions, std::vector<int>({11, 21, 31, 40}));
}
