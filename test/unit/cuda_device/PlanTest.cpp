//===- PlanTest.cpp - Facts of the target that nobody vouches for -----------------------------===//

#include "runtime/devices/cuda/CudaCode.h"
#include "runtime/devices/cuda/CudaPlan.h"
#include "test/unit/cuda_device/SmallModel.h"

#include <gmock/gmock.h>

using namespace llmopt;
using testing::HasSubstr;

namespace {
/// A change to the small model's plan and what is said about it.
struct Damage {
  const char *name;
  std::function<void(Plan &)> change;
  const char *error;
};

class BadCudaPlan : public testing::TestWithParam<Damage> {};

Json &variants(Plan &plan, int launch) { return plan.launches[launch].target["variants"]; }
Json &function(Plan &plan, int launch, int variant = 0) {
  return variants(plan, launch)[variant]["functions"][0];
}
Json &product(Plan &plan) { return variants(plan, 2)[1]["functions"][1]["product"]; }
Json &sampling(Plan &plan) { return plan.target["sampling"]; }

CudaTuning tuningOf(const CudaParameters &parameters) {
  CudaTuning tuning;
  tuning.path = "tuned.json";
  tuning.functions["matvec depth 4 columns 8 streams 1 f32 rows 4"] = {parameters, 1, 2};
  tuning.functions["matvec depth 4 columns 9 streams 1 f32 rows 4"] = {{}, 1, 2};
  return tuning;
}
} // namespace

TEST(CudaPlan, ReadsTheSmallModels) {
  SmallModel model;
  auto plan = CudaPlan::read(model.artifact.plan, "plan.json");
  ASSERT_TRUE(plan) << plan.error().message();
  ASSERT_EQ(plan->launches.size(), 3u);
  EXPECT_EQ(std::get<CudaGrid>(plan->calls(0, 4, false)[0]).function, "embed_few");
  EXPECT_EQ(std::get<CudaGrid>(plan->calls(0, 5, false)[0]).function, "embed_many");
  EXPECT_EQ(std::get<CudaPlannedProduct>(plan->calls(2, 5, false)[1]).columns, 8);
  EXPECT_EQ(plan->sampling->workspaceRowBytes, 16);
}

TEST(CudaPlan, BlocksFollowFromRows) {
  CudaGrid grid;
  grid.tiles = 3;
  grid.rowsPerTile = 4;
  EXPECT_EQ(grid.blocks(1, 1, 10, 1), 3);
  EXPECT_EQ(grid.blocks(4, 1, 10, 1), 3);
  EXPECT_EQ(grid.blocks(5, 1, 10, 1), 6);
  grid.perSequence = true;
  EXPECT_EQ(grid.blocks(5, 2, 10, 1), 9);
  grid.blocksPerMultiprocessor = 2; // and at most so many, which share the tiles
  EXPECT_EQ(grid.blocks(5, 2, 4, 1), 8);
  EXPECT_EQ(grid.blocks(5, 2, 5, 1), 9);
}

TEST(CudaPlan, GivesFunctionsTheSchedulesThatWereFound) {
  SmallModel model;
  SmallModel::scheduleHead(model.artifact.plan);
  auto plan = CudaPlan::read(model.artifact.plan, "plan.json");
  ASSERT_TRUE(plan) << plan.error().message();
  auto tuning = tuningOf({{"rows", 2}, {"columns", 4}, {"warps", 4}, {"stages", 3}});
  auto count = plan->tune(tuning, /*batchInvariant=*/false, 100 * 1024);
  ASSERT_TRUE(count) << count.error().message();
  EXPECT_EQ(*count, 1);
  const auto &grid = std::get<CudaGrid>(plan->calls(2, 4, false)[0]);
  EXPECT_TRUE(grid.tuned);
  EXPECT_EQ(grid.tiles, 2);
  EXPECT_EQ(grid.rowsPerTile, 2);
  EXPECT_EQ(grid.threads, 128u);
  EXPECT_EQ(grid.sharedBytes, 4u * 3 * 4 * 512 + 2 * 16 * 4 + 4 * 4 * 2 * 4);

  auto sources = CudaSources::read(model.artifact, *plan);
  ASSERT_TRUE(sources) << sources.error().message();
  EXPECT_THAT(sources->sources, testing::Contains(testing::Field(
                                    &CudaSource::content,
                                    "#define head_few_SCHEDULE /*Rows=*/2, /*Columns=*/4, "
                                    "/*Warps=*/4, /*Stages=*/3\n#define head_few_TILES 2\n"
                                    "#define head_few_THREADS 128\n#define head_few_SHARED 24832\n"
                                    "#line 1\n// source/head.cu")));
}

