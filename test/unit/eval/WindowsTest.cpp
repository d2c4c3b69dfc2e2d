#include "runtime/eval/Windows.h"

#include <gmock/gmock.h>

#include <tuple>

using namespace llmopt;
using testing::ElementsAre;
using testing::IsEmpty;

using Triple = std::tuple<int64_t, int64_t, int64_t>;

/// Begin, first scored and end of each window.
static std::vector<Triple> cut(int64_t tokens, int64_t context, int64_t stride) {
  std::vector<Triple> triples;
  for (const Window &window : cutWindows(tokens, context, stride))
    triples.emplace_back(window.begin, window.scored, window.end);
  return triples;
}

TEST(Windows, OneAfterTheOtherScoreAllButTheFirstTokens) {
  EXPECT_THAT(cut(10, 4, 4), ElementsAre(Triple(0, 1, 4), Triple(4, 5, 8), Triple(8, 9, 10)));
}

TEST(Windows, AWindowOfOneTokenScoresNothing) {
  EXPECT_THAT(cut(9, 4, 4), ElementsAre(Triple(0, 1, 4), Triple(4, 5, 8)));
  EXPECT_THAT(cut(8, 4, 4), ElementsAre(Triple(0, 1, 4), Triple(4, 5, 8)));
}

TEST(Windows, OverlappingOnesScoreWhatNoEarlierOneScored) {
  EXPECT_THAT(cut(10, 4, 2),
              ElementsAre(Triple(0, 1, 4), Triple(2, 4, 6), Triple(4, 6, 8), Triple(6, 8, 10)));
  EXPECT_THAT(cut(5, 4, 1), ElementsAre(Triple(0, 1, 4), Triple(1, 4, 5)));
  EXPECT_THAT(cut(8, 4, 3), ElementsAre(Triple(0, 1, 4), Triple(3, 4, 7), Triple(6, 7, 8)));
}

TEST(Windows, AShortTextIsOneWindow) {
  EXPECT_THAT(cut(3, 8, 8), ElementsAre(Triple(0, 1, 3)));
  EXPECT_THAT(cut(3, 8, 1), ElementsAre(Triple(0, 1, 3)));
  EXPECT_THAT(cut(1, 8, 8), IsEmpty());
  EXPECT_THAT(cut(0, 8, 8), IsEmpty());
}

TEST(Windows, EveryTokenButTheFirstIsScoredOnceWhateverTheStride) {
  for (int64_t stride = 1; stride < 7; ++stride) {
    int64_t next = 1;
    for (const Window &window : cutWindows(50, 7, stride)) {
      EXPECT_EQ(window.scored, next) << stride;
      EXPECT_LE(window.end - window.begin, 7);
      next = window.end;
    }
    EXPECT_EQ(next, 50);
  }
}
