//===- StepTest.cpp - What the plan says of a persistent step, and the table made of it -------===//

#include "runtime/devices/cuda/StepPlan.h"
#include "runtime/devices/cuda/StepTable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace llmopt;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {
/// Three launches of two kernels: rows are made ("make", a tile a row), then for each of two heads
/// read ("attend", in parts), then made again.
Plan smallPlan() {
  Plan plan;
  for (const char *kernel : {"make", "attend", "make"}) {
    PlanLaunch launch;
    launch.kernel = kernel;
    launch.arguments = {{LaunchArgument::Kind::Buffer, 0}};
    plan.launches.push_back(launch);
  }
  plan.target = Json::parse(R"({"persistent": [{"name": "step_rows4", "max_rows": 4, "block": 288,
                                "shared": 1000, "kernels": ["attend", "make"]}]})");
  auto sync = [&](size_t launch, const char *text) {
    plan.launches[launch].target["sync"] = Json::array({Json::parse(text)});
  };
  sync(0, R"({"period": 6, "per_row": false, "parts": false, "chunks": [2, 0, 2, 1, 1, 0, 1, 1],
              "wait_of": [6, 0], "waits": [[]]})");
  sync(1, R"({"period": 2, "per_row": true, "parts": true, "chunks": [2, 0],
              "wait_of": [1, 0, 1, 1], "waits": [[0, 0], [0, 1]]})");
  sync(2, R"({"period": 1, "per_row": true, "parts": false, "chunks": [1, 0],
              "wait_of": [1, 0], "waits": [[1, 0]]})");
  return plan;
}

std::string problemOf(const Plan &plan) {
  auto steps = readStepFunctions(plan, "plan.json");
  return steps ? "" : steps.error().message();
}

/// The message after one field of a launch's sync was changed.
std::string problemWith(size_t launch, const char *field, const char *value) {
  Plan plan = smallPlan();
  plan.launches[launch].target["sync"][0][field] = Json::parse(value);
  return problemOf(plan);
}
} // namespace

TEST(StepPlan, IsRead) {
  auto steps = readStepFunctions(smallPlan(), "plan.json");
  ASSERT_TRUE(steps) << steps.error().message();
  ASSERT_EQ(steps->size(), 1u);
  const StepFunction &step = (*steps)[0];
  EXPECT_EQ(step.function, "step_rows4");
  EXPECT_EQ(step.maxRows, 4);
  EXPECT_EQ(step.threads, 288u);
  EXPECT_THAT(step.functionOf, ElementsAre(1, 0, 1));
  EXPECT_THAT(step.syncs[0].chunkOf, ElementsAre(0, 0, 1, 1, 0, 1));
  EXPECT_THAT(step.syncs[0].chunkTiles, ElementsAre(3, 3));
  EXPECT_THAT(step.syncs[1].waitOf, ElementsAre(0, 1));
}

/// However small the file, what is read of it stays small.
TEST(StepPlan, PeriodsAreBoundedTogether) {
  Plan plan = smallPlan();
  for (PlanLaunch &launch : plan.launches)
    launch.target["sync"][0] = Json::parse(R"({"period": 2000000, "per_row": false, "parts": false,
                        "chunks": [2000000, 0], "wait_of": [2000000, 0], "waits": [[]]})");
  EXPECT_THAT(problemOf(plan), HasSubstr("launch 2: sync: with 2000000 tiles more the periods have "
                                         "more than 4194304 together"));
}

TEST(StepPlan, OfAnArtifactThatHasNone) {
  auto steps = readStepFunctions(Plan(), "plan.json");
  ASSERT_TRUE(steps);
  EXPECT_TRUE(steps->empty());
}

