//===- MemoryTest.cpp - What a model takes, from its plan alone -------------------------------===//

#include "runtime/devices/cuda/CudaMemory.h"

#include <gmock/gmock.h>

using namespace llmopt;
using testing::HasSubstr;

/// 1000 bytes of weights, 2 layers of pages of 4 tokens and 640 bytes, 128 + 64 bytes per row.
static Plan smallPlan() {
  Plan plan;
  plan.weights.push_back({"w", ElementType::F32, 10, 25, {}, {}});
  plan.cache = {2, 4, 640, "F32"};
  plan.tokenRowBytes = 128;
  plan.logitRowBytes = 64;
  return plan;
}

TEST(CudaMemory, CountsWholeAllocations) {
  CudaMemory memory(smallPlan(), 100);
  EXPECT_EQ(memory.weightBytes(), 1024u);
  EXPECT_EQ(memory.pageBytes(), 1280u);
  EXPECT_EQ(memory.cacheBytes(4), 1280u);
  EXPECT_EQ(memory.cacheBytes(5), 2560u);
  EXPECT_EQ(memory.tokenArenaBytes(3), 512u);
  EXPECT_EQ(memory.logitArenaBytes(1), 256u);
}

TEST(CudaMemory, LongestContextIsWhatIsLeftInWholePages) {
  CudaMemory memory(smallPlan(), 100);
  StepSize step{8, 1, 1};
  uint64_t fixed = memory.weightBytes() + memory.workspaceBytes(step);
  EXPECT_EQ(memory.longestContext(fixed + 3 * 1280, step), 12);
  EXPECT_EQ(memory.longestContext(fixed + 3 * 1280 - 1, step), 8);
  EXPECT_EQ(memory.longestContext(fixed - 1, step), 0);
}

TEST(CudaMemory, LongestContextIsAtMostTheModels) {
  CudaMemory memory(smallPlan(), 100);
  EXPECT_EQ(memory.longestContext(uint64_t(1) << 40, {}), 100);
}

TEST(CudaMemory, SizesBeyondAllMemoryDoNotWrapAround) {
  Plan plan = smallPlan();
  plan.cache = {1 << 20, 1, int64_t(1) << 31, "F32"};
  CudaMemory memory(plan, INT32_MAX);
  EXPECT_EQ(memory.cacheBytes(INT32_MAX), UINT64_MAX);
  EXPECT_EQ(memory.longestContext(uint64_t(1) << 40, {}), 0);
}

TEST(CudaMemory, TheErrorHasTheNumbers) {
  CudaMemory memory(smallPlan(), 100);
  std::string text = memory.describe(5000000000, {512, 1, 1});
  EXPECT_THAT(text, HasSubstr("the weights take 0.00 GB, a step of 512 rows 0.00 GB and each token "
                              "of the key-value cache 320 bytes; of 5.00 GB that are free this "
                              "leaves a context of 100 tokens"));
}
