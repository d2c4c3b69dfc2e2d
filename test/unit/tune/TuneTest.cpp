//===- TuneTest.cpp - What is found on a card whose times are the test's ----------------------===//

#include "runtime/tune/Tune.h"
#include "test/unit/cuda_device/FakeDriver.h"
#include "test/unit/cuda_device/SmallModel.h"

#include <gmock/gmock.h>

using namespace llmopt;
using testing::HasSubstr;

namespace {
const char key[] = "matvec depth 4 columns 8 streams 1 f32 rows 4";
const CudaParameters defaults = {{"rows", 4}, {"columns", 8}, {"warps", 2}, {"stages", 2}};

class Tune : public testing::Test {
protected:
  SmallModel model;
  std::unique_ptr<FakeDriver> driver = std::make_unique<FakeDriver>();
  TuneOptions options;

  Tune() {
    SmallModel::scheduleHead(model.artifact.plan);
    options.device.quiet = true;
    options.artifact = "small";
  }

  Result<TuneReport> run() { return tune(model.shared(), std::move(driver), options); }

  /// The one function that there is to tune.
  TunedFunction only() {
    auto report = run();
    EXPECT_TRUE(report) << report.error().message();
    if (!report || report->functions.size() != 1)
      return {};
    return report->functions[0];
  }
};

/// A parameter in a source's macros; 0 in another source.
int64_t parameterOf(const std::string &source, const std::string &label) {
  size_t at = source.find("/*" + label + "=*/");
  return at == std::string::npos ? 0 : std::atoi(source.c_str() + at + label.size() + 5);
}

/// The best has 4 columns and 8 warps.
double secondsOf(const std::string &source) {
  int64_t columns = parameterOf(source, "Columns"), warps = parameterOf(source, "Warps");
  return 1e-6 * (10 + double(std::abs(columns - 4) + std::abs(warps - 8)));
}
} // namespace

TEST_F(Tune, FindsTheFastestInstance) {
  driver->seconds = secondsOf;
  auto report = run();
  ASSERT_TRUE(report) << report.error().message();
  ASSERT_EQ(report->functions.size(), 1u);
  const TunedFunction &found = report->functions[0];
  EXPECT_EQ(found.function, "head_few");
  EXPECT_EQ(found.key, key);
  EXPECT_EQ(found.rows, 4);
  EXPECT_EQ(found.defaults, defaults);
  EXPECT_EQ(found.best, (CudaParameters{{"rows", 4}, {"columns", 4}, {"warps", 8}, {"stages", 2}}));
  EXPECT_NEAR(found.defaultSeconds, 20e-6, 1e-9);
  EXPECT_NEAR(found.seconds, 10e-6, 1e-9);
  EXPECT_EQ(found.wrong + found.spilling + found.uncompiled, 0);
  EXPECT_TRUE(report->complete);

  CudaTuning tuning = report->tuning();
  EXPECT_EQ(tuning.card, "Fake 9000");
  EXPECT_EQ(tuning.functions.at(key).parameters, found.best);
  EXPECT_NEAR(tuning.functions.at(key).microseconds, 10, 1e-3);
}

TEST_F(Tune, KeepsTheDefaultForLessThanOnePercent) {
  driver->seconds = [](const std::string &source) {
    return parameterOf(source, "Columns") == 8 ? 1e-5 : 0.995e-5;
  };
  EXPECT_EQ(only().best, defaults);
}

TEST_F(Tune, CountsWhatDoesNotCompile) {
  driver->seconds = secondsOf;
  driver->compiles = [](const std::string &source) { return parameterOf(source, "Columns") != 4; };
  TunedFunction found = only();
  EXPECT_EQ(found.best.at("columns"), 2);
  EXPECT_GT(found.uncompiled, 0);
}

TEST_F(Tune, PassesOverWhatSpills) {
  driver->seconds = secondsOf;
  driver->local = [](const std::string &source) {
    return parameterOf(source, "Warps") == 8 ? 16 : 0;
  };
  TunedFunction found = only();
  EXPECT_NE(found.best.at("warps"), 8);
  EXPECT_GT(found.spilling, 0);
}

TEST_F(Tune, PassesOverWhatComputesSomethingElse) {
  driver->seconds = secondsOf;
  // The logits are the head's last argument.
  driver->after = [](const std::string &source, const FakeDriver::Arguments &arguments) {
    if (int64_t columns = parameterOf(source, "Columns"); columns != 0 || arguments.size() == 3)
      *reinterpret_cast<float *>(arguments.back()) = columns == 4 ? 2.0f : 1.0f;
  };
  TunedFunction found = only();
  EXPECT_NE(found.best.at("columns"), 4);
  EXPECT_GT(found.wrong, 0);
}

TEST_F(Tune, TakesSumsInAnotherOrderThatAreClose) {
  driver->seconds = secondsOf;
  driver->after = [](const std::string &source, const FakeDriver::Arguments &arguments) {
    if (arguments.size() == 3)
      *reinterpret_cast<float *>(arguments.back()) =
          parameterOf(source, "Warps") > 2 ? 1.00001f : 1.0f;
  };
  EXPECT_EQ(only().best.at("warps"), 8);
}

TEST_F(Tune, WantsTheSameBitsWhereNoOrderChanges) {
  driver->seconds = secondsOf;
  driver->after = [](const std::string &source, const FakeDriver::Arguments &arguments) {
    if (arguments.size() == 3)
      *reinterpret_cast<float *>(arguments.back()) =
          parameterOf(source, "Columns") == 4 ? 1.00001f : 1.0f;
  };
  // Close is enough once the warps have changed as well; alone it is not.
  EXPECT_GT(only().wrong, 0);
}

TEST_F(Tune, ChangesNoOrderOfABatchInvariantModel) {
  driver->seconds = secondsOf;
  model.artifact.manifest.batchInvariant = true;
  TunedFunction found = only();
  EXPECT_EQ(found.key, std::string(key) + " batch-invariant");
  EXPECT_EQ(found.best.at("columns"), 4);
  EXPECT_EQ(found.best.at("warps"), 2);
}

TEST_F(Tune, SaysWhatThereIsNot) {
  options.kernels = {"zork"};
  EXPECT_THAT(run().error().message(),
              HasSubstr("small has no kernel 'zork'; it has: attention, embed, head"));
  driver = std::make_unique<FakeDriver>();
  options.kernels = {"embed"};
  EXPECT_THAT(run().error().message(), HasSubstr("has no function to tune for these rows"));
  driver = std::make_unique<FakeDriver>();
  options.kernels = {};
  options.rows = {0};
  EXPECT_THAT(run().error().message(), HasSubstr("0 rows: from 1 to 4096 are possible"));
}

TEST_F(Tune, MeasuresWithTheMostOfTheRowsAskedFor) {
  driver->seconds = secondsOf;
  options.rows = {1, 3, 9};
  EXPECT_EQ(only().rows, 3);
}
