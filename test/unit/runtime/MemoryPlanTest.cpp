#include "runtime/engine/MemoryPlan.h"

#include "test/unit/runtime/TinyModel.h"

#include <gmock/gmock.h>

using namespace llmopt;
using namespace llmopt::tiny;
using testing::HasSubstr;

namespace {
MemoryPlan planOf(uint64_t freeBytes) {
  Parts parts;
  parts.manifest.target = "cuda";
  parts.plan.threadScratchBytes = 0;
  return MemoryPlan(parts.manifest, parts.plan, {{"here", freeBytes}});
}
} // namespace

TEST(MemoryPlan, CountsWeightsCacheAndWorkspace) {
  MemoryPlan plan = planOf(0);
  EXPECT_GE(plan.weightBytes, uint64_t(vocabulary) * 4);
  EXPECT_EQ(plan.cacheBytesPerToken, uint64_t(2 * pageBytes / pageTokens));
  EXPECT_EQ(plan.cacheBytes, plan.cacheBytesPerToken * contextLength);
  EXPECT_EQ(plan.stepRows, contextLength);
  EXPECT_GE(plan.workspaceBytes, uint64_t(64 * contextLength));
}

TEST(MemoryPlan, TheLongestContextIsWhatRemains) {
  uint64_t fixed = planOf(0).weightBytes + planOf(0).workspaceBytes;
  EXPECT_EQ(planOf(fixed - 1).fits[0].longestContext, 0);
  EXPECT_EQ(planOf(fixed + 3 * 2 * pageBytes).fits[0].longestContext, 3 * pageTokens);
  EXPECT_EQ(planOf(uint64_t(1) << 40).fits[0].longestContext, contextLength);
  EXPECT_THAT(planOf(0).toText(), HasSubstr("does not fit"));
  EXPECT_THAT(planOf(uint64_t(1) << 40).toText(), HasSubstr("64 (all of it)"));
}

TEST(MemoryPlan, CardsKeepAPartForTheDriver) {
  EXPECT_LT(placeOf(80000000000, "cuda").freeBytes, 80000000000u);
  EXPECT_EQ(placeOf(80000000000, "cpu").freeBytes, 80000000000u);
  EXPECT_EQ(placeOf(5, "cuda").freeBytes, 0u);
}

TEST(MemoryPlan, AMachineHasMemory) {
  auto place = freeMemory("cpu");
  ASSERT_TRUE(place) << place.error().message();
  EXPECT_GT(place->freeBytes, uint64_t(1) << 20);
}
