#include "runtime/engine/Scheduler.h"

#include <gtest/gtest.h>

#include <map>

using namespace llmopt;

namespace {
struct SchedulerTest : testing::Test {
  /// Computes a step and gives each finished sequence of `width` 1 one more token.
  ScheduledStep advance() {
    ScheduledStep step = scheduler.next();
    for (const ScheduledRun &run : step.runs) {
      Sequence &sequence = scheduler.group(run.group).sequences[run.sequence];
      if (sequence.pending() == 0)
        sequence.tokens.push_back(9);
    }
    return step;
  }
  static std::string show(const ScheduledStep &step) {
    std::string text;
    for (const ScheduledRun &run : step.runs)
      text += fmt::format("{}.{}[{}+{}] ", run.group, run.sequence, run.first, run.count);
    return text;
  }
  static std::vector<int32_t> tokens(int64_t count) { return std::vector<int32_t>(count, 1); }

  KvCache cache{8, 4};
  Scheduler scheduler{{8, 6}, cache};
};
} // namespace

TEST_F(SchedulerTest, CutsAPromptIntoChunks) {
  scheduler.add(0, tokens(14), 1);
  EXPECT_EQ(show(advance()), "0.0[0+6] ");
  EXPECT_EQ(show(advance()), "0.0[6+6] ");
  EXPECT_EQ(show(advance()), "0.0[12+2] ");
  EXPECT_EQ(show(advance()), "0.0[14+1] ");
}

TEST_F(SchedulerTest, DecodesComeBeforePromptsInOneStep) {
  scheduler.add(0, tokens(3), 1);
  advance();
  scheduler.add(1, tokens(9), 1);
  EXPECT_EQ(show(advance()), "0.0[3+1] 1.0[0+6] ");
  EXPECT_EQ(show(advance()), "0.0[4+1] 1.0[6+3] ");
  EXPECT_EQ(show(advance()), "0.0[5+1] 1.0[9+1] ");
}

TEST_F(SchedulerTest, SharesTheBudgetInOrderOfArrival) {
  scheduler.add(0, tokens(5), 1);
  scheduler.add(1, tokens(5), 1);
  EXPECT_EQ(show(advance()), "0.0[0+5] 1.0[0+3] ");
  EXPECT_EQ(show(advance()), "0.0[5+1] 1.0[3+2] ");
}

TEST_F(SchedulerTest, AGroupWaitsUntilItsPromptFits) {
  scheduler.add(0, tokens(20), 1); // 5 of 8 pages
  scheduler.add(1, tokens(16), 1); // 4
  scheduler.add(2, tokens(1), 1);  // would fit, but waits for its turn
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(show(advance()).find("1."), std::string::npos);
  scheduler.remove(0);
  EXPECT_EQ(show(advance()), "1.0[0+6] 2.0[0+1] ");
}

TEST_F(SchedulerTest, TheLastArrivedGivesUpItsPages) {
  scheduler.add(0, tokens(4), 1);
  scheduler.add(1, tokens(4), 1);
  while (scheduler.preemptions() == 0)
    advance();
  EXPECT_TRUE(scheduler.group(1).sequences[0].cache.pages.empty());
  EXPECT_FALSE(scheduler.group(0).sequences[0].cache.pages.empty());
  int64_t computed = static_cast<int64_t>(scheduler.group(1).sequences[0].tokens.size());
  scheduler.remove(0);
  // All of its tokens are computed again, those generated too.
  EXPECT_EQ(show(advance()), "1.0[0+6] ");
  while (scheduler.group(1).sequences[0].cache.length < computed)
    advance();
  EXPECT_EQ(static_cast<int64_t>(scheduler.group(1).sequences[0].tokens.size()), computed + 1);
}

TEST_F(SchedulerTest, SequencesOfAGroupComputeTheirLastTokensTogether) {
  scheduler.add(0, tokens(5), 3);
  advance();
  std::vector<Sequence> &sequences = scheduler.group(0).sequences;
  sequences.push_back({sequences[0].tokens, cache.fork(sequences[0].cache)});
  EXPECT_EQ(show(scheduler.next()), "0.0[5+1] 0.1[5+1] ");
  // Both lost their pages: first all but the last tokens, in chunks.
  for (Sequence &sequence : sequences) {
    sequence.tokens = tokens(7);
    cache.release(sequence.cache);
  }
  EXPECT_EQ(show(scheduler.next()), "0.0[0+6] 0.1[0+2] ");
  EXPECT_EQ(show(scheduler.next()), "0.1[2+4] ");
  EXPECT_EQ(show(scheduler.next()), "0.0[6+1] 0.1[6+1] ");
}

TEST_F(SchedulerTest, EveryStepFitsAndEveryGroupEnds) {
  for (int64_t id = 0; id < 12; ++id)
    scheduler.add(id, tokens(1 + id * 7 % 13), 1);
  std::map<int64_t, int64_t> generated;
  for (int step = 0; !scheduler.empty(); ++step) {
    ASSERT_LT(step, 2000);
    ScheduledStep now = advance();
    int64_t rows = 0;
    for (const ScheduledRun &run : now.runs)
      rows += run.count;
    ASSERT_GE(rows, 1);
    ASSERT_LE(rows, 8);
    for (const ScheduledRun &run : now.runs) {
      const Sequence &sequence = scheduler.group(run.group).sequences[0];
      if (sequence.pending() == 1 && ++generated[run.group] == 12)
        scheduler.remove(run.group);
    }
  }
  EXPECT_EQ(cache.freePages(), cache.pageCount());
}

TEST_F(SchedulerTest, AssumedTokensTakePagesAndAreNotComputed) {
  scheduler.add(0, tokens(14), 1, /*assumed=*/12);
  scheduler.add(1, tokens(16), 1, /*assumed=*/12);
  EXPECT_EQ(show(advance()), "0.0[12+2] 1.0[12+4] ");
  EXPECT_EQ(cache.freePages(), 0);
}
