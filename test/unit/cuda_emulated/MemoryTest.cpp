//===- MemoryTest.cpp - Bounds, initialization, alignment, asynchronous copies ----------------===//

#include "test/unit/cuda_emulated/EmulatedKernel.h"

using namespace llmopt;
using testing::AllOf;
using testing::HasSubstr;

static std::string errorOf(const std::string &body) { return EmulatedRun{body}.error(); }

TEST(EmulatedMemory, StorePastGlobalMemory) {
  EXPECT_THAT(errorOf("data[256 + threadIndex()] = 1;"),
              AllOf(HasSubstr("kernel test: block 0, thread 0: writes 4 bytes at byte 1024 of "
                              "parameter 0, which has 1024"),
                    HasSubstr("no memory that the launch may touch")));
}
TEST(EmulatedMemory, StoreBeforeGlobalMemory) {
  EXPECT_THAT(errorOf("if (threadIndex() == 5) data[-2] = 1;"),
              AllOf(HasSubstr("block 0, thread 5: writes 4 bytes at 8 bytes before parameter 0")));
}
TEST(EmulatedMemory, LoadPastGlobalMemory) {
  EXPECT_THAT(errorOf("data[threadIndex()] = data[threadIndex() + 230];"),
              HasSubstr("block 0, thread 26: reads 4 bytes at byte 1024 of parameter 0"));
}
TEST(EmulatedMemory, AccessAcrossTheEnd) {
  EXPECT_THAT(errorOf("struct __attribute__((packed)) Odd { int value; };\n"
                      "if (threadIndex() == 0) ((Odd *)((char *)data + 1022))->value = 1;"),
              HasSubstr("beyond its 1024 bytes"));
}
TEST(EmulatedMemory, StorePastSharedMemory) {
  EXPECT_THAT(errorOf("((int *)shared)[256 + threadIndex()] = 1;"),
              HasSubstr("block 0, thread 0: writes 4 bytes at byte 1024 of shared memory, beyond "
                        "its 1024 bytes"));
}
TEST(EmulatedMemory, StorePastSharedMemoryIsFoundAfterwardsWithoutChecks) {
  EmulatedRun kernel{"((int *)shared)[256 + threadIndex()] = 1;"};
  kernel.options.checks = false;
  EXPECT_THAT(kernel.error(), HasSubstr("byte 1024 of shared memory was written"));
}
TEST(EmulatedMemory, ReadOfSharedMemoryThatNobodyWrote) {
  EXPECT_THAT(errorOf("if (threadIndex() == 3) data[0] = ((int *)shared)[7];"),
              HasSubstr("kernel test: block 0, thread 3: reads 4 bytes at byte 28 of shared "
                        "memory, which nobody has written, at body.cu:1"));
}
TEST(EmulatedMemory, SharedMemoryOfTheBlockBeforeIsGone) {
  EmulatedRun kernel{"if (blockIndex() == 0) ((int *)shared)[threadIndex()] = 1;\n"
                     "else data[threadIndex()] = ((int *)shared)[threadIndex()];"};
  kernel.blocks = 2;
  EXPECT_THAT(kernel.error(), HasSubstr("block 1, thread 0: reads"));
}
TEST(EmulatedMemory, MisalignedPiece) {
  EXPECT_THAT(errorOf("data[threadIndex()] = ((const Piece *)(data + 1))->words[0];"),
              AllOf(HasSubstr("block 0, thread 0: byte 4 of parameter 0 is not aligned to 16"),
                    HasSubstr("body.cu:1")));
}
TEST(EmulatedMemory, VariablesAndConstantsOfTheModule) {
  EmulatedRun kernel{"static constexpr int table[] = {3, 1, 4, 1, 5};\n"
                     "counts[threadIndex()] = table[threadIndex() % 5];\n"
                     "data[threadIndex()] = counts[threadIndex()];"};
  kernel.before = "__device__ int counts[32];";
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[7], 4);
}
TEST(EmulatedMemory, StoreToMemoryThatMayOnlyBeRead) {
  EmulatedRun kernel{"if (threadIndex() == 4) data[0] = data[1];"};
  kernel.writable = false;
  EXPECT_THAT(
      kernel.error(),
      HasSubstr("thread 4: writes 4 bytes at byte 0 of parameter 0, which may only be read"));
}

