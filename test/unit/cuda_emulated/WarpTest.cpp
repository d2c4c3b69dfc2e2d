//===- WarpTest.cpp - What a warp does together, waiting, and what happens by itself ----------===//

#include "test/unit/cuda_emulated/EmulatedKernel.h"

using namespace llmopt;
using testing::AllOf;
using testing::HasSubstr;

TEST(EmulatedWarp, ShuffleXor) {
  EmulatedRun kernel{"data[threadIndex()] = (int)shuffleXor((float)threadIndex(), 5);"};
  kernel.threads = 64;
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[0], 5);
  EXPECT_EQ(kernel.data[38], 35);
}

static const char *const machineFunctions = R"(
LLMOPT_UNCHECKED int shuffle(int value, int source, unsigned mask) {
  return int(machine->shuffle(uint64_t(value), source, mask, here()));
}
LLMOPT_UNCHECKED unsigned vote(bool value, unsigned mask) {
  return machine->ballot(value, mask, here());
}
)";

static EmulatedRun withMachine(const std::string &body) {
  EmulatedRun kernel{body};
  kernel.before = machineFunctions;
  return kernel;
}

TEST(EmulatedWarp, ShuffleOfHalfAWarp) {
  EmulatedRun kernel = withMachine(
      "unsigned mask = threadIndex() < 16 ? 0xffffu : 0xffff0000u;\n"
      "data[threadIndex()] = shuffle(threadIndex(), threadIndex() < 16 ? 3 : 20, mask);");
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[15], 3);
  EXPECT_EQ(kernel.data[16], 20);
}
TEST(EmulatedWarp, ShuffleFromALaneThatIsNotThere) {
  EXPECT_THAT(withMachine("if (threadIndex() < 16) shuffle(1, 20, 0xffffu);").error(),
              HasSubstr("takes a value of lane 20, which gives none"));
}
TEST(EmulatedWarp, LaneOutsideItsMask) {
  EXPECT_THAT(withMachine("shuffle(1, 0, 0xffffu);").error(),
              HasSubstr("thread 16: is not among the lanes 0x0000ffff"));
}
TEST(EmulatedWarp, VoteWithoutLanesThatHaveEnded) {
  EmulatedRun kernel = withMachine("if (threadIndex() >= 24) return;\n"
                                   "data[threadIndex()] = int(vote(threadIndex() % 2, ~0u));");
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[0], 0x00aaaaaa);
}
TEST(EmulatedWarp, ProductNeedsAllLanes) {
  EXPECT_THAT(EmulatedRun{"if (threadIndex() == 31) return;\n"
                          "float sums[4] = {};\nunsigned a[4] = {}, b[2] = {};\n"
                          "multiplyBfloats(sums, a, b);"}
                  .error(),
              HasSubstr("thread 0: mma.bf16 needs thread 31, which has ended, at body.cu:4"));
}
TEST(EmulatedWarp, ProductOfMatrices) {
  // a[row][k] = row, b[k][column] = column: the sum is 16 row column.
  EmulatedRun kernel{"int g = laneIndex() / 4, t = laneIndex() % 4;\n"
                     "unsigned low = floatsToHalves(g, g), high = floatsToHalves(g + 8, g + 8);\n"
                     "unsigned a[4] = {low, high, low, high}, b[2] = {low, low};\n"
                     "float sums[4] = {};\n"
                     "multiplyHalves(sums, a, b);\n"
                     "data[g * 8 + 2 * t] = int(sums[0]);\n"
                     "data[g * 8 + 2 * t + 1] = int(sums[1]);\n"
                     "data[(g + 8) * 8 + 2 * t] = int(sums[2]);\n"
                     "data[(g + 8) * 8 + 2 * t + 1] = int(sums[3]);"};
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[3 * 8 + 5], 16 * 15);
  EXPECT_EQ(kernel.data[15 * 8 + 7], 16 * 105);
}
TEST(EmulatedWarp, MatricesOfSharedMemory) {
  EmulatedRun kernel{
      "for (int i = 0; i < 8; ++i)\n"
      "  ((unsigned short *)shared)[threadIndex() * 8 + i] = threadIndex() * 8 + i;\n"
      "syncWarp();\n"
      "unsigned to[4];\n"
      "loadMatrices(to, shared + threadIndex() * 16);\n"
      "data[threadIndex()] = to[2] & 0xffff;\n"
      "loadMatricesTransposed(to, shared + threadIndex() * 16);\n"
      "data[threadIndex() + 32] = to[0] >> 16;"};
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[9], 2 * 64 + 2 * 8 + 2);       // matrix 2, row 2, column 2
  EXPECT_EQ(kernel.data[32 + 9], (2 * 1 + 1) * 8 + 2); // row 3, column 2
}

