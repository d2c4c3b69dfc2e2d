//===- QuantizationTest.cpp - Rounding to nearest against its formulas ------------------------===//

#include "support/Quantization.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace llmopt;
using testing::ElementsAre;

namespace {
struct Quantized {
  QuantGroup group;
  std::vector<uint8_t> codes;
  std::vector<float> values;
};

Quantized quantize(const QuantFormat &format, const std::vector<float> &values) {
  Quantized result;
  result.codes.resize(values.size());
  result.group = quantizeGroup(format, values.data(), int64_t(values.size()), result.codes.data());
  for (uint8_t code : result.codes)
    result.values.push_back(dequantize(format.code, result.group, code));
  return result;
}
} // namespace

TEST(Quantization, EightBitsOfTheLargestMagnitude) {
  Quantized q = quantize({QuantCode::I8, 0, ScaleType::F32}, {0, 127, -63.5f, 1.4f, -127});
  EXPECT_EQ(q.group.scale, 1);
  EXPECT_THAT(q.codes, ElementsAre(128, 255, 64, 129, 1)) << "of two as near the even one";
  EXPECT_THAT(q.values, ElementsAre(0, 127, -64, 1, -127));
}

TEST(Quantization, FourBitsUseAllCodesOnTheSideOfTheLargest) {
  Quantized q = quantize({QuantCode::I4, 32, ScaleType::F16}, {8, -7, 1, 0.4f});
  EXPECT_EQ(q.group.scale, -1);
  EXPECT_THAT(q.codes, ElementsAre(0, 15, 7, 8));
  EXPECT_THAT(q.values, ElementsAre(8, -7, 1, 0));
  q = quantize({QuantCode::I4, 32, ScaleType::F16}, {7.6f, -8});
  EXPECT_THAT(q.values, ElementsAre(7, -8)) << "there is no 8 on this side";
}

TEST(Quantization, AZeroPointTakesTheWholeRange) {
  Quantized q = quantize({QuantCode::U4, 32, ScaleType::F32}, {-3, 12, 0, 4.6f});
  EXPECT_EQ(q.group.scale, 1);
  EXPECT_EQ(q.group.zero, 3);
  EXPECT_THAT(q.codes, ElementsAre(0, 15, 3, 8));
  EXPECT_THAT(q.values, ElementsAre(-3, 12, 0, 5));
  q = quantize({QuantCode::U8, 32, ScaleType::F32}, {255, 100});
  EXPECT_EQ(q.group.zero, 0) << "0 is in the range, whatever the values";
  EXPECT_THAT(q.values, ElementsAre(255, 100));
}

TEST(Quantization, TablesHaveTheirLargestAtOne) {
  Quantized q = quantize({QuantCode::Nf4, 64, ScaleType::F32}, {2, -2, 0, 0.15f, 0.88f});
  EXPECT_THAT(q.codes, ElementsAre(15, 0, 7, 8, 12));
  EXPECT_FLOAT_EQ(q.values[4], 2 * 0.44070982933044434f);
  q = quantize({QuantCode::Fp4, 64, ScaleType::F32}, {3, -1.5f, 0, -2.1f});
  EXPECT_THAT(q.codes, ElementsAre(3, 13, 0, 10));
}

TEST(Quantization, CodesAreChosenForTheRoundedScale) {
  // 1/127 is no float16: the codes make up for what it is off.
  Quantized q = quantize({QuantCode::I8, 32, ScaleType::F16}, {1, 0.5f});
  EXPECT_EQ(q.group.scale, roundScale(ScaleType::F16, 1.0f / 127));
  EXPECT_LT(std::fabs(q.values[1] - 0.5f), q.group.scale / 2 + 1e-7f);
}

TEST(Quantization, NoValueIsFurtherThanHalfAStep) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.1f, 1);
  for (auto [code, steps] : {std::pair(QuantCode::I8, 127.0f), std::pair(QuantCode::U8, 255.0f),
                             std::pair(QuantCode::U4, 15.0f)}) {
    std::vector<float> values(128);
    for (float &value : values)
      value = normal(random);
    auto [low, high] = std::minmax_element(values.begin(), values.end());
    const bool symmetric = code == QuantCode::I8;
    const float range = symmetric ? std::max(*high, -*low) : *high - *low;
    Quantized q = quantize({code, 128, ScaleType::F32}, values);
    // The zero point is rounded too, which shifts the range by half a step at most.
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_LE(std::fabs(q.values[i] - values[i]), range / steps * (symmetric ? 0.501f : 1.001f))
          << toString(code);
  }
}

TEST(Quantization, NothingButZerosStaysSo) {
  for (QuantCode code :
       {QuantCode::I8, QuantCode::U8, QuantCode::I4, QuantCode::U4, QuantCode::Nf4, QuantCode::Fp4})
    EXPECT_THAT(quantize({code, 32, ScaleType::F16}, {0, 0, -0.0f}).values, ElementsAre(0, 0, 0))
        << toString(code);
}

TEST(Quantization, WhatIsNotFiniteIsNotHidden) {
  for (QuantCode code : {QuantCode::I8, QuantCode::U4, QuantCode::Nf4})
    for (float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 3e38f})
      for (float value : quantize({code, 32, ScaleType::F16}, {1, bad, 0}).values)
        EXPECT_TRUE(std::isnan(value)) << toString(code) << " of " << bad;
}

TEST(Quantization, CodesHaveNames) {
  EXPECT_EQ(parseQuantCode("u4"), QuantCode::U4);
  EXPECT_EQ(parseQuantCode("i5"), std::nullopt);
}