//===- Asynchronous copies --------------------------------------------------------------------===//

TEST(EmulatedCopy, ArrivesWithTheWait) {
  EmulatedRun kernel{"copyAsync(shared + threadIndex() * 16, data + threadIndex() * 4, true);\n"
                     "commitCopies();\n"
                     "waitCopies<0>();\n"
                     "data[threadIndex() * 4] = ((int *)shared)[threadIndex() * 4 + 1];"};
  kernel.data[17] = 9;
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[16], 9);
}
TEST(EmulatedCopy, ReadBeforeTheWait) {
  EXPECT_THAT(errorOf("copyAsync(shared + threadIndex() * 16, data, true);\n"
                      "commitCopies();\n"
                      "data[threadIndex() + 8] = ((int *)shared)[threadIndex() * 4];"),
              HasSubstr("thread 0: reads 4 bytes at byte 0 of shared memory, which an asynchronous "
                        "operation of thread 0 is still going to write, at body.cu:3"));
}
TEST(EmulatedCopy, WaitForTooFewGroups) {
  EXPECT_THAT(errorOf("for (int i = 0; i < 2; ++i) {\n"
                      "  copyAsync(shared + threadIndex() * 16 + i * 512, data, true);\n"
                      "  commitCopies();\n"
                      "}\n"
                      "waitCopies<1>();\n"
                      "data[threadIndex() + 8] = ((int *)shared)[threadIndex() * 4 + 128];"),
              HasSubstr("still going to write"));
}
TEST(EmulatedCopy, OthersNeedABarrierAfterTheWait) {
  EXPECT_THAT(errorOf("if (threadIndex() == 0) copyAsync(shared, data, true);\n"
                      "commitCopies();\n"
                      "waitCopies<0>();\n"
                      "if (threadIndex() == 1) data[threadIndex() + 8] = ((int *)shared)[0];"),
              HasSubstr("thread 1: reads 4 bytes at byte 0 of shared memory, which thread 0 wrote "
                        "and nothing orders the two: a race, at body.cu:4"));
}
TEST(EmulatedCopy, Misaligned) {
  EXPECT_THAT(errorOf("copyAsync(shared + threadIndex() * 8, data, true);"),
              AllOf(HasSubstr("thread 1: byte 8 of shared memory is not aligned to 16 bytes"),
                    HasSubstr("body.cu:1")));
}
TEST(EmulatedCopy, ZerosReadNothing) {
  EmulatedRun kernel{"copyAsync(shared + threadIndex() * 16, data + 1000000, false);\n"
                     "commitCopies();\n"
                     "waitCopies<0>();\n"
                     "data[threadIndex()] = ((int *)shared)[threadIndex() * 4];"};
  kernel.data.assign(256, 5);
  EXPECT_EQ(kernel.error(), "");
  EXPECT_EQ(kernel.data[31], 0);
}
TEST(EmulatedCopy, SourceOutOfBounds) {
  EXPECT_THAT(errorOf("copyAsync(shared + threadIndex() * 16, data + 1024, true);"),
              HasSubstr("thread 0: reads 16 bytes at byte 4096 of parameter 0"));
}
TEST(EmulatedCopy, OverwrittenWhileOthersRead) {
  EXPECT_THAT(errorOf("((int *)shared)[threadIndex()] = 1;\n"
                      "syncThreads();\n"
                      "int value = ((int *)shared)[31 - threadIndex()];\n"
                      "data[threadIndex()] = value;\n"
                      "if (threadIndex() < 8)\n"
                      "  copyAsync(shared + threadIndex() * 16, data + 128, true);"),
              AllOf(HasSubstr("writes 16 bytes"), HasSubstr("a race")));
}
