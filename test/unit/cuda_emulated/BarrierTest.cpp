//===- BarrierTest.cpp - Barriers, divergence, deadlock ---------------------------------------===//

#include "test/unit/cuda_emulated/EmulatedKernel.h"

using namespace llmopt;
using testing::AllOf;
using testing::HasSubstr;

static std::string errorOf(const std::string &body, int threads = 64) {
  EmulatedRun kernel{body};
  kernel.threads = threads;
  return kernel.error();
}

TEST(EmulatedBarrier, PartOfAWarpEndsWithoutIt) {
  EXPECT_THAT(errorOf("if (threadIndex() < 40) syncThreads();"),
              AllOf(HasSubstr("kernel test: block 0, thread 32: waits at a barrier of the block, "
                              "but thread 40 of its warp has ended"),
                    HasSubstr("body.cu:1")));
}
TEST(EmulatedBarrier, TwoPlaces) {
  EXPECT_THAT(errorOf("if (threadIndex() < 32)\n  syncThreads();\nelse\n  syncThreads();"),
              HasSubstr("kernel test: block 0, thread 32: comes to a barrier of the block while "
                        "thread 0 waits at another one, body.cu:2, at body.cu:4"));
}
TEST(EmulatedBarrier, TwoPlacesOnOneLine) {
  EXPECT_THAT(errorOf("if (threadIndex() < 32) syncThreads(); else syncThreads();"),
              HasSubstr("kernel test: block 0, thread 32: comes to a barrier of the block while "
                        "thread 0 waits at another one, body.cu:1:"));
}
TEST(EmulatedBarrier, OnePlaceInEveryRoundOfALoop) {
  EXPECT_EQ(errorOf("for (int i = 0; i < 4; ++i) syncThreads();"), "");
}
TEST(EmulatedBarrier, WarpsThatHaveEndedAreNotWaitedFor) {
  EXPECT_EQ(errorOf("if (threadIndex() >= 32) return;\nsyncThreads();"), "");
}
TEST(EmulatedBarrier, BlockOfOneThread) { EXPECT_EQ(errorOf("syncThreads();", 1), ""); }
TEST(EmulatedBarrier, BlockOfTheMostThreads) {
  EmulatedRun kernel{"((int *)shared)[threadIndex()] = threadIndex();\nsyncThreads();\n"
                     "if (threadIndex() < 256) data[threadIndex()] = ((int *)shared)[1023];"};
  kernel.threads = 1024;
  kernel.sharedBytes = 4096;
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[0], 1023);
}
TEST(EmulatedBarrier, TooManyThreads) {
  EXPECT_THAT(errorOf("", 1025), HasSubstr("a block of 1025 threads; 1 to 1024 are possible"));
}
TEST(EmulatedBarrier, TooMuchSharedMemory) {
  EmulatedRun kernel{""};
  kernel.sharedBytes = 200 * 1024;
  EXPECT_THAT(kernel.error(), HasSubstr("204800 bytes of shared memory are more than the 166912"));
}

TEST(EmulatedBarrier, WarpMeetsInDifferentOperations) {
  EXPECT_THAT(errorOf("if (threadIndex() % 2) syncWarp(); else shuffleXor(1.0f, 2);"),
              AllOf(HasSubstr("kernel test: block 0, thread"), HasSubstr("a warp diverges"),
                    HasSubstr("thread 0 is at shuffle"), HasSubstr("thread 1 at syncwarp")));
}
TEST(EmulatedBarrier, DeadlockNamesWhoWaits) {
  EXPECT_THAT(errorOf("if (threadIndex() == 0) { syncThreads(); return; } syncWarp();"),
              AllOf(HasSubstr("kernel test: block 0"),
                    HasSubstr("thread 0 waits for the block's "
                              "barrier at body.cu:1"),
                    HasSubstr("nobody goes on")));
}

//===- The first threads of a block -----------------------------------------------------------===//

