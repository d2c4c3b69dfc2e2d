//===- RaceTest.cpp - What is ordered, and what is a race -------------------------------------===//

#include "test/unit/cuda_emulated/EmulatedKernel.h"

using namespace llmopt;
using testing::AllOf;
using testing::HasSubstr;

static std::string errorOf(const std::string &body, int threads = 64, int blocks = 1) {
  EmulatedRun kernel{body};
  kernel.threads = threads;
  kernel.blocks = blocks;
  return kernel.error();
}

//===- In shared memory -----------------------------------------------------------------------===//

TEST(EmulatedRace, MissingBarrierBetweenWriteAndRead) {
  EXPECT_THAT(errorOf("int *values = (int *)shared;\n"
                      "values[threadIndex()] = threadIndex();\n"
                      "data[threadIndex()] = values[63 - threadIndex()];"),
              AllOf(HasSubstr("kernel test"), HasSubstr("block 0, thread "),
                    HasSubstr("of shared memory"), HasSubstr("body.cu:3")));
}
TEST(EmulatedRace, BarrierBetweenWriteAndRead) {
  EXPECT_EQ(errorOf("int *values = (int *)shared;\n"
                    "values[threadIndex()] = threadIndex();\n"
                    "syncThreads();\n"
                    "data[threadIndex()] = values[63 - threadIndex()];"),
            "");
}
TEST(EmulatedRace, TwoThreadsWriteTheSame) {
  EXPECT_THAT(errorOf("*(int *)shared = 1;"),
              AllOf(HasSubstr("block 0, thread 1: writes 4 bytes at byte 0 of shared memory"),
                    HasSubstr("thread 0 wrote"), HasSubstr("a race")));
}
TEST(EmulatedRace, MissingBarrierBetweenReadAndWrite) {
  EXPECT_THAT(errorOf("int *values = (int *)shared;\n"
                      "values[threadIndex()] = threadIndex();\n"
                      "syncThreads();\n"
                      "int next = values[(threadIndex() + 1) % 64];\n"
                      "values[threadIndex()] = next;\n"
                      "syncThreads();\n"
                      "data[threadIndex()] = values[threadIndex()];"),
              AllOf(HasSubstr("thread 0: writes 4 bytes at byte 0"), HasSubstr("thread 63 read"),
                    HasSubstr("a race")));
}
TEST(EmulatedRace, ReadsOfSeveralWarpsBeforeAWrite) {
  EXPECT_THAT(errorOf("int *values = (int *)shared;\n"
                      "if (threadIndex() == 0) values[0] = 7;\n"
                      "syncThreads();\n"
                      "data[threadIndex()] = values[0];\n"
                      "if (threadIndex() == 40) values[0] = 8;"),
              AllOf(HasSubstr("thread 40: writes"), HasSubstr("thread 0 read")));
}
TEST(EmulatedRace, ReadsOfSeveralWarpsAndABarrier) {
  EXPECT_EQ(errorOf("int *values = (int *)shared;\n"
                    "if (threadIndex() == 0) values[0] = 7;\n"
                    "syncThreads();\n"
                    "data[threadIndex()] = values[0];\n"
                    "syncThreads();\n"
                    "if (threadIndex() == 63) values[0] = 8;"),
            "");
}
TEST(EmulatedRace, NeighbouringBytesDoNotConflict) {
  EXPECT_EQ(errorOf("shared[threadIndex()] = 1;\nsyncThreads();\n"
                    "data[threadIndex()] = ((int *)shared)[threadIndex() / 4];"),
            "");
}
TEST(EmulatedRace, BarrierOfTheWarpOrdersItsLanes) {
  EXPECT_EQ(errorOf("int *values = (int *)shared;\n"
                    "values[threadIndex()] = threadIndex();\n"
                    "syncWarp();\n"
                    "data[threadIndex()] = values[threadIndex() ^ 1];"),
            "");
}
TEST(EmulatedRace, BarrierOfTheWarpDoesNotOrderWarps) {
  EXPECT_THAT(errorOf("int *values = (int *)shared;\n"
                      "values[threadIndex()] = threadIndex();\n"
                      "syncWarp();\n"
                      "data[threadIndex()] = values[threadIndex() ^ 32];"),
              HasSubstr("which"));
}
TEST(EmulatedRace, ShuffleDoesNotOrderMemory) {
  EXPECT_THAT(errorOf("int *values = (int *)shared;\n"
                      "values[threadIndex()] = threadIndex();\n"
                      "shuffleXor(1.0f, 1);\n"
                      "data[threadIndex()] = values[threadIndex() ^ 1];"),
              HasSubstr("a race"));
}