//===- Waiting, and what happens by itself ----------------------------------------------------===//

/// A barrier in shared memory that a copy ends, as mbarriers do it.
static const char *const bulk = R"(
struct Copy {
  void *to; const void *from; int *done;
  LLMOPT_UNCHECKED static void make(void *self) {
    auto *copy = static_cast<Copy *>(self);
    machine->closeWrite(copy->to, 64, copy->done);
    std::memcpy(copy->to, copy->from, 64);
    *copy->done = 1;
  }
};
LLMOPT_UNCHECKED void start(char *to, const int *from, int *done) {
  machine->read(from, 64, 16, here());
  machine->openWrite(to, 64, 16, here());
  Copy copy{to, from, done};
  machine->defer(done, Copy::make, &copy, sizeof copy);
}
LLMOPT_UNCHECKED bool isDone(const void *done) { return *static_cast<const int *>(done) == 1; }
LLMOPT_UNCHECKED void wait(int *done) {
  machine->waitUntil(isDone, done, "the copy", here());
  machine->acquire(done);
}
)";

static EmulatedRun bulkRun(const std::string &body) {
  EmulatedRun kernel{"int *done = (int *)(shared + 512);\n" + body};
  kernel.before = bulk;
  for (int i = 0; i < 256; ++i)
    kernel.data[size_t(i)] = i;
  return kernel;
}

TEST(EmulatedDeferred, HappensWhenItIsWaitedFor) {
  EmulatedRun kernel = bulkRun("if (threadIndex() == 0) start(shared, data, done);\n"
                               "wait(done);\n"
                               "data[32 + threadIndex()] = ((int *)shared)[threadIndex() % 16];");
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[32 + 20], 4);
}
TEST(EmulatedDeferred, NotBefore) {
  EXPECT_THAT(bulkRun("if (threadIndex() == 0) start(shared, data, done);\n"
                      "syncThreads();\n"
                      "data[32 + threadIndex()] = ((int *)shared)[threadIndex() % 16];")
                  .error(),
              HasSubstr("still going to write"));
}
TEST(EmulatedDeferred, OnlyThoseThatWaitedKnow) {
  EXPECT_THAT(bulkRun("if (threadIndex() == 0) start(shared, data, done);\n"
                      "if (threadIndex() == 1) wait(done);\n"
                      "syncWarp();\n"
                      "if (threadIndex() == 0) start(shared + 64, data, done + 1);\n"
                      "if (threadIndex() == 2) wait(done + 1);\n"
                      "if (threadIndex() == 3) { wait(done); data[40] = *(int *)(shared + 64); }")
                  .error(),
              AllOf(HasSubstr("thread 3: reads"), HasSubstr("byte 64 of shared memory")));
}
TEST(EmulatedDeferred, DeadlockSaysWhatIsWaitedFor) {
  EXPECT_THAT(bulkRun("wait(done);").error(),
              AllOf(HasSubstr("thread 0 waits for the copy"), HasSubstr("nobody goes on")));
}

static const char *const lateReads = R"(
LLMOPT_UNCHECKED void fence() { machine->fenceAsyncSide(); }
LLMOPT_UNCHECKED void open(const char *from) { machine->openRead(from, 64, 16, here()); }
LLMOPT_UNCHECKED void close(const char *from) { machine->closeRead(from, 64); }
)";

TEST(EmulatedDeferred, OperandsMayNotBeWrittenBeforeTheyAreRead) {
  EmulatedRun kernel{"((int *)shared)[threadIndex()] = 1;\n"
                     "fence();\n"
                     "syncThreads();\n"
                     "if (threadIndex() == 0) open(shared);\n"
                     "if (threadIndex() == 0) ((int *)shared)[15] = 2;\n"
                     "if (threadIndex() == 0) close(shared);"};
  kernel.before = lateReads;
  EXPECT_THAT(kernel.error(),
              AllOf(HasSubstr("thread 0: writes 4 bytes at byte 60 of shared memory"),
                    HasSubstr("an asynchronous operation is still going to read")));
}
TEST(EmulatedDeferred, OperandsMayBeWrittenAfterwards) {
  EmulatedRun kernel{"((int *)shared)[threadIndex()] = 1;\n"
                     "fence();\n"
                     "syncThreads();\n"
                     "if (threadIndex() == 0) { open(shared); close(shared); }\n"
                     "if (threadIndex() == 0) ((int *)shared)[15] = 2;"};
  kernel.before = lateReads;
  EXPECT_EQ(kernel.error(), "");
}
