//===- CooperativeTest.cpp - Blocks that wait for each other ----------------------------------===//

#include "test/unit/cuda_emulated/EmulatedKernel.h"

using namespace llmopt;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

// Words of data: counters from 0, values from 64.
static EmulatedRun together(const std::string &body, int blocks, uint64_t seed = 0) {
  EmulatedRun kernel{"unsigned *counters = (unsigned *)data;\nint *values = data + 64;\n"
                     "#line 1 \"body.cu\"\n" +
                     body};
  kernel.blocks = blocks;
  kernel.cooperative = true;
  kernel.options.seed = seed;
  return kernel;
}

//===- What works -----------------------------------------------------------------------------===//

/// Block 0 makes 32 values, block 1 doubles them, in `ROUNDS` rounds.
static const char *const producerAndConsumer = R"(
int *result = values + 64;
for (int round = 0; round < ROUNDS; ++round) {
  if (blockIndex() == PRODUCER) {
    if (threadIndex() == 0) waitForCount(counters + 1, FIRST + round);
    syncThreads();
    values[threadIndex()] = threadIndex() + round;
    syncThreads();
    if (threadIndex() == 0) signal(counters);
  } else {
    if (threadIndex() == 0) waitForCount(counters, FIRST + round + 1);
    syncThreads();
    result[threadIndex()] = 2 * values[31 - threadIndex()];
    syncThreads();
    if (threadIndex() == 0) signal(counters + 1);
  }
}
)";

static EmulatedRun producerRun(int producer, unsigned first = 0) {
  EmulatedRun kernel = together(producerAndConsumer, 2);
  kernel.before =
      fmt::format("#define ROUNDS 5\n#define PRODUCER {}\n#define FIRST {}u\n", producer, first);
  kernel.data[0] = kernel.data[1] = int(first);
  return kernel;
}

TEST(EmulatedCooperative, ProducerAndConsumerInEveryOrder) {
  for (int producer : {0, 1})
    for (int order = 0; order < 8; ++order) {
      EmulatedRun kernel = producerRun(producer);
      kernel.options.fallingOrder = order == 1;
      kernel.options.seed = order < 2 ? 0 : uint64_t(order);
      EXPECT_EQ(kernel.error(), "") << producer << ", " << order;
      EXPECT_EQ(kernel.data[128 + 3], 2 * (31 - 3 + 4));
    }
}
TEST(EmulatedCooperative, WithoutChecks) {
  EmulatedRun kernel = producerRun(1);
  kernel.options.checks = false;
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[128 + 3], 2 * (31 - 3 + 4));
}
TEST(EmulatedCooperative, CountersWrapAround) {
  EmulatedRun kernel = producerRun(0, 0xfffffffeu);
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[0], 3);
}
static const char *const arrivals =
    "if (threadIndex() == 0)\n"
    "  values[blockIndex()] = int(arriveAtGrid((unsigned long long *)counters) / 3);";
TEST(EmulatedCooperative, ArrivalsSortLaunches) {
  EmulatedRun kernel = together(arrivals, 3);
  kernel.data[0] = 21;
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[66], 7);
  EXPECT_EQ(kernel.data[0], 24);
}
/// After so many steps of a long day.
TEST(EmulatedCooperative, ArrivalsGoOnBeyond32Bits) {
  EmulatedRun kernel = together(arrivals, 3);
  kernel.data[0] = ~0;
  EXPECT_EQ(kernel.error(), "");
  for (int block = 0; block < 3; ++block)
    EXPECT_EQ(kernel.data[64 + block], int(0xffffffffu / 3));
  EXPECT_EQ(kernel.data[0], 2);
  EXPECT_EQ(kernel.data[1], 1);
}