TEST(EmulatedFirstBarrier, OrdersTheFirstThreadsOnly) {
  const std::string body = "int *values = (int *)shared;\n"
                           "values[threadIndex()] = threadIndex();\n"
                           "if (threadIndex() >= 64) return;\n"
                           "syncThreads<64>();\n"
                           "data[threadIndex()] = values[FROM - threadIndex()];";
  EmulatedRun kernel{body};
  kernel.threads = 96;
  kernel.before = "#define FROM 63";
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[1], 62);
  kernel.before = "#define FROM 95";
  EXPECT_THAT(kernel.error(), HasSubstr("a race"));
}
TEST(EmulatedFirstBarrier, OfAllThreads) {
  EXPECT_EQ(errorOf("int *values = (int *)shared;\nvalues[threadIndex()] = threadIndex();\n"
                    "syncThreads<64>();\ndata[threadIndex()] = values[63 - threadIndex()];"),
            "");
}
TEST(EmulatedFirstBarrier, OthersComeToIt) {
  EXPECT_THAT(errorOf("syncThreads<64>();", 96),
              HasSubstr("thread 64: comes to a barrier of the first 64 threads of the block, at "
                        "body.cu:1"));
}
TEST(EmulatedFirstBarrier, MoreThanTheBlockHas) {
  EXPECT_THAT(errorOf("syncThreads<128>();"),
              HasSubstr("thread 0: comes to a barrier of 128 threads in a block of 64"));
}
TEST(EmulatedFirstBarrier, OneOfThemHasEnded) {
  EXPECT_THAT(errorOf("if (threadIndex() < 32) syncThreads<64>();", 96),
              HasSubstr("thread 0: waits at a barrier of the block, but thread 32 has ended, at "
                        "body.cu:1"));
}
TEST(EmulatedFirstBarrier, OneOfThemNeverComes) {
  EXPECT_THAT(
      errorOf("if (threadIndex() >= 64) return;\n"
              "if (threadIndex() % 64 == 40) syncWarp(); else syncThreads<64>();",
              96),
      AllOf(HasSubstr("waits for the block's barrier at body.cu:2"), HasSubstr("nobody goes on")));
}
TEST(EmulatedFirstBarrier, TwoPlaces) {
  EXPECT_THAT(errorOf("if (threadIndex() < 32)\n  syncThreads<64>();\nelse\n  syncThreads<64>();"),
              HasSubstr("comes to a barrier of the block while thread 0 waits at another one"));
}

//===- Some of the warps ----------------------------------------------------------------------===//

// The machine's own functions, as kernels for sm_90a use them.
static const char *const named = R"(
LLMOPT_UNCHECKED void meet(int id, int count) { machine->syncNamed(id, count, here()); }
LLMOPT_UNCHECKED void arriveOnly(int id, int count) { machine->arriveNamed(id, count, here()); }
)";

static std::string namedError(const std::string &body) {
  EmulatedRun kernel{"int *values = (int *)shared;\n" + body};
  kernel.before = named;
  kernel.threads = 96;
  return kernel.error();
}

