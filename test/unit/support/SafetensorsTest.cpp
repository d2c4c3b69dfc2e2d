//===- SafetensorsTest.cpp - Headers that the format forbids ----------------------------------===//
//
// What is refused and what is read is as in Hugging Face's own parser (safetensors 0.8), but for a
// name that is there twice: the format forbids it, that parser takes the last.
//
//===------------------------------------------------------------------------------------------===//

#include "support/Safetensors.h"

#include <gtest/gtest.h>

using namespace llmopt;

static std::string errorOf(const std::string &header, uint64_t dataBytes = 4) {
  std::map<std::string, SafetensorsEntry> tensors;
  std::map<std::string, std::string> metadata;
  Status status = parseSafetensorsHeader(header, dataBytes, "x", tensors, metadata);
  return status ? "" : status.error().message();
}

/// A tensor of bytes.
static std::string bytes(int begin, int end) {
  return fmt::format(R"({{"dtype": "U8", "shape": [{}], "data_offsets": [{}, {}]}})", end - begin,
                     begin, end);
}

TEST(Safetensors, TensorsInAnyOrderAreRead) {
  EXPECT_EQ(errorOf(fmt::format(R"({{"b": {}, "a": {}}})", bytes(2, 4), bytes(0, 2))), "");
  EXPECT_EQ(errorOf(fmt::format(R"( {{"a": {}}}  )", bytes(0, 4))), "");
  EXPECT_EQ(errorOf("{}", 0), "");
}

TEST(Safetensors, EmptyTensorsLieBetweenOthers) {
  EXPECT_EQ(errorOf(fmt::format(R"({{"a": {}, "b": {}, "c": {}}})", bytes(0, 4), bytes(4, 4),
                                bytes(0, 0))),
            "");
  EXPECT_EQ(errorOf(fmt::format(R"({{"a": {}, "b": {}}})", bytes(0, 4), bytes(2, 2))),
            "x: tensors 'a' and 'b' overlap");
}

TEST(Safetensors, ANameThatIsThereTwiceIsRefused) {
  EXPECT_EQ(errorOf(fmt::format(R"({{"a": {0}, "a": {0}}})", bytes(0, 4))),
            "x: the header has the key 'a' twice");
}

TEST(Safetensors, TrailingBytesAreRefused) {
  EXPECT_EQ(errorOf(fmt::format(R"({{"a": {}}})", bytes(0, 4)), 7),
            "x: the last 3 bytes are no tensor's");
  EXPECT_EQ(errorOf("{}", 1), "x: the last 1 bytes are no tensor's");
}

TEST(Safetensors, HolesAreRefused) {
  EXPECT_EQ(errorOf(fmt::format(R"({{"a": {}, "b": {}}})", bytes(0, 2), bytes(3, 4))),
            "x: 1 bytes before tensor 'b' are no tensor's");
  EXPECT_EQ(errorOf(fmt::format(R"({{"a": {}}})", bytes(1, 4))),
            "x: 1 bytes before tensor 'a' are no tensor's");
}

TEST(Safetensors, OverlapsAreRefused) {
  EXPECT_EQ(errorOf(fmt::format(R"({{"a": {}, "b": {}}})", bytes(0, 3), bytes(2, 4))),
            "x: tensors 'a' and 'b' overlap");
}

TEST(Safetensors, MetadataIsTexts) {
  std::string tensor = bytes(0, 4);
  EXPECT_EQ(errorOf(fmt::format(R"({{"__metadata__": null, "a": {}}})", tensor)), "");
  EXPECT_EQ(errorOf(fmt::format(R"({{"__metadata__": {{"f": "pt"}}, "a": {}}})", tensor)), "");
  EXPECT_EQ(errorOf(fmt::format(R"({{"__metadata__": {{"f": 1}}, "a": {}}})", tensor)),
            "x: __metadata__ has 'f', which is not a string");
}

TEST(Safetensors, ALongNameIsCut) {
  EXPECT_EQ(errorOf(fmt::format(R"({{"{}": 1}})", std::string(1000, 'n'))),
            fmt::format("x: tensor '{}...' is not a JSON object", std::string(80, 'n')));
}
