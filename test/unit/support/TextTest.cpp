//===- TextTest.cpp - Messages stay one line that can be printed ------------------------------===//

#include "support/Error.h"

#include <gtest/gtest.h>

using namespace llmopt;

TEST(Text, Utf8IsKept) { EXPECT_EQ(printable("tensor 'Größe ▁ 🙂'"), "tensor 'Größe ▁ 🙂'"); }

TEST(Text, ControlCharactersAreEscaped) {
  EXPECT_EQ(printable(std::string_view("a\nb\tc\x1B[31m\0d\x7F", 13)),
            "a\\nb\\tc\\x1B[31m\\x00d\\x7F");
  EXPECT_EQ(printable("\xC2\x9B"), "\\xC2\\x9B");
}

TEST(Text, WhatIsNotUtf8IsEscapedByteByByte) {
  EXPECT_EQ(printable("\xFFz\xC0\xAF"), "\\xFFz\\xC0\\xAF");
  EXPECT_EQ(printable("\xED\xA0\x80"), "\\xED\\xA0\\x80");
  EXPECT_EQ(printable("\xE2\x96"), "\\xE2\\x96");
}

TEST(Text, ALongNameIsCutBetweenCharacters) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "abc...");
  EXPECT_EQ(shortened("a▁b", 3), "a...");
}

TEST(Text, AnErrorIsOneLine) {
  EXPECT_EQ(makeError("no '{}'", "a\nb").within("x\xFE").message(), "x\\xFE: no 'a\\nb'");
}
