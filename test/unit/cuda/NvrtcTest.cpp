//===- NvrtcTest.cpp - The run-time compiler by itself ----------------------------------------===//

#include "test/unit/cuda/NvrtcTest.h"

#include "runtime/devices/cuda/RandomFillKernel.h"
#include "runtime/devices/cuda/ReadKernel.h"
#include "support/Files.h"

#include <gmock/gmock.h>

#include <cstdlib>

using namespace llmopt;
using testing::HasSubstr;

TEST(Nvrtc, CompilesForEachArchitecture) {
  LLMOPT_NEED_NVRTC(nvrtc);
  for (const char *arch : {"sm_80", "sm_90a"}) {
    auto image = nvrtc.compile("empty.cu", "extern \"C\" __global__ void empty() {}", {}, {arch});
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(image->cubin.substr(1, 3), "ELF");
  }
}

TEST(Nvrtc, CompilesTheRuntimesOwnKernels) {
  LLMOPT_NEED_NVRTC(nvrtc);
  for (const char *arch : {"sm_80", "sm_90a"})
    for (const char *source : {randomFillSource, readSource}) {
      auto image = nvrtc.compile("own.cu", source, {}, {arch, /*reportResources=*/true});
      ASSERT_TRUE(image) << image.error().message();
      EXPECT_THAT(image->log, HasSubstr("0 bytes spill stores"));
    }
}

/// Each as the instruction that the emulated device stands for.
TEST(Nvrtc, CompilesWaitsBetweenBlocks) {
  LLMOPT_NEED_NVRTC(nvrtc);
  std::vector<CudaHeader> headers;
  auto add = [&](const std::string &name, const std::string &path) {
    auto content = readFile(std::string(LLMOPT_SOURCE_DIR "/") + path);
    ASSERT_TRUE(content) << path;
    headers.push_back({"kernels/" + name, *content});
  };
  add("abi.h", "runtime/artifact/KernelAbi.h");
  for (const std::string name : {"intrinsics.cuh", "intrinsics_sm90.cuh", "types.cuh"})
    add(name, "codegen/cuda/kernels/" + name);
  const std::string waits = "#include \"kernels/types.cuh\"\n"
                            "using namespace llmopt::cuda;\n"
                            "extern \"C\" __global__ void f(unsigned *counters) {\n"
                            "  if (threadIndex() == 0) waitForCount(counters, "
                            "arriveAtGrid((unsigned long long *)counters + 1));\n"
                            "  syncThreads<256>();\n"
                            "  if (threadIndex() == 0) signal(counters);\n"
                            "}\n";
  const std::string barriers = "#include \"kernels/intrinsics_sm90.cuh\"\n"
                               "__device__ void g(SharedBarrier &b) { invalidateBarrier(b); }\n";
  for (const char *arch : {"sm_80", "sm_90a"}) {
    std::string source = arch == std::string("sm_80") ? waits : waits + barriers;
    auto image = nvrtc.compile("waits.cu", source, headers, {arch});
    EXPECT_TRUE(image) << image.error().message();
  }
}

TEST(Nvrtc, FindsHeadersByNameAndBesideEachOther) {
  LLMOPT_NEED_NVRTC(nvrtc);
  std::vector<CudaHeader> headers = {
      {"parts/one.cuh", "#include \"two.cuh\"\n"},
      {"parts/two.cuh", "#include <stdint.h>\ntypedef int32_t Number;\n"}};
  auto image = nvrtc.compile("a.cu",
                             "#include \"parts/one.cuh\"\n"
                             "extern \"C\" __global__ void f(Number *n) { *n = 1; }",
                             headers, {"sm_80"});
  EXPECT_TRUE(image) << image.error().message();
}

TEST(Nvrtc, ReportsRegistersAndSpills) {
  LLMOPT_NEED_NVRTC(nvrtc);
  auto image = nvrtc.compile("empty.cu", "extern \"C\" __global__ void empty() {}", {},
                             {"sm_80", /*reportResources=*/true});
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_THAT(image->log, HasSubstr("0 bytes spill stores"));
}

TEST(Nvrtc, TellsTheFirstErrorAndKeepsTheLog) {
  LLMOPT_NEED_NVRTC(nvrtc);
  auto image = nvrtc.compile("bad.cu", "\n__device__ int f() { return missing; }", {}, {"sm_80"});
  ASSERT_FALSE(image);
  EXPECT_THAT(
      image.error().message(),
      HasSubstr("bad.cu does not compile for sm_80: bad.cu(2): error: identifier \"missing\" "
                "is undefined"));
}

TEST(Nvrtc, RefusesAnUnknownArchitecture) {
  LLMOPT_NEED_NVRTC(nvrtc);
  auto image = nvrtc.compile("a.cu", "", {}, {"sm_1"});
  ASSERT_FALSE(image);
  EXPECT_THAT(image.error().message(), HasSubstr("a.cu does not compile for sm_1: "));
}

TEST(Nvrtc, SaysWhatTheEnvironmentNamesInVain) {
  ASSERT_EQ(setenv("LLMOPT_NVRTC", LLMOPT_SOURCE_DIR, 1), 0);
  auto nvrtc = Nvrtc::open();
  unsetenv("LLMOPT_NVRTC");
  ASSERT_FALSE(nvrtc);
  EXPECT_EQ(nvrtc.error().message(),
            "LLMOPT_NVRTC names " LLMOPT_SOURCE_DIR ", which has no libnvrtc.so");
}
