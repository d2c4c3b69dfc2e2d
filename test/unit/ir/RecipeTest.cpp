//===- RecipeTest.cpp - Recipes against values written out ------------------------------------===//

#include "test/unit/ir/IrTest.h"

#include "ir/weights/FloatConversion.h"
#include "support/FloatTypes.h"
#include "support/RandomWeights.h"

#include <cmath>
#include <numeric>

namespace llmopt::test {
namespace {

using testing::ElementsAre;

/// A module of one weight @w of `type`, whose recipe ends in %r.
std::string weight(const std::string &type, const std::string &recipe) {
  return fmt::format("llm.weight @w : {0} {{\n{1}\nllm.yield %r : {0}\n}}", type, recipe);
}

/// @a: 4x3 of 0, 1, ..., 11; @b: 2x3 of 100, ..., 105; @v: 4 of 0, 1, 2, 3.
MemorySource smallSource() {
  MemorySource source;
  std::vector<float> a(12), b(6);
  std::iota(a.begin(), a.end(), 0.0f);
  std::iota(b.begin(), b.end(), 100.0f);
  source.add("a", {4, 3}, a);
  source.add("b", {2, 3}, b);
  source.add("v", {4}, {0, 1, 2, 3});
  return source;
}

std::vector<float> evaluate(const std::string &text, const TensorSource &source) {
  auto module = parse(text);
  auto recipe = Recipe::create(onlyWeight(*module), &source);
  EXPECT_TRUE(recipe) << recipe.error().message();
  return recipe ? recipe->evaluate(/*threads=*/1) : std::vector<float>();
}

TEST(Recipe, LoadsAMatrix) {
  EXPECT_THAT(
      evaluate(weight("tensor<2x3xf32>", "%r = llm.load \"b\" : tensor<2x3xf32>"), smallSource()),
      ElementsAre(100, 101, 102, 103, 104, 105));
}

TEST(Recipe, LoadsAVector) {
  EXPECT_THAT(
      evaluate(weight("tensor<4xf32>", "%r = llm.load \"v\" : tensor<4xf32>"), smallSource()),
      ElementsAre(0, 1, 2, 3));
}

TEST(Recipe, TakesBlocksOfRows) {
  EXPECT_THAT(evaluate(weight("tensor<2x3xf32>", R"(
      %0 = llm.load "a" : tensor<4x3xf32>
      %r = llm.rows %0 [offset = 1, block = 1, stride = 2, count = 2]
          : (tensor<4x3xf32>) -> tensor<2x3xf32>)"),
                       smallSource()),
              ElementsAre(3, 4, 5, 9, 10, 11));
}

TEST(Recipe, TakesElementsOfAVector) {
  EXPECT_THAT(evaluate(weight("tensor<2xf32>", R"(
      %0 = llm.load "v" : tensor<4xf32>
      %r = llm.rows %0 [offset = 2, block = 2, stride = 0, count = 1]
          : (tensor<4xf32>) -> tensor<2xf32>)"),
                       smallSource()),
              ElementsAre(2, 3));
}

TEST(Recipe, PutsTensorsBelowEachOther) {
  EXPECT_THAT(evaluate(weight("tensor<6x3xf32>", R"(
      %0 = llm.load "a" : tensor<4x3xf32>
      %1 = llm.load "b" : tensor<2x3xf32>
      %r = llm.concat %1, %0 : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<6x3xf32>)"),
                       smallSource()),
              ElementsAre(100, 101, 102, 103, 104, 105, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
}

TEST(Recipe, ExchangesRowsAndColumns) {
  EXPECT_THAT(evaluate(weight("tensor<3x4xf32>", R"(
      %0 = llm.load "a" : tensor<4x3xf32>
      %r = llm.transpose %0 : (tensor<4x3xf32>) -> tensor<3x4xf32>)"),
                       smallSource()),
              ElementsAre(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11));
}

TEST(Recipe, FillsWithARoundedValue) {
  EXPECT_THAT(
      evaluate(weight("tensor<3xbf16>", "%r = llm.fill {value = 1.001 : f64} : tensor<3xbf16>"),
               smallSource()),
      ElementsAre(1, 1, 1));
}

TEST(Recipe, RoundsACastAndKeepsItRounded) {
  MemorySource source;
  source.add("x", {3}, {1.00390625f, 1.01171875f, 1e30f});
  EXPECT_THAT(evaluate(weight("tensor<3xf32>", R"(
      %0 = llm.load "x" : tensor<3xf32>
      %1 = llm.cast %0 : (tensor<3xf32>) -> tensor<3xbf16>
      %r = llm.cast %1 : (tensor<3xbf16>) -> tensor<3xf32>)"),
                       source),
              ElementsAre(1, 1.015625f, bfloat16ToFloat(floatToBfloat16(1e30f))));
}

TEST(Recipe, WidensStoredLowPrecisionExactly) {
  MemorySource source;
  const uint16_t bits[] = {0x3c01, 0x8001, 0x7bff};
  source.add("x", TensorSource::Type::F16, {3}, bits, sizeof bits);
  EXPECT_THAT(evaluate(weight("tensor<3xf32>", R"(
      %0 = llm.load "x" : tensor<3xf16>
      %r = llm.cast %0 : (tensor<3xf16>) -> tensor<3xf32>)"),
                       source),
              ElementsAre(1.0009765625f, -0x1p-24f, 65504.0f));
}

TEST(Recipe, MakesRandomValuesByElement) {
  auto values =
      evaluate(weight("tensor<2x3xf32>", "%r = llm.random {seed = 7 : i64, mean = 0.5 : f64, "
                                         "deviation = 2.0 : f64} : tensor<2x3xf32>"),
               smallSource());
  for (uint64_t i = 0; i < 6; ++i)
    EXPECT_EQ(values[i], randomWeight(7, i, 0.5f, static_cast<float>(std::sqrt(3.0) * 2.0)));
}

TEST(Recipe, EvaluatesAnyTileLikeTheWhole) {
  MemorySource source = smallSource();
  auto module = parse(weight("tensor<10x4xbf16>", R"(
      %a = llm.load "a" : tensor<4x3xf32>
      %t = llm.transpose %a : (tensor<4x3xf32>) -> tensor<3x4xf32>
      %z = llm.random {seed = 3 : i64, mean = 0.0 : f64, deviation = 1.0 : f64} : tensor<9x4xf32>
      %s = llm.rows %z [offset = 1, block = 2, stride = 3, count = 3]
          : (tensor<9x4xf32>) -> tensor<6x4xf32>
      %f = llm.fill {value = 2.0 : f64} : tensor<1x4xf32>
      %c = llm.concat %t, %s, %f
          : (tensor<3x4xf32>, tensor<6x4xf32>, tensor<1x4xf32>) -> tensor<10x4xf32>
      %r = llm.cast %c : (tensor<10x4xf32>) -> tensor<10x4xbf16>)"));
  auto recipe = Recipe::create(onlyWeight(*module), &source);
  ASSERT_TRUE(recipe) << recipe.error().message();
  std::vector<float> whole = recipe->evaluate(1);
  for (int64_t r0 = 0; r0 < 10; ++r0)
    for (int64_t r1 = r0 + 1; r1 <= 10; ++r1)
      for (int64_t c0 = 0; c0 < 4; ++c0)
        for (int64_t c1 = c0 + 1; c1 <= 4; ++c1) {
          std::vector<float> tile((r1 - r0) * (c1 - c0));
          recipe->evaluateTile({r0, r1, c0, c1}, TensorSource::Type::F32, tile.data());
          for (int64_t r = r0; r < r1; ++r)
            for (int64_t c = c0; c < c1; ++c)
              ASSERT_EQ(tile[(r - r0) * (c1 - c0) + c - c0], whole[r * 4 + c]);
        }
}

TEST(Recipe, WritesItsOwnTypeDirectly) {
  MemorySource source;
  const uint16_t bits[] = {1, 2, 3, 4};
  source.add("x", TensorSource::Type::BF16, {2, 2}, bits, sizeof bits);
  auto module = parse(weight("tensor<2x2xbf16>", "%r = llm.load \"x\" : tensor<2x2xbf16>"));
  auto recipe = Recipe::create(onlyWeight(*module), &source);
  ASSERT_TRUE(recipe);
  uint16_t out[2];
  recipe->evaluateTile({0, 2, 1, 2}, TensorSource::Type::BF16, out);
  EXPECT_THAT(out, ElementsAre(2, 4));
}

TEST(Recipe, NamesATensorOfAnotherShape) {
  auto module = parse(weight("tensor<2x4xbf16>", "%r = llm.load \"b\" : tensor<2x4xbf16>"));
  MemorySource source = smallSource();
  EXPECT_EQ(messageOf(checkRecipe(onlyWeight(*module), &source)),
            "weight @w: tensor 'b' is 2x3xf32 in test.safetensors, expected 2x4xbf16");
}

TEST(Recipe, NamesAMissingTensor) {
  auto module = parse(weight("tensor<2xf32>", "%r = llm.load \"c\" : tensor<2xf32>"));
  MemorySource source = smallSource();
  EXPECT_EQ(messageOf(checkRecipe(onlyWeight(*module), &source)),
            "weight @w: test.safetensors has no tensor 'c'");
}

TEST(Recipe, NeedsACheckpointToLoadFrom) {
  auto module = parse(weight("tensor<2xf32>", "%r = llm.load \"c\" : tensor<2xf32>"));
  EXPECT_EQ(messageOf(checkRecipe(onlyWeight(*module), nullptr)),
            "weight @w: tensor 'c' is to be loaded, but there is no checkpoint");
}

//===- Random rows ----------------------------------------------------------------------------===//

const std::string randomA =
    "%a = llm.random {seed = 1 : i64, mean = 0.0 : f64, deviation = 1.0 : f64} "
    ": tensor<4x2xf32>\n";
const std::string randomB =
    "%b = llm.random {seed = 2 : i64, mean = 0.5 : f64, deviation = 0.1 : f64} "
    ": tensor<2x2xf32>\n";

/// randomRows, checked to give the recipe's own values.
std::optional<std::vector<RandomRows>> reduce(const std::string &text) {
  auto module = parse(text);
  auto rows = randomRows(onlyWeight(*module));
  if (!rows)
    return rows;
  auto recipe = Recipe::create(onlyWeight(*module), nullptr);
  EXPECT_TRUE(recipe);
  std::vector<float> expected = recipe->evaluate(1);
  size_t next = 0;
  for (const RandomRows &part : *rows)
    for (int64_t i = 0; i < part.rows * recipe->columns(); ++i)
      EXPECT_EQ(roundToType(recipe->type(), randomWeight(part.seed, i, part.mean, part.scale)),
                expected.at(next++));
  EXPECT_EQ(next, expected.size());
  return rows;
}

TEST(RandomRows, SeesThroughCastConcatAndPack) {
  auto rows = reduce(
      weight("tensor<6x2xbf16, #llm.packed<panel = 4, interleave = 2>>", randomA + randomB + R"(
      %c = llm.concat %a, %b : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<6x2xf32>
      %d = llm.cast %c : (tensor<6x2xf32>) -> tensor<6x2xbf16>
      %r = llm.pack %d : (tensor<6x2xbf16>)
          -> tensor<6x2xbf16, #llm.packed<panel = 4, interleave = 2>>)"));
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[0].rows, 4);
  EXPECT_EQ((*rows)[1].seed, 2u);
  EXPECT_EQ((*rows)[1].mean, 0.5f);
}

TEST(RandomRows, TakesTheFirstRowsOfASegment) {
  auto rows = reduce(weight("tensor<5x2xf32>", randomA + randomB + R"(
      %c = llm.concat %b, %a : (tensor<2x2xf32>, tensor<4x2xf32>) -> tensor<6x2xf32>
      %r = llm.rows %c [offset = 0, block = 5, stride = 0, count = 1]
          : (tensor<6x2xf32>) -> tensor<5x2xf32>)"));
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[1].rows, 3);
}

TEST(RandomRows, RefusesTheMiddleOfASegment) {
  EXPECT_FALSE(reduce(weight("tensor<2x2xf32>", randomA + R"(
      %r = llm.rows %a [offset = 1, block = 2, stride = 0, count = 1]
          : (tensor<4x2xf32>) -> tensor<2x2xf32>)")));
}

TEST(RandomRows, TakesConstantsFromAnywhere) {
  auto rows = reduce(weight("tensor<4x2xf32>", R"(
      %a = llm.fill {value = 3.0 : f64} : tensor<8x2xf32>
      %r = llm.rows %a [offset = 1, block = 2, stride = 4, count = 2]
          : (tensor<8x2xf32>) -> tensor<4x2xf32>)"));
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ((*rows)[0].rows, 4);
  EXPECT_EQ((*rows)[0].mean, 3.0f);
  EXPECT_EQ((*rows)[0].scale, 0.0f);
}

TEST(RandomRows, RefusesToRoundTwice) {
  EXPECT_FALSE(reduce(weight("tensor<4x2xf32>", randomA + R"(
      %b = llm.cast %a : (tensor<4x2xf32>) -> tensor<4x2xbf16>
      %r = llm.cast %b : (tensor<4x2xbf16>) -> tensor<4x2xf32>)")));
}

TEST(RandomRows, RoundsConstantsOnTheWay) {
  auto rows = reduce(weight("tensor<2xf32>", R"(
      %a = llm.fill {value = 1.001 : f64} : tensor<2xbf16>
      %r = llm.cast %a : (tensor<2xbf16>) -> tensor<2xf32>)"));
  ASSERT_TRUE(rows);
  EXPECT_EQ((*rows)[0].mean, 1.0f);
}

TEST(RandomRows, RefusesATransposedOrLoadedWeight) {
  EXPECT_FALSE(reduce(weight("tensor<2x4xf32>", randomA + R"(
      %r = llm.transpose %a : (tensor<4x2xf32>) -> tensor<2x4xf32>)")));
  auto module = parse(weight("tensor<2x3xf32>", "%r = llm.load \"b\" : tensor<2x3xf32>"));
  EXPECT_FALSE(randomRows(onlyWeight(*module)));
}

//===- Quantized weights ----------------------------------------------------------------------===//

/// @w: 3x96 of values with both signs, in groups of 32.
MemorySource wavySource() {
  MemorySource source;
  std::vector<float> values(3 * 96);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(static_cast<float>(i)) * static_cast<float>(1 + i / 32);
  source.add("w", {3, 96}, values);
  return source;
}

const char *const quantizedType = "tensor<3x96x!llm.quantized<u4, group = 32, scale = f16>>";

std::string quantized() {
  return weight(quantizedType, fmt::format(R"(
      %0 = llm.load "w" : tensor<3x96xf32>
      %r = llm.quantize %0 : (tensor<3x96xf32>) -> {})",
                                           quantizedType));
}

TEST(QuantizedRecipe, ItsValuesAreThoseOfItsCodes) {
  MemorySource source = wavySource();
  auto module = parse(quantized());
  auto recipe = Recipe::create(onlyWeight(*module), &source);
  ASSERT_TRUE(recipe) << recipe.error().message();
  ASSERT_TRUE(recipe->format());
  std::vector<uint8_t> codes(3 * 96);
  std::vector<QuantGroup> groups(3 * 3);
  recipe->encode(0, 3, codes.data(), groups.data());
  std::vector<float> values = recipe->evaluate(/*threads=*/1);
  auto tensor = source.find("w");
  const auto *exact = reinterpret_cast<const float *>(tensor->data);
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(values[i], dequantize(QuantCode::U4, groups[i / 32], codes[i])) << i;
    EXPECT_NEAR(values[i], exact[i], 1.01f * groups[i / 32].scale) << i;
  }
}

TEST(QuantizedRecipe, APartOfAGroupIsOfTheWholeGroupsScale) {
  MemorySource source = wavySource();
  auto module = parse(quantized());
  auto recipe = Recipe::create(onlyWeight(*module), &source);
  ASSERT_TRUE(recipe);
  std::vector<float> whole = recipe->evaluate(1), part(2 * 50);
  recipe->evaluateTile({1, 3, 30, 80}, TensorSource::Type::F32, part.data());
  for (int row = 0; row < 2; ++row)
    for (int column = 0; column < 50; ++column)
      EXPECT_EQ(part[row * 50 + column], whole[(row + 1) * 96 + column + 30]);
}

TEST(QuantizedRecipe, RowsAndConcatenationsKeepCodes) {
  MemorySource source = wavySource();
  const std::string type = "!llm.quantized<u4, group = 32, scale = f16>";
  auto module = parse(weight(fmt::format("tensor<4x96x{}>", type), fmt::format(R"(
      %0 = llm.load "w" : tensor<3x96xf32>
      %1 = llm.quantize %0 : (tensor<3x96xf32>) -> tensor<3x96x{0}>
      %2 = llm.rows %1 [offset = 2, block = 1, stride = 1, count = 1]
          : (tensor<3x96x{0}>) -> tensor<1x96x{0}>
      %r = llm.concat %2, %1 : (tensor<1x96x{0}>, tensor<3x96x{0}>) -> tensor<4x96x{0}>)",
                                                                               type)));
  auto recipe = Recipe::create(onlyWeight(*module), &source);
  ASSERT_TRUE(recipe) << recipe.error().message();
  std::vector<uint8_t> codes(4 * 96);
  std::vector<QuantGroup> groups(4 * 3);
  recipe->encode(0, 4, codes.data(), groups.data());
  for (int i = 0; i < 96; ++i)
    EXPECT_EQ(codes[i], codes[3 * 96 + i]);
  EXPECT_EQ(groups[0].scale, groups[3 * 3].scale);
  EXPECT_FALSE(randomRows(onlyWeight(*module)));
}

} // namespace
} // namespace llmopt::test