TEST(EmulatedNamedBarrier, OfTwoCounts) {
  EXPECT_THAT(namedError("meet(1, threadIndex() < 32 ? 96 : 64);"),
              HasSubstr("thread 32: comes to a named barrier of 64 threads, which is one of 96 for "
                        "others"));
}
TEST(EmulatedNamedBarrier, OrdersThoseThatMeet) {
  EXPECT_EQ(namedError("if (threadIndex() >= 64) return;\n"
                       "values[threadIndex()] = 1;\n"
                       "meet(1, 64);\n"
                       "data[threadIndex()] = values[63 - threadIndex()];"),
            "");
}
TEST(EmulatedNamedBarrier, DoesNotOrderOthers) {
  EXPECT_THAT(namedError("values[threadIndex()] = 1;\n"
                         "if (threadIndex() < 64) meet(1, 64);\n"
                         "if (threadIndex() < 64) data[threadIndex()] = values[95];"),
              HasSubstr("which"));
}
TEST(EmulatedNamedBarrier, ThoseThatOnlyArriveAreHeard) {
  EXPECT_EQ(namedError("if (threadIndex() < 32) {\n"
                       "  values[threadIndex()] = 1;\n"
                       "  arriveOnly(2, 64);\n"
                       "} else if (threadIndex() < 64) {\n"
                       "  meet(2, 64);\n"
                       "  data[threadIndex()] = values[threadIndex() - 32];\n"
                       "}"),
            "");
}
TEST(EmulatedNamedBarrier, ThoseThatOnlyArriveDoNotHear) {
  EXPECT_THAT(namedError("if (threadIndex() >= 32 && threadIndex() < 64) {\n"
                         "  values[threadIndex() - 32] = 1;\n"
                         "  meet(2, 64);\n"
                         "} else if (threadIndex() < 32) {\n"
                         "  arriveOnly(2, 64);\n"
                         "  data[threadIndex()] = values[threadIndex()];\n"
                         "}"),
              HasSubstr("which"));
}
TEST(EmulatedNamedBarrier, TooFewCome) {
  EXPECT_THAT(namedError("if (threadIndex() < 32) meet(3, 64);"),
              AllOf(HasSubstr("thread 0 waits for a named barrier"), HasSubstr("nobody goes on")));
}

//===- Barriers in shared memory --------------------------------------------------------------===//

/// A kernel of two warps with a barrier that has had a phase.
static std::string sharedBarrierError(const std::string &body) {
  EmulatedRun kernel{"auto *barrier = (SharedBarrier *)shared;\n"
                     "if (threadIndex() == 0) initBarrier(*barrier, 64);\n"
                     "syncThreads();\narrive(*barrier);\nwaitBarrier(*barrier, 0);\n"
                     "#line 1 \"body.cu\"\n" +
                     body};
  kernel.threads = 64;
  kernel.arch = "sm_90a";
  kernel.before = "#include \"kernels/intrinsics_sm90.cuh\"\n";
  return kernel.error();
}

TEST(EmulatedSharedBarrier, MemoryOfAnInvalidatedOneIsFree) {
  EXPECT_EQ(sharedBarrierError("syncThreads();\n"
                               "if (threadIndex() == 0) invalidateBarrier(*barrier);\n"
                               "syncThreads();\n"
                               "((int *)shared)[threadIndex()] = threadIndex();\n"
                               "syncThreads();\n"
                               "data[threadIndex()] = ((int *)shared)[63 - threadIndex()];\n"
                               "syncThreads();\n"
                               "if (threadIndex() == 0) initBarrier(*barrier, 32);\n"
                               "syncThreads();\n"
                               "if (threadIndex() < 32) arrive(*barrier);\n"
                               "waitBarrier(*barrier, 0);"),
            "");
}
TEST(EmulatedSharedBarrier, MadeAgainWithoutInvalidation) {
  EXPECT_THAT(sharedBarrierError("syncThreads();\n"
                                 "if (threadIndex() == 0) initBarrier(*barrier, 64);"),
              HasSubstr("thread 0: makes an mbarrier of one that was not invalidated, at "
                        "body.cu:2"));
}
TEST(EmulatedSharedBarrier, UseOfAnInvalidatedOne) {
  EXPECT_THAT(sharedBarrierError("syncThreads();\n"
                                 "if (threadIndex() == 0) invalidateBarrier(*barrier);\n"
                                 "syncThreads();\narrive(*barrier);"),
              HasSubstr("uses an mbarrier that was invalidated or never made, at body.cu:4"));
}
TEST(EmulatedSharedBarrier, InvalidatedWhileOthersMayUseIt) {
  EXPECT_THAT(sharedBarrierError("if (threadIndex() == 0) invalidateBarrier(*barrier);"),
              AllOf(HasSubstr("8 bytes at byte 0 of shared memory"), HasSubstr("a race")));
}
