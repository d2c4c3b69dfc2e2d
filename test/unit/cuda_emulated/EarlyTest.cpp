//===- EarlyTest.cpp - What a kernel may touch before the kernels ahead have ended ------------===//

#include "test/unit/cuda_emulated/EmulatedKernel.h"

using namespace llmopt;
using testing::AllOf;
using testing::HasSubstr;

static std::string errorOf(const std::string &body, bool fixed = false) {
  EmulatedRun kernel{body};
  kernel.early = true;
  kernel.fixed = fixed;
  kernel.writable = !fixed;
  kernel.threads = 64;
  return kernel.error();
}

TEST(EmulatedEarly, LoadBeforeTheWait) {
  EXPECT_THAT(errorOf("int value = data[threadIndex()];\nwaitForProducers();\n"
                      "data[threadIndex()] = value;"),
              AllOf(HasSubstr("kernel test: block 0, thread 0: reads 4 bytes at byte 0 of "
                              "parameter 0, before it waits for the kernels ahead (gate.wait)"),
                    HasSubstr("body.cu:1")));
}
TEST(EmulatedEarly, StoreBeforeTheWait) {
  EXPECT_THAT(errorOf("data[threadIndex()] = 1;\nwaitForProducers();"),
              HasSubstr("writes 4 bytes at byte 0 of parameter 0, before it waits"));
}
TEST(EmulatedEarly, CopyBeforeTheWait) {
  EXPECT_THAT(errorOf("copyAsync(shared + 16 * threadIndex(), data, true);\nwaitForProducers();"),
              HasSubstr("reads 16 bytes at byte 0 of parameter 0, before it waits"));
}
TEST(EmulatedEarly, FixedMemoryBeforeTheWait) {
  EXPECT_EQ(errorOf("((int *)shared)[threadIndex()] = data[threadIndex()];\nwaitForProducers();",
                    /*fixed=*/true),
            "");
}
TEST(EmulatedEarly, AfterTheWait) {
  EXPECT_EQ(errorOf("waitForProducers();\ndata[threadIndex()] = data[threadIndex()] + 1;"), "");
}
TEST(EmulatedEarly, OneThreadWaitsForAll) {
  EXPECT_EQ(errorOf("if (threadIndex() == 40) waitForProducers();\nsyncThreads();\n"
                    "data[threadIndex()] = 1;"),
            "");
}
TEST(EmulatedEarly, OneThreadWaitsTwice) {
  EXPECT_EQ(errorOf("if (threadIndex() == 0) waitForProducers();\nsyncThreads();\n"
                    "if (threadIndex() == 0) waitForProducers();\ndata[threadIndex()] = 1;"),
            "");
}
TEST(EmulatedEarly, OneThreadWaitsAndNothingTellsTheOthers) {
  EXPECT_THAT(errorOf("if (threadIndex() == 0) waitForProducers();\ndata[threadIndex()] = 1;"),
              HasSubstr("thread 1: writes 4 bytes at byte 4 of parameter 0, before it waits"));
}
TEST(EmulatedEarly, ABarrierBeforeTheWaitTellsNothing) {
  EXPECT_THAT(errorOf("syncThreads();\nif (threadIndex() == 0) waitForProducers();\n"
                      "data[threadIndex()] = 1;"),
              HasSubstr("of parameter 0, before it waits"));
}
TEST(EmulatedEarly, EveryBlockWaits) {
  EmulatedRun kernel{"if (blockIndex() == 0) waitForProducers();\n"
                     "data[blockIndex() * 32 + threadIndex()] = 1;"};
  kernel.early = true;
  kernel.blocks = 2;
  EXPECT_THAT(kernel.error(), HasSubstr("block 1, thread 0: writes 4 bytes at byte 128"));
}
TEST(EmulatedEarly, NobodyWaits) {
  EXPECT_THAT(errorOf("((int *)shared)[threadIndex()] = data[threadIndex()];", /*fixed=*/true),
              HasSubstr("kernel test: no thread waits for the kernels ahead (gate.wait)"));
}
TEST(EmulatedEarly, LaunchesInOrderNeedNotWait) {
  EmulatedRun kernel{"data[threadIndex()] = 1;"};
  EXPECT_EQ(kernel.error(), "");
}