/// What block 0 writes reaches block 2 through block 1, which does not touch it.
static const char *const chain = R"(
if (blockIndex() == 0) {
  values[threadIndex()] = 7;
  syncThreads();
  if (threadIndex() == 0) signal(counters);
} else if (blockIndex() == 1) {
  if (threadIndex() == 0) waitForCount(counters, 1);
  RELAY
  if (threadIndex() == 31) signal(counters + 1);
} else {
  if (threadIndex() == 5) waitForCount(counters + 1, 1);
  syncThreads();
  values[32 + threadIndex()] = values[threadIndex()];
}
)";
TEST(EmulatedCooperative, OrderPassesThroughBlocks) {
  for (uint64_t seed : {0, 1, 2, 3}) {
    EmulatedRun kernel = together(chain, 3, seed);
    kernel.before = "#define RELAY syncThreads();";
    EXPECT_EQ(kernel.error(), "");
  }
}
TEST(EmulatedCooperative, OrderDoesNotPassThroughThreadsThatDoNotMeet) {
  EmulatedRun kernel = together(chain, 3);
  kernel.before = "#define RELAY if (threadIndex() == 31) waitForCount(counters, 1);";
  EXPECT_EQ(kernel.error(), "") << "each has waited";
  kernel.before = "#define RELAY if (threadIndex() == 31) waitForCount(counters, 0);";
  EXPECT_THAT(kernel.error(),
              AllOf(HasSubstr("block 2, thread "), HasSubstr(": reads 4 bytes at byte "),
                    HasSubstr(" of block 0 wrote and nothing orders the two: a race")));
}

//===- What is reported -----------------------------------------------------------------------===//

TEST(EmulatedCooperative, MissingSignal) {
  EmulatedRun kernel =
      together("if (blockIndex() == 1 && threadIndex() == 3)\n"
               "  waitForCount(counters + 2, 5);\n"
               "if (blockIndex() == 0 && threadIndex() == 0) signal(counters + 2);\n"
               "syncThreads();",
               2);
  for (uint64_t seed : {0, 1, 2}) {
    kernel.options.seed = seed;
    EXPECT_THAT(kernel.error(),
                AllOf(HasSubstr("kernel test: block 1, "),
                      HasSubstr("thread 3 waits for the counter at byte 8 of parameter 0, which is "
                                "1, to be 5 at body.cu:2"),
                      HasSubstr("nobody goes on")));
    kernel.data.assign(256, 0);
  }
}
TEST(EmulatedCooperative, TwoBlocksThatWaitForEachOther) {
  EXPECT_THAT(together("if (threadIndex() == 0) {\n"
                       "  waitForCount(counters + 1 - blockIndex(), 1);\n"
                       "  signal(counters + blockIndex());\n"
                       "}",
                       2)
                  .error(),
              AllOf(HasSubstr("block 0, thread 0 waits for the counter at byte 4"),
                    HasSubstr("; block 1, thread 0 waits for the counter at byte 0"),
                    HasSubstr("nobody goes on")));
}
TEST(EmulatedCooperative, MissingWait) {
  for (uint64_t seed : {0, 1, 2, 3}) {
    EmulatedRun kernel = together("if (blockIndex() == 0) values[threadIndex()] = 1;\n"
                                  "else values[32 + threadIndex()] = values[threadIndex()];",
                                  2, seed);
    EXPECT_THAT(kernel.error(), AllOf(HasSubstr("block "), HasSubstr(" of block "),
                                      HasSubstr("nothing orders the two: a race")));
  }
}
TEST(EmulatedCooperative, MissingBarrierBeforeTheSignal) {
  EXPECT_THAT(together("if (blockIndex() == 0) {\n"
                       "  values[threadIndex()] = 1;\n"
                       "  if (threadIndex() == 31) signal(counters);\n"
                       "} else {\n"
                       "  if (threadIndex() == 0) waitForCount(counters, 1);\n"
                       "  syncThreads();\n"
                       "  values[32 + threadIndex()] = values[threadIndex()];\n"
                       "}",
                       2)
                  .error(),
              AllOf(HasSubstr("block 1, thread 0: reads"), HasSubstr("thread 0 of block 0 wrote")));
}
TEST(EmulatedCooperative, MissingBarrierAfterTheWait) {
  EXPECT_THAT(together("if (blockIndex() == 0) {\n"
                       "  values[threadIndex()] = 1;\n"
                       "  syncThreads();\n"
                       "  if (threadIndex() == 0) signal(counters);\n"
                       "} else {\n"
                       "  if (threadIndex() == 0) waitForCount(counters, 1);\n"
                       "  values[32 + threadIndex()] = values[threadIndex()];\n"
                       "}",
                       2)
                  .error(),
              AnyOf(HasSubstr("block 1, thread 1: reads"), HasSubstr("block 0, thread 1: writes")));
}
TEST(EmulatedCooperative, WaitForTooFew) {
  // Both have signalled when block 2 comes, but it asks for one only.
  EmulatedRun kernel = together("if (blockIndex() < 2) {\n"
                                "  values[blockIndex() * 32 + threadIndex()] = 1;\n"
                                "  syncThreads();\n"
                                "  if (threadIndex() == 0) signal(counters);\n"
                                "  return;\n"
                                "}\n"
                                "if (threadIndex() == 0) waitForCount(counters, 1);\n"
                                "syncThreads();\n"
                                "values[64 + threadIndex()] = values[32 + threadIndex()];",
                                3);
  EXPECT_THAT(kernel.error(), AllOf(HasSubstr("block 2, thread "), HasSubstr(" of block 1 wrote")));
}
TEST(EmulatedCooperative, OverwritesWhatAnotherBlockStillReads) {
  EXPECT_THAT(
      together("if (blockIndex() > 0) {\n"
               "  values[32 * blockIndex() + threadIndex()] = values[threadIndex()];\n"
               "  syncThreads();\n"
               "  if (threadIndex() == 0) signal(counters + blockIndex());\n"
               "} else {\n"
               "  if (threadIndex() == 0) waitForCount(counters + 1, 1);\n"
               "  syncThreads();\n"
               "  values[threadIndex()] = 1;\n"
               "}",
               3)
          .error(),
      AnyOf(AllOf(HasSubstr("block 0, thread 0: writes"), HasSubstr("thread 0 of block 2 read")),
            AllOf(HasSubstr("block 2, thread 0: reads"), HasSubstr("thread 0 of block 0 wrote"))));
}
TEST(EmulatedCooperative, WaitInAnotherLaunch) {
  EmulatedRun kernel = together("if (threadIndex() == 0) waitForCount(counters, 0);", 2);
  kernel.cooperative = false;
  EXPECT_THAT(kernel.error(), HasSubstr("thread 0: waits for a counter, which other blocks of a "
                                        "launch that is not cooperative may never change"));
}
TEST(EmulatedCooperative, MoreBlocksThanRunAtOnce) {
  EmulatedRun kernel = together("", 4);
  EXPECT_THAT(kernel.error(), HasSubstr("kernel test: the blocks of a cooperative launch wait for "
                                        "each other, and of its 4 the emulated sm_80 runs 3 at "
                                        "once"));
  kernel.options.residentBlocks = 4;
  EXPECT_EQ(kernel.error(), "");
}

