//===- DefaultsTest.cpp - What schedules start from -------------------------------------------===//

#include "passes/CudaDefaults.h"

#include <gmock/gmock.h>

using namespace llmopt;
using testing::HasSubstr;

TEST(CudaDefaults, AreThereForEveryArchitecture) {
  for (const char *arch : {"sm_80", "sm_86", "sm_89", "sm_90", "sm_90a"}) {
    auto target = findCudaTarget(arch);
    ASSERT_TRUE(target);
    auto defaults = CudaDefaults::of(*target);
    ASSERT_TRUE(defaults) << defaults.error().message();
    EXPECT_GT(defaults->get("matvec", "columns"), 0);
    EXPECT_GT(defaults->get("gemm/16 bits/many", "warp_rows"), 0);
  }
}

TEST(CudaDefaults, NameWhatIsMissing) {
  CudaTarget target = *findCudaTarget("sm_90a");
  auto error = [&](const char *text) {
    return CudaDefaults::parse(text, target).error().message();
  };
  EXPECT_THAT(error("{"), HasSubstr("passes/schedules/sm_90a.json is not valid JSON"));
  EXPECT_THAT(error("{}"), HasSubstr("passes/schedules/sm_90a.json: field 'matvec' is missing"));
  EXPECT_THAT(error(R"({"matvec": {"columns": 8, "warps": 0}})"),
              HasSubstr("sm_90a.json: matvec: field 'warps' is 0"));
}
