#include "runtime/engine/StopText.h"

#include <gtest/gtest.h>

using namespace llmopt;

static std::string through(StopText stop, const std::vector<std::string> &pieces) {
  std::string text;
  for (const std::string &piece : pieces)
    text += stop.push(piece) + "|";
  return text + stop.flush();
}

TEST(StopText, PassesTextWithoutStops) { EXPECT_EQ(through(StopText({}), {"a", "b"}), "a|b|"); }

TEST(StopText, CutsAtAStopInsideAPiece) {
  EXPECT_EQ(through(StopText({"END"}), {"abENDcd", "e"}), "ab||");
}

TEST(StopText, CutsAtAStopOverSeveralPieces) {
  EXPECT_EQ(through(StopText({"\n\nQ:"}), {"a\n", "\n", "Q", ":b"}), "a||||");
}

TEST(StopText, HandsOutWhatWasNoStop) {
  EXPECT_EQ(through(StopText({"abc"}), {"xab", "d", "ab"}), "x|abd||ab");
}

TEST(StopText, TheFirstOfSeveralStopsCounts) {
  EXPECT_EQ(through(StopText({"late", "mid"}), {"a mid late"}), "a |");
}

TEST(StopText, FindsAStopThatOverlapsItsOwnBeginning) {
  EXPECT_EQ(through(StopText({"aab"}), {"aa", "a", "b"}), "|a||");
}

TEST(StopText, EverySplitGivesTheSame) {
  std::string text = "one two END three";
  for (size_t i = 0; i <= text.size(); ++i) {
    for (size_t j = i; j <= text.size(); ++j) {
      StopText stop({"END", "o END"});
      std::string result = stop.push(text.substr(0, i));
      result += stop.push(text.substr(i, j - i));
      result += stop.push(text.substr(j));
      result += stop.flush();
      EXPECT_EQ(result, "one tw") << i << " " << j;
      EXPECT_TRUE(stop.stopped());
    }
  }
}

TEST(StopText, AnEmptyStopNeverStops) { EXPECT_EQ(through(StopText({""}), {"ab"}), "ab|"); }