//===- Between blocks -------------------------------------------------------------------------===//

TEST(EmulatedRace, BlocksWriteTheSamePlace) {
  EXPECT_THAT(errorOf("data[threadIndex()] = blockIndex();", 32, 2),
              AllOf(HasSubstr("block 1, thread 0: writes 4 bytes at byte 0 of parameter 0"),
                    HasSubstr("thread 0 of block 0 wrote"), HasSubstr("a race")));
}
TEST(EmulatedRace, BlocksReadTheSamePlace) {
  EXPECT_EQ(errorOf("data[32 + blockIndex() * 32 + threadIndex()] = data[threadIndex()];", 32, 4),
            "");
}
TEST(EmulatedRace, BlockWritesWhatOthersHaveRead) {
  EXPECT_THAT(errorOf("int value = data[0];\n"
                      "data[32 + blockIndex() * 32 + threadIndex()] = value;\n"
                      "if (blockIndex() == 2 && threadIndex() == 0) data[0] = 1;",
                      32, 3),
              AllOf(HasSubstr("block 2, thread 0: writes"), HasSubstr("read")));
}

/// Each block leaves a sum of its own, the last adds them up.
static const char *const lastArriver = R"(
  int *sums = data + 1, *total = data + 100;
  sums[blockIndex() * 32 + threadIndex()] = threadIndex();
  FENCE_BEFORE
  syncThreads();
  int *last = (int *)shared;
  if (threadIndex() == 0)
    *last = atomicIncrement((unsigned *)data) == 2;
  syncThreads();
  if (!*last)
    return;
  FENCE_AFTER
  int sum = 0;
  for (int i = 0; i < 3; ++i)
    sum += sums[i * 32 + threadIndex()];
  total[threadIndex()] = sum;)";

static EmulatedRun lastArriverRun(const std::string &before, const std::string &after) {
  EmulatedRun kernel{lastArriver};
  kernel.blocks = 3;
  kernel.before = "#define FENCE_BEFORE " + before + "\n#define FENCE_AFTER " + after + "\n";
  return kernel;
}

TEST(EmulatedRace, LastArriverSeesWhatWasFenced) {
  for (uint64_t seed : {0, 1, 2}) {
    EmulatedRun kernel = lastArriverRun("fenceDevice();", "fenceDevice();");
    kernel.options.seed = seed;
    EXPECT_EQ(kernel.error(), "");
    EXPECT_EQ(kernel.data[100 + 5], 15);
  }
}
TEST(EmulatedRace, LastArriverWithoutTheFirstFence) {
  EXPECT_THAT(
      lastArriverRun("", "fenceDevice();").error(),
      AllOf(HasSubstr("block 2, thread "), HasSubstr("of block 0 wrote"), HasSubstr("a race")));
}
TEST(EmulatedRace, LastArriverWithoutTheSecondFence) {
  EXPECT_THAT(lastArriverRun("fenceDevice();", "").error(),
              AllOf(HasSubstr("block 2, thread "), HasSubstr("of block 0 wrote")));
}
TEST(EmulatedRace, AtomicOperationsDoNotRace) {
  EmulatedRun kernel{"atomicIncrement((unsigned *)data);"};
  kernel.blocks = 3;
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[0], 96);
}
TEST(EmulatedRace, PlainReadBesideAtomicOperations) {
  EXPECT_THAT(errorOf("if (threadIndex() % 2) atomicIncrement((unsigned *)data);\n"
                      "else data[8 + threadIndex()] = data[0];",
                      32),
              HasSubstr("a race"));
}

//===- A long life ----------------------------------------------------------------------------===//

TEST(EmulatedRace, MoreBarriersThanStamps) {
  EmulatedRun kernel{"int *values = (int *)shared;\n"
                     "for (int i = 0; i < 1200000; ++i) {\n"
                     "  if (i % 100000 == threadIndex()) values[0] = i;\n"
                     "  syncThreads();\n"
                     "}\n"
                     "data[threadIndex()] = values[0];\n"
                     "if (threadIndex() == 1) values[0] = 1;"};
  kernel.threads = 2;
  EXPECT_THAT(kernel.error(), AllOf(HasSubstr("thread 1: writes"), HasSubstr("thread 0 read")));
}