//===- What a suspended block keeps -----------------------------------------------------------===//

TEST(EmulatedCooperative, SharedMemoryIsItsOwn) {
  for (uint64_t seed : {0, 1, 2, 3}) {
    EmulatedRun kernel =
        together("int *own = (int *)shared;\n"
                 "for (int round = 0; round < 4; ++round) {\n"
                 "  own[threadIndex()] = 100 * blockIndex() + round;\n"
                 "  syncThreads();\n"
                 "  if (threadIndex() == 0) {\n"
                 "    signal(counters);\n"
                 "    waitForCount(counters, 3 * (round + 1));\n"
                 "  }\n"
                 "  syncThreads();\n"
                 "  int value = own[31 - threadIndex()];\n"
                 "  syncThreads();\n"
                 "  if (round == 3) values[32 * blockIndex() + threadIndex()] = value;\n"
                 "}",
                 3, seed);
    EXPECT_EQ(kernel.error(), "");
    EXPECT_EQ(kernel.data[64 + 0], 3);
    EXPECT_EQ(kernel.data[64 + 95], 203);
  }
}
TEST(EmulatedCooperative, SharedMemoryBeginsUnwritten) {
  EXPECT_THAT(together("if (blockIndex() == 0) *shared = 1;\n"
                       "else values[threadIndex()] = *shared;",
                       2)
                  .error(),
              AnyOf(HasSubstr("which nobody has written"), HasSubstr("a race")));
}
TEST(EmulatedCooperative, CopiesInFlight) {
  // Each block starts a copy, waits for the other's signal, and only then for its own copy.
  for (uint64_t seed : {0, 1, 2, 3}) {
    EmulatedRun kernel = together("auto *barrier = (SharedBarrier *)(shared + 512);\n"
                                  "if (threadIndex() == 0) {\n"
                                  "  initBarrier(*barrier, 1);\n"
                                  "  fenceBarriers();\n"
                                  "}\n"
                                  "syncThreads();\n"
                                  "if (threadIndex() == 0) {\n"
                                  "  arriveExpecting(*barrier, 128);\n"
                                  "  copyBulk(shared, values + 32 * blockIndex(), 128, *barrier);\n"
                                  "  signal(counters);\n"
                                  "  waitForCount(counters, 2);\n"
                                  "}\n"
                                  "waitBarrier(*barrier, 0);\n"
                                  "int value = ((int *)shared)[threadIndex()];\n"
                                  "values[64 + 32 * blockIndex() + threadIndex()] = value;",
                                  2, seed);
    kernel.arch = "sm_90a";
    kernel.before = "#include \"kernels/intrinsics_sm90.cuh\"\n";
    for (int i = 0; i < 64; ++i)
      kernel.data[size_t(64 + i)] = i;
    EXPECT_EQ(kernel.error(), "") << seed;
    EXPECT_EQ(kernel.data[128 + 63], 63);
  }
}

