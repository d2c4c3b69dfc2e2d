//===- LimitsTest.cpp - How a card's limits are measured --------------------------------------===//

#include "runtime/devices/cuda/CudaLimits.h"
#include "test/unit/cuda_device/FakeDriver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace llmopt;
using testing::HasSubstr;

namespace {
/// Whatever is done between two marks takes a second.
class SlowDriver : public FakeDriver {
public:
  Status launch(const CudaLaunch &launch) override {
    last = launch;
    calls.push_back("launch " + static_cast<const Kernel *>(launch.kernel)->name);
    return success();
  }
  CudaLaunch last;
};

std::unique_ptr<DeviceLimits> limitsOf(SlowDriver &driver, const std::string &precision) {
  DeviceOptions options;
  options.quiet = true;
  driver.facts.freeBytes = uint64_t(4) << 30;
  auto limits = openCudaLimits(driver, "sm_90a", precision, options);
  EXPECT_TRUE(limits);
  return std::move(*limits);
}
} // namespace

TEST(CudaLimits, AGigabyteIsReadInPieces) {
  SlowDriver driver;
  auto limits = limitsOf(driver, "bf16-true");
  auto bandwidth = limits->readBandwidth();
  ASSERT_TRUE(bandwidth) << bandwidth.error().message();
  EXPECT_GE(*bandwidth, 1u << 30);
  EXPECT_LT(*bandwidth, 1.1 * (1u << 30));
  EXPECT_EQ(driver.last.blocks, 4u * 132);
  // All of it is read, and the grid reads a whole number of rounds.
  EXPECT_EQ(driver.last.extents[0].bytes, uint64_t(*bandwidth));
  EXPECT_EQ(driver.last.extents[0].bytes % (uint64_t(4 * 132) * 512 * 8 * 16), 0u);
  EXPECT_EQ(std::count(driver.calls.begin(), driver.calls.end(), "launch randomFill"), 1);
  EXPECT_EQ(std::count(driver.calls.begin(), driver.calls.end(), "launch readAll"), 6);
  EXPECT_EQ(driver.used, 0u);
}

TEST(CudaLimits, ProductsAreOfTheTypeOfTheLinears) {
  struct {
    const char *precision;
    CudaProduct::Type type;
    double size;
  } cases[] = {{"32-true", CudaProduct::Type::F32, 4096},
               {"16-mixed", CudaProduct::Type::F16, 8192},
               {"bf16-true", CudaProduct::Type::BF16, 8192}};
  for (auto [precision, type, size] : cases) {
    SlowDriver driver;
    auto limits = limitsOf(driver, precision);
    auto peak = limits->arithmeticPeak();
    ASSERT_TRUE(peak) << peak.error().message();
    EXPECT_EQ(*peak, 2 * size * size * size);
    ASSERT_EQ(driver.products.size(), 6u);
    EXPECT_EQ(driver.products[0].inputs, type);
    EXPECT_EQ(driver.products[0].rows, size);
  }
}

TEST(CudaLimits, TooLittleMemoryIsToldWithTheNumbers) {
  SlowDriver driver;
  auto limits = limitsOf(driver, "bf16-true");
  driver.facts.freeBytes = 1 << 20;
  auto bandwidth = limits->readBandwidth();
  ASSERT_FALSE(bandwidth);
  EXPECT_THAT(bandwidth.error().message(), HasSubstr("1048576 are free"));
}
