//===- FaultTest.cpp - What would end the program ends the launch -----------------------------===//

#include "test/unit/cuda_emulated/EmulatedKernel.h"

#include <cfenv>
#include <csignal>
#include <pthread.h>

using namespace llmopt;
using testing::AllOf;
using testing::HasSubstr;

static std::string errorOf(const std::string &before, const std::string &body, bool checks) {
  EmulatedRun kernel{body};
  kernel.before = before;
  kernel.options.checks = checks;
  return kernel.error();
}

// Calls of itself, of which the compiler makes no loop.
static const char *const recursion = R"(
__attribute__((noinline)) int deep(int *data, int depth) {
  volatile int values[64];
  values[depth % 64] = data[0];
  return depth == 0 ? 0 : deep(data, depth - 1) + values[depth % 64];
}
)";

class EmulatedFault : public testing::TestWithParam<bool> {};

TEST_P(EmulatedFault, StackThatIsTooSmall) {
  std::string body = "if (threadIndex() == 7) data[0] = deep(data, 100000);";
  EXPECT_THAT(errorOf(recursion, body, GetParam()),
              HasSubstr("kernel test: block 0, thread 7: needs more than the 262144 bytes of its "
                        "stack"));
}
TEST_P(EmulatedFault, FrameThatIsLargerThanTheStack) {
  std::string body = "volatile char values[1 << 20];\n"
                     "if (threadIndex() == 3) values[data[0]] = 1;";
  EXPECT_THAT(errorOf("", body, GetParam()),
              AllOf(HasSubstr("kernel test: block 0, thread "),
                    HasSubstr("needs more than the 262144 bytes of its stack")));
}
TEST_P(EmulatedFault, IndexFarPastAnArrayOfTheThread) {
  std::string body = "volatile int values[4];\n"
                     "if (threadIndex() == 5) values[1L << 44] = 1;";
  EXPECT_THAT(errorOf("", body, GetParam()),
              AllOf(HasSubstr("kernel test: block 0, thread 5: "), HasSubstr("body.cu:2")));
}
TEST_P(EmulatedFault, DivisionByZero) {
  std::string body = "if (threadIndex() == 9) data[0] = 7 / data[1];";
  EXPECT_THAT(errorOf("", body, GetParam()),
              AllOf(HasSubstr("kernel test: block 0, thread 9: divides an integer by zero"),
                    HasSubstr("body.cu:1")));
}
TEST_P(EmulatedFault, DivisionByAConstantZero) {
  std::string body = "int zero = 0;\nif (threadIndex() == 3) data[0] = data[1] / zero;";
  EXPECT_THAT(errorOf("", body, GetParam()), HasSubstr("kernel test: block 0, thread 3: "));
}
TEST_P(EmulatedFault, WhileTheSignalIsBlocked) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  std::string error = errorOf("", "if (threadIndex() == 9) data[0] = 7 / data[1];", GetParam());
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, &before, &after);
  EXPECT_THAT(error, HasSubstr("thread 9: divides"));
  EXPECT_EQ(sigismember(&after, SIGFPE), 1);
}
TEST_P(EmulatedFault, TheNextLaunchIsAsGoodAsEver) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_NE(errorOf(recursion, "data[0] = deep(data, 100000);", GetParam()), "");
    EXPECT_EQ(errorOf("", "if (threadIndex() == 0) data[0] = 1;", GetParam()), "");
  }
}
INSTANTIATE_TEST_SUITE_P(Checks, EmulatedFault, testing::Bool(),
                         [](auto &info) { return info.param ? "On" : "Off"; });

static int signalsSeen = 0;

TEST(EmulatedFault, HandlersOfTheProgramStay) {
  struct sigaction own{}, before{}, after{};
  own.sa_handler = [](int) { ++signalsSeen; };
  sigaction(SIGFPE, &own, &before);
  EXPECT_NE(errorOf("", "data[0] = 7 / data[1];", true), "");
  EXPECT_EQ(signalsSeen, 0);
  raise(SIGFPE);
  EXPECT_EQ(signalsSeen, 1);
  sigaction(SIGFPE, &before, &after);
  EXPECT_EQ(after.sa_handler, own.sa_handler);
}
TEST(EmulatedFault, RoundingStays) {
  std::fesetround(FE_UPWARD);
  EXPECT_NE(errorOf("", "data[0] = 7 / data[1];", true), "");
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  std::fesetround(FE_TONEAREST);
}
TEST(EmulatedFault, NullWithoutChecks) {
  EXPECT_THAT(errorOf("", "if (threadIndex() == 2) *(volatile int *)nullptr = 1;", false),
              HasSubstr("kernel test: block 0, thread 2: touches an address that is none"));
}
