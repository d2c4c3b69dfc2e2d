#include "runtime/devices/Device.h"

#include "runtime/devices/cpu/CpuFeatures.h"
#include "runtime/devices/cpu/RandomFill.h"
#include "support/FloatTypes.h"
#include "support/RandomWeights.h"
#include "test/unit/runtime/TinyModel.h"

#include <gmock/gmock.h>

#include <cstring>

using namespace llmopt;
using namespace llmopt::tiny;
using testing::HasSubstr;

static std::string openError(const Parts &parts) {
  TemporaryDirectory directory;
  writeArtifact(parts, directory / "a.llmopt");
  Result<Artifact> artifact = Artifact::open(directory / "a.llmopt", 1);
  EXPECT_TRUE(artifact) << artifact.error().message();
  auto device = openDevice(std::make_shared<const Artifact>(*artifact), DeviceOptions());
  return device ? "opened" : device.error().message();
}

TEST(CpuDevice, OpensTheTestModel) { EXPECT_EQ(openError(Parts()), "opened"); }

TEST(CpuDevice, SaysThatThereIsNoDeviceForATarget) {
  Parts parts;
  parts.manifest.target = "tpu";
  EXPECT_THAT(openError(parts), HasSubstr("was compiled for target 'tpu'; this build of the "
                                          "runtime has devices for: cpu, cuda"));
}

TEST(CpuDevice, NamesAMissingCpuFeature) {
  Parts parts;
  parts.manifest.requiredFeatures = {"warp_drive"};
  EXPECT_THAT(openError(parts),
              HasSubstr("was compiled for 'x86-64' and needs warp_drive, which this CPU"));
}

TEST(CpuDevice, AcceptsFeaturesThatThisCpuHas) {
  std::set<std::string> present = cpuFeatures();
  if (present.empty())
    GTEST_SKIP() << "the system does not tell the CPU's features";
  Parts parts;
  parts.manifest.requiredFeatures = {*present.begin(), *present.rbegin()};
  EXPECT_EQ(openError(parts), "opened");
}

TEST(CpuDevice, NamesAMissingKernel) {
  Parts parts;
  parts.module = Module::NoLogits;
  EXPECT_THAT(openError(parts), HasSubstr("model.so has no kernel 'tiny_logits'"));
}

TEST(CpuDevice, RefusesAnotherKernelInterface) {
  Parts parts;
  parts.module = Module::OtherAbi;
  EXPECT_THAT(openError(parts), HasSubstr("kernel interface 99, this program has"));
}

TEST(CpuDevice, RefusesAModuleThatIsNone) {
  TemporaryDirectory directory;
  std::string path = directory / "a.llmopt";
  writeArtifact(Parts(), path);
  ASSERT_TRUE(writeFile(path + "/model.so", "not a shared object"));
  recordFiles(Parts().manifest, path);
  Result<Artifact> artifact = Artifact::open(path, 1);
  ASSERT_TRUE(artifact);
  auto device = openDevice(std::make_shared<const Artifact>(*artifact), DeviceOptions());
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().message(), HasSubstr("cannot load"));
}

TEST(CpuDevice, UsesRandomWeights) {
  TemporaryDirectory directory;
  Parts parts;
  parts.randomBias = true;
  writeArtifact(parts, directory / "a.llmopt");
  EngineOptions options;
  options.cachePages = 4;
  auto engine = Engine::create(openTiny(directory / "a.llmopt", 1), options);
  ASSERT_TRUE(engine);
  std::vector<float> logits;
  Request request;
  request.prompt = {12};
  request.maxNewTokens = 1;
  request.onPromptLogits = [&](int64_t, int64_t, const float *values) {
    logits.assign(values, values + vocabulary);
  };
  ASSERT_TRUE((*engine)->submit(request));
  ASSERT_TRUE((*engine)->step());
  for (int token = 0; token < vocabulary; ++token)
    EXPECT_EQ(logits[token], logit(nextHistory(historyStart, 12), token,
                                   randomWeight(7, static_cast<uint64_t>(token), 0, 1)));
}

//===- Random weights -------------------------------------------------------------------------===//

static std::vector<uint8_t> fill(const PlanWeight &weight) {
  std::vector<uint8_t> bytes(weight.bytes(), 0xee);
  fillRandomPanels(weight, 0, randomPanels(weight), bytes.data());
  return bytes;
}

/// An element by its definition.
static float valueOf(const PlanWeight &weight, int64_t row, int64_t column) {
  for (const RandomSegment &segment : weight.random) {
    if (row < segment.rows)
      return randomWeight(segment.seed, static_cast<uint64_t>(row * weight.columns + column),
                          segment.mean, segment.scale);
    row -= segment.rows;
  }
  return 0;
}

/// The bits of an element as stored.
static uint32_t expectedBits(const PlanWeight &weight, float value) {
  if (weight.type == ElementType::F32)
    return floatBits(value);
  return weight.type == ElementType::F16 ? floatToFloat16(value) : floatToBfloat16(value);
}

TEST(RandomFill, EveryElementOfEveryPackingIsWhereItBelongs) {
  for (ElementType type : {ElementType::F32, ElementType::F16, ElementType::BF16}) {
    for (Packing packing : {Packing{0, 1}, Packing{16, 1}, Packing{16, 2}, Packing{8, 4}}) {
      for (auto [rows, columns] :
           {std::pair<int64_t, int64_t>{37, 53}, {16, 1200}, {1, 5}, {90, 1}}) {
        PlanWeight weight;
        weight.type = type;
        weight.rows = rows;
        weight.columns = columns;
        weight.packing = packing;
        weight.random = {{rows, 3, 0.5f, 0.02f}};
        if (rows > 20)
          weight.random = {{20, 3, 0, 0.02f}, {rows - 20, 9, 1, 1e-6f}};
        std::vector<uint8_t> bytes = fill(weight);
        int64_t size = elementBytes(type);
        int64_t panel = std::max<int64_t>(1, packing.panel);
        int64_t groups = (columns + packing.interleave - 1) / packing.interleave;
        int64_t paddedRows = (rows + panel - 1) / panel * panel;
        for (int64_t row = 0; row < paddedRows; ++row) {
          for (int64_t column = 0; column < groups * packing.interleave; ++column) {
            int64_t position =
                ((row / panel * groups + column / packing.interleave) * panel + row % panel) *
                    packing.interleave +
                column % packing.interleave;
            uint32_t bits = 0;
            std::memcpy(&bits, bytes.data() + position * size, size);
            bool padding = row >= rows || column >= columns;
            ASSERT_EQ(bits, padding ? 0 : expectedBits(weight, valueOf(weight, row, column)))
                << elementTypeName(type) << " " << row << "," << column;
          }
        }
      }
    }
  }
}

TEST(RandomFill, HalfPrecisionRoundsAsTheReferenceDoes) {
  // Subnormal results, and ones that overflow.
  for (float scale : {1e-7f, 1e-4f, 1e5f}) {
    PlanWeight weight;
    weight.type = ElementType::F16;
    weight.rows = 1;
    weight.columns = 5000;
    weight.random = {{1, 77, 0, scale}};
    std::vector<uint8_t> bytes = fill(weight);
    for (int64_t column = 0; column < weight.columns; ++column) {
      uint16_t bits;
      std::memcpy(&bits, bytes.data() + column * 2, 2);
      ASSERT_EQ(bits, floatToFloat16(valueOf(weight, 0, column))) << column;
    }
  }
}
