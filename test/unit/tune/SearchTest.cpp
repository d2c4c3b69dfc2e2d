//===- SearchTest.cpp - Where a search goes when the times are known --------------------------===//

#include "runtime/tune/Search.h"

#include <gmock/gmock.h>

#include <cmath>

using namespace llmopt;
using testing::ElementsAre;

namespace {
using Cost = std::function<std::optional<double>(const CudaParameters &)>;

SearchSpace panels() {
  SearchSpace space;
  space.start.kind = findCudaTemplate("matvec_panels");
  space.start.shape = {4096, 4096, {{4096, 1}}, "bf16", "bf16"};
  space.start.parameters = {{"rows", 1},  {"columns", 16}, {"depth", 512},
                            {"warps", 8}, {"stages", 3},   {"blocks", 1}};
  space.maxRows = 1;
  space.sharedBytes = 227 * 1024;
  return space;
}

struct Found {
  Result<SearchResult> result;
  std::vector<CudaParameters> measured;
};

Found searchWith(
    const SearchSpace &space, const Cost &cost,
    const std::function<bool()> &expired = [] { return false; }) {
  std::vector<CudaParameters> measured;
  auto measure = [&](const std::vector<CudaParameters> &instances)
      -> Result<std::vector<std::optional<double>>> {
    std::vector<std::optional<double>> times;
    for (const CudaParameters &instance : instances) {
      measured.push_back(instance);
      times.push_back(cost(instance));
    }
    return times;
  };
  auto prepare = [](const auto &) { return success(); };
  auto result = search(space, prepare, measure, expired);
  return {result, measured};
}

double distance(const CudaParameters &instance, const CudaParameters &best) {
  double sum = 1;
  for (const auto &[name, value] : best)
    sum += std::abs(std::log2(double(value) / double(instance.at(name))));
  return sum;
}

std::vector<int64_t> valuesOf(const std::vector<CudaParameters> &instances, const char *name) {
  std::vector<int64_t> values;
  for (const CudaParameters &instance : instances)
    values.push_back(instance.at(name));
  return values;
}
} // namespace

TEST(Search, FindsTheBestOfEachParameter) {
  CudaParameters best = {{"rows", 1},  {"columns", 32}, {"depth", 256},
                         {"warps", 4}, {"stages", 5},   {"blocks", 1}};
  Found found = searchWith(panels(), [&](const auto &p) { return distance(p, best); });
  ASSERT_TRUE(found.result) << found.result.error().message();
  EXPECT_EQ(found.result->best, best);
  EXPECT_EQ(found.result->seconds, 1);
  EXPECT_EQ(found.result->tried, int64_t(found.measured.size()));
  std::sort(found.measured.begin(), found.measured.end());
  EXPECT_EQ(std::unique(found.measured.begin(), found.measured.end()), found.measured.end())
      << "nothing is measured twice";
}

TEST(Search, StaysAtTheStartForLessThanOnePercent) {
  SearchSpace space = panels();
  Found found =
      searchWith(space, [&](const auto &p) { return p == space.start.parameters ? 1.0 : 0.995; });
  ASSERT_TRUE(found.result);
  EXPECT_EQ(found.result->best, space.start.parameters);
  EXPECT_EQ(found.result->startSeconds, 1);
}

TEST(Search, PassesOverWhatCannotBeUsed) {
  SearchSpace space = panels();
  Found found = searchWith(space, [&](const auto &p) {
    return p == space.start.parameters ? std::optional<double>(1) : std::nullopt;
  });
  ASSERT_TRUE(found.result);
  EXPECT_EQ(found.result->best, space.start.parameters);
}

TEST(Search, FailsWhereTheStartCannotBeMeasured) {
  Found found = searchWith(panels(), [](const auto &) { return std::nullopt; });
  ASSERT_FALSE(found.result);
}

TEST(Search, EndsWithTheBudget) {
  int asked = 0;
  Found found = searchWith(panels(), [](const auto &) { return 1.0; }, [&] { return ++asked > 2; });
  ASSERT_TRUE(found.result);
  EXPECT_LT(found.result->tried, 10);
}

TEST(Search, TriesOnlyWhatKeepsTheSumsIfAsked) {
  SearchSpace space = panels();
  space.keepsSums = true;
  Found found = searchWith(space, [](const auto &p) { return 1.0 / double(p.at("columns")); });
  ASSERT_TRUE(found.result);
  for (const CudaParameters &instance : found.measured) {
    EXPECT_TRUE(keepsSums(space, instance));
    EXPECT_EQ(instance.at("depth"), 512);
    EXPECT_EQ(instance.at("warps"), 8);
  }
  EXPECT_EQ(found.result->best.at("columns"), 64);
}

TEST(Search, LowersStagesWhereSharedMemoryIsShort) {
  SearchSpace space = panels();
  space.start.parameters["columns"] = 64;
  auto around = neighbours(space, space.start.parameters, *space.start.kind->find("depth"));
  EXPECT_THAT(valuesOf(around, "depth"), ElementsAre(256, 1024));
  EXPECT_THAT(valuesOf(around, "stages"), ElementsAre(3, 1));
}

TEST(Search, TriesRowsWhereAFunctionIsForAnyNumber) {
  SearchSpace space;
  space.start.kind = findCudaTemplate("gemm_wgmma");
  space.start.shape = panels().start.shape;
  space.start.parameters = {{"columns", 128}, {"rows", 256}, {"stages", 4}, {"consumers", 2}};
  space.sharedBytes = 227 * 1024;
  const CudaParameter &rows = *space.start.kind->find("rows");
  EXPECT_THAT(valuesOf(neighbours(space, space.start.parameters, rows), "rows"),
              ElementsAre(64, 128));
  space.maxRows = 256;
  EXPECT_THAT(neighbours(space, space.start.parameters, rows), ElementsAre());
}
