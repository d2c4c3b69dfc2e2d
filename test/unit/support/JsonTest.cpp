//===- JsonTest.cpp - Where a document is no JSON ---------------------------------------------===//

#include "support/Json.h"

#include <gtest/gtest.h>

using namespace llmopt;

static std::string mistakeIn(std::string_view text) {
  auto json = parseJson(text, "x.json");
  return json ? "" : json.error().message();
}

TEST(Json, AMistakeHasItsPlace) {
  EXPECT_EQ(mistakeIn("{\"a\": 1,\n \"b\": NaN}"),
            "x.json is not valid JSON: line 2, column 7: unexpected 'NaN'");
  EXPECT_EQ(mistakeIn("{\"a\": -Infinity}"),
            "x.json is not valid JSON: line 1, column 7: unexpected '-Infinity'");
  EXPECT_EQ(mistakeIn("[1,]"), "x.json is not valid JSON: line 1, column 4: unexpected ']'");
  EXPECT_EQ(mistakeIn("[1] 2"), "x.json is not valid JSON: line 1, column 5: unexpected '2'");
}

TEST(Json, ANumberTooLargeIsNamed) {
  EXPECT_EQ(mistakeIn("{\"a\": 1e400}"),
            "x.json is not valid JSON: line 1, column 7: too large a number, '1e400'");
}

TEST(Json, AByteThatIsNotUtf8IsEscaped) {
  EXPECT_EQ(mistakeIn("[\"a\xFF\"]"),
            "x.json is not valid JSON: line 1, column 4: unexpected '\\xFF'");
  EXPECT_EQ(mistakeIn("[\"a\nb\"]"),
            "x.json is not valid JSON: line 1, column 4: unexpected '\\n'");
}

TEST(Json, ATruncatedDocumentEndsTooEarly) {
  for (const char *text : {"", "{", "{\"a\"", "[1, ", "\"abc"})
    EXPECT_EQ(mistakeIn(text), "x.json is not valid JSON: it ends too early") << text;
}

TEST(Json, ARepeatedKeyIsAnErrorOnlyWhereItMatters) {
  const char *text = R"({"a": {"b": 1, "c": 2}, "d": {"b": 3, "b": 4}})";
  EXPECT_EQ(mistakeIn(text), "");
  auto json = parseUniqueJson(text, "x.json");
  ASSERT_FALSE(json);
  EXPECT_EQ(json.error().message(), "x.json has the key 'b' twice");
  EXPECT_TRUE(parseUniqueJson(R"([{"a": 1}, {"a": 2}])", "x.json"));
}