TEST(CudaPlan, KeepsSchedulesThatAreTheSameOrForOthers) {
  SmallModel model;
  SmallModel::scheduleHead(model.artifact.plan);
  auto plan = CudaPlan::read(model.artifact.plan, "plan.json");
  ASSERT_TRUE(plan) << plan.error().message();
  auto same = tuningOf({{"rows", 4}, {"columns", 8}, {"warps", 2}, {"stages", 2}});
  auto other = tuningOf({{"rows", 2}, {"columns", 4}, {"warps", 4}, {"stages", 3}});
  for (const auto &[tuning, invariant] : {std::pair(same, false), std::pair(other, true)}) {
    auto count = plan->tune(tuning, invariant, 100 * 1024);
    ASSERT_TRUE(count);
    EXPECT_EQ(*count, 0);
  }
}

TEST(CudaPlan, BlocksFillTheCardOnce) {
  CudaGrid grid;
  grid.tiles = 8;
  grid.splits = 66;
  EXPECT_EQ(grid.blocks(1, 1, 132, 396), 8 * 49);
  EXPECT_EQ(grid.blocks(4, 1, 132, 396), 4 * 8 * 12);
  EXPECT_EQ(grid.blocks(40, 40, 132, 396), 40 * 8);
  EXPECT_EQ(grid.blocks(200, 200, 132, 396), 200 * 8);
  EXPECT_EQ(grid.blocks(1, 1, 132, 1000), 8 * 66) << "no more than there is room for";
  EXPECT_EQ(grid.blocks(2, 2, 132, 1000), 2 * 8 * 33);
  EXPECT_EQ(grid.blocks(1, 1, 132, 1), 8);
}

TEST(CudaPlan, VariantsOfDecodes) {
  SmallModel model;
  Json decode = variants(model.artifact.plan, 0)[1];
  decode["decode"] = true;
  decode["functions"][0]["name"] = "embed_decodes";
  variants(model.artifact.plan, 0).insert(variants(model.artifact.plan, 0).begin() + 1, decode);
  auto plan = CudaPlan::read(model.artifact.plan, "plan.json");
  ASSERT_TRUE(plan) << plan.error().message();
  auto name = [&](int64_t rows, bool decode) {
    return std::get<CudaGrid>(plan->calls(0, rows, decode)[0]).function;
  };
  EXPECT_EQ(name(4, true), "embed_few");
  EXPECT_EQ(name(5, true), "embed_decodes");
  EXPECT_EQ(name(5, false), "embed_many");
}