//===- Tiles and a loader ---------------------------------------------------------------------===//

/// 256 threads of tiles meet without a loader warp, which waits for the other block and tells them
/// by an mbarrier.
static const char *const tilesAndLoader = R"(
auto *full = (SharedBarrier *)shared, *empty = full + 1;
if (threadIndex() == 0) {
  initBarrier(*full, 1);
  initBarrier(*empty, 1);
}
syncThreads();
for (unsigned round = 0; round < 3; ++round) {
  if (threadIndex() >= 256) {
    if (threadIndex() == 256) {
      if (round > 0) waitBarrier(*empty, (round - 1) % 2);
      waitForCount(counters + 1 - blockIndex(), round);
      arrive(*full);
    }
  } else {
    waitBarrier(*full, round % 2);
    int value = round == 0 ? 1 : values[32 * (1 - blockIndex()) + 64 * ((round - 1) % 2)];
    if (threadIndex() < 32)
      values[32 * blockIndex() + 64 * (round % 2) + threadIndex()] = value + 1;
    syncThreads<256>();
    if (threadIndex() == 0) {
      signal(counters + blockIndex());
      arrive(*empty);
    }
  }
}
)";
static EmulatedRun loaderRun(uint64_t seed) {
  EmulatedRun kernel = together(tilesAndLoader, 2, seed);
  kernel.threads = 288;
  kernel.arch = "sm_90a";
  kernel.before = "#include \"kernels/intrinsics_sm90.cuh\"\n";
  return kernel;
}
TEST(EmulatedCooperative, LoaderWaitsForTheTiles) {
  for (uint64_t seed : {0, 1, 2, 3}) {
    EmulatedRun kernel = loaderRun(seed);
    EXPECT_EQ(kernel.error(), "") << seed;
    EXPECT_EQ(kernel.data[64], 4);
  }
}
TEST(EmulatedCooperative, FencedAtomicsPublishThroughTheFirstThreads) {
  const std::string last = "if (threadIndex() < 256) {\n"
                           "  values[blockIndex()] = 1;\n"
                           "  FENCE\n"
                           "  syncThreads<256>();\n"
                           "  int *old = (int *)shared;\n"
                           "  if (threadIndex() == 0) *old = atomicIncrement(counters);\n"
                           "  syncThreads<256>();\n"
                           "  if (*old == 2) {\n"
                           "    fenceDevice();\n"
                           "    if (threadIndex() == 9) data[200] = values[0] + values[1];\n"
                           "  }\n"
                           "}";
  EmulatedRun kernel = together(last, 3);
  kernel.threads = 288;
  kernel.before = "#define FENCE fenceDevice();";
  kernel.body.replace(kernel.body.find("values[blockIndex()]"), 6,
                      "if (threadIndex() == 40) values");
  EXPECT_EQ(kernel.error(), "");
  kernel.data.assign(256, 0);
  kernel.before = "#define FENCE";
  EXPECT_THAT(kernel.error(), HasSubstr("a race"));
}

//===- A long life ----------------------------------------------------------------------------===//

TEST(EmulatedCooperative, ManyRounds) {
  EmulatedRun kernel = together("for (unsigned round = 0; round < 20000; ++round) {\n"
                                "  syncThreads();\n"
                                "  if (threadIndex() == 0) {\n"
                                "    if (round % 2 == blockIndex()) {\n"
                                "      values[0] += 1;\n"
                                "      signal(counters);\n"
                                "    } else waitForCount(counters, round + 1);\n"
                                "  }\n"
                                "}",
                                2);
  kernel.threads = 2;
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[64], 20000);
}
