//===- CudaTuningTest.cpp - Tuning files, and what a linear can be ----------------------------===//

#include "support/CudaTuning.h"

#include <gmock/gmock.h>

using namespace llmopt;
using testing::HasSubstr;

namespace {
const CudaLinearShape shape = {4096, 6144, {{2048, 2}, {512, 2}, {1024, 1}}, "bf16", "bf16"};
const CudaParameters panels = {{"rows", 1},  {"columns", 16}, {"depth", 512},
                               {"warps", 8}, {"stages", 5},   {"blocks", 1}};
const char key[] = "matvec_panels depth 4096 columns 6144 streams 2 bf16 rows 1";

CudaTuning tuningOf(const CudaParameters &parameters) {
  CudaTuning tuning;
  tuning.path = "tuned.json";
  tuning.card = "Fake 9000";
  tuning.arch = "sm_90a";
  tuning.functions[key] = {parameters, 19.5, 21.25};
  return tuning;
}

Result<std::optional<CudaParameters>> find(const CudaTuning &tuning, int64_t rows = 1) {
  return tuning.find(*findCudaTemplate("matvec_panels"), shape, rows, /*batchInvariant=*/false,
                     227 * 1024);
}

struct BadFile {
  const char *name, *text, *error;
};
class BadTuning : public testing::TestWithParam<BadFile> {};
} // namespace

TEST(CudaTemplates, InstancesFollowFromShapeAndParameters) {
  const CudaTemplate &kind = *findCudaTemplate("matvec_panels");
  ASSERT_TRUE(kind.check(shape, panels));
  CudaInstance instance = kind.instance(shape, panels);
  EXPECT_EQ(instance.tiles, 2048 / 8 + 512 / 8 + 1024 / 16);
  EXPECT_EQ(instance.rowsPerTile, 1);
  EXPECT_EQ(instance.threads, 288);
  EXPECT_EQ(instance.blocksPerMultiprocessor, 1);
  EXPECT_EQ(kind.arguments(panels),
            "/*Rows=*/1, /*Columns=*/16, /*Depth=*/512, /*Warps=*/8, /*Stages=*/5, "
            "/*Blocks=*/1");
}

TEST(CudaTemplates, KeysNameWhatTheTimeDependsOn) {
  EXPECT_EQ(cudaFunctionKey("matvec_panels", shape, 1, false), key);
  CudaLinearShape mixed = shape;
  mixed.weight = "f32";
  EXPECT_EQ(cudaFunctionKey("gemm", mixed, 0, true),
            "gemm depth 4096 columns 6144 streams 2 f32 as bf16 rows any batch-invariant");
}

TEST(CudaTuning, ComesBackAsItWasWritten) {
  auto read = CudaTuning::parse(tuningOf(panels).toText(), "again.json");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->card, "Fake 9000");
  EXPECT_EQ(read->arch, "sm_90a");
  ASSERT_EQ(read->functions.count(key), 1u);
  EXPECT_EQ(read->functions.at(key).parameters, panels);
  EXPECT_EQ(read->functions.at(key).microseconds, 19.5);
  EXPECT_EQ(read->functions.at(key).defaultMicroseconds, 21.25);
}

TEST(CudaTuning, FindsWhatIsForTheFunction) {
  auto found = find(tuningOf(panels));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(*found, panels);
  auto other = find(tuningOf(panels), /*rows=*/4);
  ASSERT_TRUE(other);
  EXPECT_EQ(*other, std::nullopt);
}

TEST(CudaTuning, NamesFileAndFunctionOfWhatCannotBe) {
  auto with = [](const char *name, int64_t value) {
    CudaParameters changed = panels;
    changed[name] = value;
    auto found = find(tuningOf(changed));
    return found ? std::string() : found.error().message();
  };
  for (const std::string &message :
       {with("columns", 24), with("warps", 64), with("stages", 4096), with("zork", 1)})
    EXPECT_THAT(message, HasSubstr(std::string("tuned.json: function '") + key + "': "));
  EXPECT_THAT(with("columns", 24), HasSubstr("multiples of 16 columns"));
  EXPECT_THAT(with("warps", 64), HasSubstr("2080 threads; 1024 is the most"));
  EXPECT_THAT(with("stages", 4096), HasSubstr("bytes of shared memory; 232448 is the most"));
  EXPECT_THAT(with("zork", 1), HasSubstr("'zork' is no parameter of 'matvec_panels'"));
  CudaParameters fewer = panels;
  fewer.erase("warps");
  EXPECT_THAT(find(tuningOf(fewer)).error().message(), HasSubstr("'matvec_panels' has no warps"));
}

TEST_P(BadTuning, IsRefused) {
  auto read = CudaTuning::parse(GetParam().text, "bad.json");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message(), HasSubstr("bad.json"));
  EXPECT_THAT(read.error().message(), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadTuning,
    testing::Values(
        BadFile{"NoJson", "{", "is not valid JSON"},
        BadFile{"NoObject", "[]", "is not a JSON object"},
        BadFile{"OtherFormat", R"({"format": 2})", "is of format 2; this program reads format 1"},
        BadFile{"NoCard", R"({"format": 1, "arch": "a", "functions": {}})", "card"},
        BadFile{"FunctionIsNoObject",
                R"({"format": 1, "card": "c", "arch": "a", "functions": {"f": 1}})",
                "function 'f' is no object"},
        BadFile{"ParameterIsNoNumber",
                R"({"format": 1, "card": "c", "arch": "a", "functions": {"f": {"parameters":
                   {"rows": 1.5}, "microseconds": 1, "default_microseconds": 1}}})",
                "parameter 'rows' is no whole number"},
        BadFile{"ParameterIsNegative",
                R"({"format": 1, "card": "c", "arch": "a", "functions": {"f": {"parameters":
                   {"rows": -1}, "microseconds": 1, "default_microseconds": 1}}})",
                "-1"},
        BadFile{"TimeIsNegative",
                R"({"format": 1, "card": "c", "arch": "a", "functions": {"f": {"parameters":
                   {}, "microseconds": -1, "default_microseconds": 1}}})",
                "is -1, which is no time"},
        BadFile{"KeyTwice",
                R"({"format": 1, "format": 1, "card": "c", "arch": "a", "functions": {}})",
                "format"}),
    [](const auto &info) { return info.param.name; });