TEST(StepPlan, WhatIsWrongIsSaid) {
  EXPECT_EQ(problemWith(0, "chunks", "[2, 0, 2, 1]"),
            "plan.json: persistent 0: launch 0: sync: chunks has 4 of the 6 tiles of the period");
  EXPECT_THAT(problemWith(0, "chunks", "[2, 0, 5, 1]"), HasSubstr("more than the 6 tiles"));
  EXPECT_THAT(problemWith(0, "chunks", "[6, 1]"), HasSubstr("a chunk has no tiles"));
  EXPECT_THAT(problemWith(0, "chunks", "[6, 6]"), HasSubstr("the second from 0 to 5"));
  EXPECT_THAT(problemWith(0, "chunks", "[6]"), HasSubstr("is not a list of pairs"));
  EXPECT_THAT(problemWith(0, "chunks", "[6, \"a\"]"), HasSubstr("is not a list of integers"));
  EXPECT_THAT(problemWith(1, "waits", "[[0, 0], [0, 2]]"),
              HasSubstr("waits for chunk 2 of launch 0, which has 2"));
  EXPECT_THAT(problemWith(1, "waits", "[[1, 0], [0, 1]]"), HasSubstr("the first is from 0 to 0"));
  EXPECT_THAT(problemWith(1, "wait_of", "[1, 0, 1, 2]"), HasSubstr("the second from 0 to 1"));
  EXPECT_THAT(problemWith(1, "waits", "[]"), HasSubstr("wait_of"));
  EXPECT_THAT(problemWith(1, "period", "0"), HasSubstr("period"));
  Plan plan = smallPlan();
  plan.target["persistent"][0]["kernels"] = Json::array({"make"});
  EXPECT_THAT(problemOf(plan), HasSubstr("kernel 'attend' is not one of the function's"));
  plan = smallPlan();
  plan.launches[1].target["sync"] = Json::array();
  EXPECT_THAT(problemOf(plan), HasSubstr("launch 1: sync has 0 entries"));
  plan = smallPlan();
  plan.launches[1].arguments.resize(12, {LaunchArgument::Kind::Buffer, 0});
  EXPECT_THAT(problemOf(plan), HasSubstr("12 arguments; a kernel of a step has 11"));
  plan = smallPlan();
  plan.target["persistent"].push_back(plan.target["persistent"][0]);
  for (PlanLaunch &launch : plan.launches)
    launch.target["sync"].push_back(launch.target["sync"][0]);
  EXPECT_THAT(problemOf(plan), HasSubstr("max_rows 4 does not rise"));
}

TEST(StepTable, CountsTilesAndWhatIsWaitedFor) {
  auto steps = readStepFunctions(smallPlan(), "plan.json");
  ASSERT_TRUE(steps);
  std::vector<StepLaunch> launches = {{3, 1, {64}}, {3, 5, {128}}, {3, 1, {192}}};
  StepTable table((*steps)[0], launches, /*blocks=*/4);
  ASSERT_EQ(table.kernels().size(), 3u);
  const LlmoptStepKernel &first = table.kernels()[0], &second = table.kernels()[1],
                         &third = table.kernels()[2];
  EXPECT_EQ(first.tiles, 6);
  EXPECT_EQ(second.tiles, 3 * 2 * 5) << "rows, heads, parts";
  EXPECT_EQ(second.parts, 5);
  EXPECT_EQ(third.tiles, 3);
  EXPECT_EQ(table.tiles(), 6 + 30 + 3);
  EXPECT_EQ(first.begin, 0);
  EXPECT_EQ(second.begin, 2) << "the block after the one that has the last tile";
  EXPECT_EQ(third.begin, 0);
  EXPECT_EQ(first.counters, 2) << "behind the arrivals, of 64 bits";
  EXPECT_EQ(second.counters, 4);
  EXPECT_EQ(third.counters, 5);
  EXPECT_EQ(table.counters(), 6);
  EXPECT_EQ(third.arguments[0], reinterpret_cast<const void *>(192));

  auto at = [&](int32_t place) { return table.table()[static_cast<size_t>(place)]; };
  EXPECT_EQ(first.waitsOf, -1);
  EXPECT_EQ(at(first.waits), 0);
  EXPECT_EQ(at(first.chunksOf + 4), 0);
  EXPECT_EQ(at(first.chunksOf + 5), 1);
  EXPECT_EQ(second.chunksOf, -1);
  for (int head : {0, 1}) {
    int32_t set = second.waits + at(second.waitsOf + head);
    EXPECT_EQ(at(set), 1);
    EXPECT_EQ(at(set + 1), first.counters + head);
    EXPECT_EQ(at(set + 2), 3) << "tiles of the chunk";
  }
  EXPECT_EQ(at(third.waits), 1);
  EXPECT_EQ(at(third.waits + 1), second.counters);
  EXPECT_EQ(at(third.waits + 2), 30);
}
