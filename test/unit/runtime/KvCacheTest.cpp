#include "runtime/engine/KvCache.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

using namespace llmopt;

TEST(KvCache, TakesAPageForEveryPageTokens) {
  KvCache cache(4, 4);
  CachedSequence sequence;
  std::vector<PageCopy> copies;
  ASSERT_TRUE(cache.append(sequence, 5, copies));
  EXPECT_EQ(sequence.pages, (std::vector<int32_t>{0, 1}));
  ASSERT_TRUE(cache.append(sequence, 3, copies));
  EXPECT_EQ(sequence.pages.size(), 2u);
  EXPECT_EQ(sequence.length, 8);
  EXPECT_EQ(cache.freePages(), 2);
  EXPECT_TRUE(copies.empty());
}

TEST(KvCache, ChangesNothingWithoutEnoughPages) {
  KvCache cache(2, 4);
  CachedSequence sequence;
  std::vector<PageCopy> copies;
  ASSERT_TRUE(cache.append(sequence, 6, copies));
  EXPECT_FALSE(cache.append(sequence, 3, copies));
  EXPECT_EQ(sequence.length, 6);
  EXPECT_TRUE(cache.append(sequence, 2, copies));
}

TEST(KvCache, CopiesASharedPartialPageOnce) {
  KvCache cache(8, 4);
  CachedSequence first;
  std::vector<PageCopy> copies;
  ASSERT_TRUE(cache.append(first, 6, copies));
  CachedSequence second = cache.fork(first);
  ASSERT_TRUE(cache.append(second, 1, copies));
  ASSERT_EQ(copies.size(), 1u);
  EXPECT_EQ(copies[0].from, first.pages[1]);
  EXPECT_EQ(copies[0].to, second.pages[1]);
  EXPECT_EQ(first.pages[0], second.pages[0]);
  // The first one has the page for itself now.
  ASSERT_TRUE(cache.append(first, 1, copies));
  EXPECT_EQ(copies.size(), 1u);
}

TEST(KvCache, SharesFullPagesWithoutCopies) {
  KvCache cache(8, 4);
  CachedSequence first;
  std::vector<PageCopy> copies;
  ASSERT_TRUE(cache.append(first, 8, copies));
  CachedSequence second = cache.fork(first);
  ASSERT_TRUE(cache.append(first, 1, copies));
  ASSERT_TRUE(cache.append(second, 1, copies));
  EXPECT_TRUE(copies.empty());
  EXPECT_EQ(first.pages[1], second.pages[1]);
  EXPECT_NE(first.pages[2], second.pages[2]);
  EXPECT_EQ(cache.freePages(), 4);
}

TEST(KvCache, TruncatingGivesPagesBack) {
  KvCache cache(4, 4);
  CachedSequence sequence;
  std::vector<PageCopy> copies;
  ASSERT_TRUE(cache.append(sequence, 13, copies));
  cache.truncate(sequence, 4);
  EXPECT_EQ(sequence.pages.size(), 1u);
  EXPECT_EQ(cache.freePages(), 3);
}

TEST(KvCache, NoPageIsLostOrSharedByChanceInRandomUse) {
  std::mt19937 random(1);
  KvCache cache(32, 4);
  std::vector<CachedSequence> sequences(6);
  std::vector<PageCopy> copies;
  for (int i = 0; i < 5000; ++i) {
    CachedSequence &one = sequences[random() % sequences.size()];
    switch (random() % 3) {
    case 0:
      cache.append(one, 1 + random() % 6, copies);
      break;
    case 1:
      cache.release(one);
      break;
    case 2: {
      CachedSequence &other = sequences[random() % sequences.size()];
      if (&one != &other) {
        cache.release(one);
        one = cache.fork(other);
      }
    }
    }
    std::set<int32_t> held;
    for (const CachedSequence &sequence : sequences) {
      EXPECT_EQ(static_cast<int64_t>(sequence.pages.size()), cache.pagesFor(sequence.length));
      held.insert(sequence.pages.begin(), sequence.pages.end());
    }
    ASSERT_EQ(static_cast<int64_t>(held.size()), cache.pageCount() - cache.freePages());
  }
}
