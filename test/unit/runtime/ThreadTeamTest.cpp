#include "runtime/devices/cpu/ThreadTeam.h"

#include <gtest/gtest.h>

using namespace llmopt;

TEST(ThreadTeam, EveryThreadRunsEveryRegionOnce) {
  for (int threads : {1, 2, 3, 8}) {
    auto team = ThreadTeam::create(threads);
    ASSERT_TRUE(team);
    std::vector<int> counts(threads, 0);
    for (int region = 0; region < 300; ++region)
      (*team)->run([&](int thread) { ++counts[thread]; });
    EXPECT_EQ(counts, std::vector<int>(threads, 300));
  }
}

TEST(ThreadTeam, NoThreadPassesABarrierBeforeAllHaveReachedIt) {
  // More threads than most machines have cores: waiting threads must give way.
  for (int threads : {2, 5, 16}) {
    auto team = ThreadTeam::create(threads);
    ASSERT_TRUE(team);
    std::atomic<int> arrived{0};
    std::atomic<int> mistakes{0};
    (*team)->run([&](int thread) {
      for (int round = 1; round <= 200; ++round) {
        ++arrived;
        (*team)->barrier(thread);
        if (arrived != round * threads)
          ++mistakes;
        (*team)->barrier(thread);
      }
    });
    EXPECT_EQ(mistakes, 0);
  }
}

TEST(ThreadTeam, WakesThreadsThatHaveGoneToSleep) {
  auto team = ThreadTeam::create(3);
  ASSERT_TRUE(team);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    std::atomic<int> ran{0};
    (*team)->run([&](int thread) {
      if (thread == 1)
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
      (*team)->barrier(thread);
      ++ran;
    });
    EXPECT_EQ(ran, 3);
  }
}

TEST(ThreadTeam, RefusesNoThreads) {
  EXPECT_FALSE(ThreadTeam::create(0));
  EXPECT_FALSE(ThreadTeam::create(100000));
}