TEST_P(BadCudaPlan, IsRefused) {
  SmallModel model;
  GetParam().change(model.artifact.plan);
  auto plan = CudaPlan::read(model.artifact.plan, "plan.json");
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message(), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadCudaPlan,
    testing::Values(
        Damage{"NoVariants", [](Plan &p) { p.launches[1].target = Json::object(); },
               "plan.json: launch 1: target: field 'variants' is missing"},
        Damage{"EmptyVariants", [](Plan &p) { variants(p, 1) = Json::array(); },
               "launch 1: target: no variant is for any number of rows"},
        Damage{"OnlyFewRows", [](Plan &p) { variants(p, 1)[0]["max_rows"] = 4; },
               "launch 1: target: no variant is for any number of rows"},
        Damage{"RowsDoNotRise",
               [](Plan &p) {
                 Json first = variants(p, 0)[0];
                 variants(p, 0).insert(variants(p, 0).begin(), first);
               },
               "variant 1: max_rows 4 does not rise"},
        Damage{"AfterTheLast",
               [](Plan &p) {
                 Json last = variants(p, 0)[1];
                 variants(p, 0).push_back(last);
               },
               "variant 2: the one before it is for any number of rows"},
        Damage{"NothingToLaunch", [](Plan &p) { variants(p, 1)[0]["functions"] = Json::array(); },
               "variant 0: there is nothing to launch"},
        Damage{"VariantIsNoObject", [](Plan &p) { variants(p, 1)[0] = 7; },
               "variant 0 is not a JSON object"},
        Damage{"FunctionIsNoObject", [](Plan &p) { function(p, 1) = "f"; },
               "function 0 is not a JSON object"},
        Damage{"NameIsNoIdentifier", [](Plan &p) { function(p, 1)["name"] = "f(); evil"; },
               "function 'f(); evil' is not an identifier"},
        Damage{"NoTiles", [](Plan &p) { function(p, 1)["tiles"] = 0; }, "field 'tiles' is 0"},
        Damage{"TooManyTiles", [](Plan &p) { function(p, 1)["tiles"] = int64_t(1) << 40; },
               "field 'tiles' is 1099511627776"},
        Damage{"NoRowsPerTile", [](Plan &p) { function(p, 1)["rows_per_tile"] = 0; },
               "field 'rows_per_tile' is 0"},
        Damage{"TooManyThreads", [](Plan &p) { function(p, 1)["block"] = 1025; },
               "field 'block' is 1025"},
        Damage{"TooMuchSharedMemory", [](Plan &p) { function(p, 1)["shared"] = 1 << 20; },
               "field 'shared' is 1048576"},
        Damage{"NoSplits", [](Plan &p) { function(p, 1)["splits"] = 0; }, "field 'splits' is 0"},
        Damage{"TooManySplits", [](Plan &p) { function(p, 1)["splits"] = 1 << 20; },
               "field 'splits' is 1048576"},
        Damage{"OnlyDecodes", [](Plan &p) { variants(p, 1)[0]["decode"] = true; },
               "launch 1: target: no variant is for any number of rows"},
        Damage{"EarlyIsNoBool", [](Plan &p) { function(p, 1)["early"] = 1; },
               "field 'early' must be true or false"},
        Damage{"ArgumentOutOfRange", [](Plan &p) { product(p)["a"] = 3; }, "field 'a' is 3"},
        Damage{"FactorIsNoWeight", [](Plan &p) { product(p)["b"] = 0; },
               "argument 0 ('b') is not a weight"},
        Damage{"InputIsNoBuffer", [](Plan &p) { product(p)["a"] = 1; },
               "argument 1 ('a') is not a buffer"},
        Damage{"TooDeep", [](Plan &p) { product(p)["depth"] = 5; },
               "buffer 'last' ('a') has not a row of 5 elements"},
        Damage{"TooWide", [](Plan &p) { product(p)["columns"] = 9; },
               "buffer 'logits' ('c') has not a row of 9 elements"},
        Damage{"WeightTooSmall", [](Plan &p) { product(p)["stride"] = 5; },
               "8 rows of 4 elements, 5 apart, are not in weight 'table' of 128 bytes"},
        Damage{"StrideTooSmall", [](Plan &p) { product(p)["stride"] = 3; },
               "8 rows of 4 elements, 3 apart"},
        Damage{"BufferOfOtherRows", [](Plan &p) { p.launches[2].space = RowSpace::Token; },
               "has not a row of 4 elements for each of the launch's"},
        Damage{"UnknownType", [](Plan &p) { product(p)["inputs"] = "f64"; },
               "field 'inputs' is 'f64', not 'f32', 'f16' or 'bf16'"},
        Damage{"UnknownTemplate", [](Plan &p) { SmallModel::scheduleHead(p)["kind"] = "zork"; },
               "schedule: there is no template 'zork'"},
        Damage{"BadParameter",
               [](Plan &p) { SmallModel::scheduleHead(p)["parameters"]["columns"] = 3; },
               "schedule: columns and rows are powers of two"},
        Damage{"OtherGrid",
               [](Plan &p) { SmallModel::scheduleHead(p)["parameters"]["columns"] = 4; },
               "the grid is not that of its schedule"},
        Damage{"NoSegments",
               [](Plan &p) { SmallModel::scheduleHead(p)["segments"] = Json::array(); },
               "schedule: there are no segments"},
        Damage{"SegmentIsNoPair", [](Plan &p) { SmallModel::scheduleHead(p)["segments"] = {1}; },
               "schedule: segment 0 is no pair"},
        Damage{"NoAdvance", [](Plan &p) { sampling(p)["functions"].erase("advance"); },
               "plan.json: sampling: field 'advance' is missing"},
        Damage{"NegativeWorkspace", [](Plan &p) { sampling(p)["workspace_row_bytes"] = -1; },
               "field 'workspace_row_bytes' is -1"},
        Damage{"SamplingIsNoObject", [](Plan &p) { sampling(p) = 1; },
               "field 'sampling' must be an object"}),
    [](const auto &info) { return info.param.name; });
