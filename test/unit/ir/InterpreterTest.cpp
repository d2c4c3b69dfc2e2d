//===- InterpreterTest.cpp - Every op against values computed by hand -------------------------===//

#include "test/unit/ir/IrTest.h"

#include <cmath>

namespace llmopt::test {
namespace {

using Tensor = Interpreter::Tensor;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;

/// Calls @f of a module that loads nothing.
Result<std::vector<Tensor>> callF(const std::string &text, const std::vector<Tensor> &arguments,
                                  Interpreter::Options options = {}, const RaggedBatch &batch = {},
                                  KvState *cache = nullptr) {
  auto module = parse(text);
  KvState own;
  LLMOPT_ASSIGN(Interpreter interpreter, Interpreter::create(*module, nullptr, options));
  return interpreter.call("f", arguments, batch, cache ? *cache : own);
}

/// A function of one op: `signature` is its type, `op` the op on %0, %1, ... without its type.
std::string oneOp(const std::string &op, const std::vector<std::string> &types,
                  const std::string &result) {
  std::string arguments, list;
  for (size_t i = 0; i < types.size(); ++i) {
    arguments += fmt::format("{}%a{}: {}", i ? ", " : "", i, types[i]);
    list += (i ? ", " : "") + types[i];
  }
  return fmt::format(
      "func.func @f({0}) -> {2} {{\n  %r = {1} : ({3}) -> {2}\n  return %r : {2}\n}}", arguments,
      op, result, list);
}

void expectNear(const Result<std::vector<Tensor>> &results, const std::vector<double> &expected,
                double tolerance = 1e-6) {
  ASSERT_TRUE(results) << results.error().message();
  ASSERT_EQ(results->size(), 1u);
  EXPECT_THAT(results->front().values, Pointwise(DoubleNear(tolerance), expected));
}

void expectExactly(const Result<std::vector<Tensor>> &results,
                   const std::vector<double> &expected) {
  ASSERT_TRUE(results) << results.error().message();
  ASSERT_EQ(results->size(), 1u);
  EXPECT_EQ(results->front().values, expected);
}

//===- Pointwise ------------------------------------------------------------------------------===//

TEST(Interpreter, AddsElementByElement) {
  auto results =
      callF(oneOp("llm.add %a0, %a1", {"tensor<?x2xf32>", "tensor<?x2xf32>"}, "tensor<?x2xf32>"),
            {{{2, 2}, {1, 2, 3, 4}}, {{2, 2}, {10, 20, 30, 40}}});
  expectExactly(results, {11, 22, 33, 44});
  EXPECT_THAT(results->front().shape, ElementsAre(2, 2));
}

TEST(Interpreter, MultipliesElementByElement) {
  expectExactly(
      callF(oneOp("llm.mul %a0, %a1", {"tensor<?x2xf32>", "tensor<?x2xf32>"}, "tensor<?x2xf32>"),
            {{{1, 2}, {3, 4}}, {{1, 2}, {5, -6}}}),
      {15, -24});
}

TEST(Interpreter, RoundsALowPrecisionSumOnce) {
  // 1 + 2^-8 lies between the bfloat16 values 1 and 1 + 2^-7, at equal distance: to even.
  std::string text =
      oneOp("llm.add %a0, %a1", {"tensor<?x2xf32>", "tensor<?x2xf32>"}, "tensor<?x2xbf16>");
  std::vector<Tensor> arguments = {{{1, 2}, {1, 1}}, {{1, 2}, {0x1p-8, 0x1.8p-8}}};
  expectExactly(callF(text, arguments), {1, 1.0078125});
  expectExactly(callF(text, arguments, {Interpreter::Arithmetic::Float64}), {1, 1.0078125});
}

TEST(Interpreter, RoundsADoubleToLowPrecisionOnce) {
  // Just above the tie: rounded to float32 first it would become the tie, and then 1.
  std::string text =
      oneOp("llm.add %a0, %a1", {"tensor<?x1xf32>", "tensor<?x1xf32>"}, "tensor<?x1xbf16>");
  expectExactly(callF(text, {{{1, 1}, {1.00390625}}, {{1, 1}, {0x1p-40}}},
                      {Interpreter::Arithmetic::Float64}),
                {1.0078125});
}

TEST(Interpreter, KeepsDoublesOfFloat32Results) {
  std::string text =
      oneOp("llm.add %a0, %a1", {"tensor<?x1xf32>", "tensor<?x1xf32>"}, "tensor<?x1xf32>");
  std::vector<Tensor> arguments = {{{1, 1}, {1}}, {{1, 1}, {0x1p-40}}};
  expectExactly(callF(text, arguments), {1});
  expectExactly(callF(text, arguments, {Interpreter::Arithmetic::Float64}), {1 + 0x1p-40});
}

TEST(Interpreter, EvaluatesGelu) {
  expectNear(callF(oneOp("llm.activation gelu %a0", {"tensor<?x3xf32>"}, "tensor<?x3xf32>"),
                   {{{1, 3}, {-1, 0, 2}}}),
             {-0.15865525, 0, 1.95449974});
}

TEST(Interpreter, EvaluatesGeluTanh) {
  expectNear(callF(oneOp("llm.activation gelu_tanh %a0", {"tensor<?x3xf32>"}, "tensor<?x3xf32>"),
                   {{{1, 3}, {-1, 0, 2}}}),
             {-0.15880801, 0, 1.95459769});
}

TEST(Interpreter, EvaluatesSilu) {
  expectNear(callF(oneOp("llm.activation silu %a0", {"tensor<?x3xf32>"}, "tensor<?x3xf32>"),
                   {{{1, 3}, {-1, 0, 2}}}),
             {-0.26894142, 0, 1.76159416});
}

TEST(Interpreter, EvaluatesRelu) {
  expectExactly(callF(oneOp("llm.activation relu %a0", {"tensor<?x3xf32>"}, "tensor<?x3xf32>"),
                      {{{1, 3}, {-1, 0, 2}}}),
                {0, 0, 2});
}

TEST(Interpreter, CastsToNearestEven) {
  expectExactly(callF(oneOp("llm.cast %a0", {"tensor<?x3xf32>"}, "tensor<?x3xf16>"),
                      {{{1, 3}, {1.00048828125, 1.00146484375, 70000}}}),
                {1, 1.001953125, INFINITY});
}

//===- Linear ---------------------------------------------------------------------------------===//

TEST(Interpreter, MultipliesByTheTransposedWeight) {
  expectExactly(
      callF(oneOp("llm.linear %a0, %a1", {"tensor<?x2xf32>", "tensor<3x2xf32>"}, "tensor<?x3xf32>"),
            {{{2, 2}, {1, 2, 3, 4}}, {{3, 2}, {1, 0, 0, 1, 1, -1}}}),
      {1, 2, -1, 3, 4, -1});
}

TEST(Interpreter, AddsTheBiasOfALinear) {
  expectExactly(
      callF(oneOp("llm.linear %a0, %a1 bias %a2",
                  {"tensor<?x2xf32>", "tensor<2x2xf32>", "tensor<2xf32>"}, "tensor<?x2xf32>"),
            {{{1, 2}, {1, 2}}, {{2, 2}, {1, 1, 2, 2}}, {{2}, {100, 200}}}),
      {103, 206});
}

TEST(Interpreter, AccumulatesALowPrecisionLinearInTheArithmeticType) {
  // 256 + 1 is no bfloat16, so that a sum rounded at each step would stay at 256.
  std::string types = "tensor<?x3xbf16>";
  expectExactly(callF(oneOp("llm.linear %a0, %a1", {types, "tensor<1x3xbf16>"}, "tensor<?x1xf32>"),
                      {{{1, 3}, {256, 1, 1}}, {{1, 3}, {1, 1, 1}}}),
                {258});
}

TEST(Interpreter, RoundsALowPrecisionLinearAtTheEnd) {
  expectExactly(callF(oneOp("llm.linear %a0, %a1", {"tensor<?x3xbf16>", "tensor<1x3xbf16>"},
                            "tensor<?x1xbf16>"),
                      {{{1, 3}, {256, 1, 2}}, {{1, 3}, {1, 1, 1}}}),
                {260});
}

//===- Norm -----------------------------------------------------------------------------------===//

TEST(Interpreter, NormalizesByTheRootMeanSquare) {
  double scale = 1 / std::sqrt((9 + 16) / 2.0 + 0.5);
  expectNear(callF(oneOp("llm.norm rms %a0, %a1 {epsilon = 0.5 : f64}",
                         {"tensor<?x2xf32>", "tensor<2xf32>"}, "tensor<?x2xf32>"),
                   {{{1, 2}, {3, -4}}, {{2}, {1, 2}}}),
             {3 * scale, -8 * scale});
}

TEST(Interpreter, NormalizesMeanAndVarianceOfALayer) {
  double scale = 1 / std::sqrt(1 + 0.5);
  expectNear(callF(oneOp("llm.norm layer %a0, %a1 bias %a2 {epsilon = 0.5 : f64}",
                         {"tensor<?x2xf32>", "tensor<2xf32>", "tensor<2xf32>"}, "tensor<?x2xf32>"),
                   {{{1, 2}, {3, 5}}, {{2}, {1, 2}}, {{2}, {10, 20}}}),
             {10 - scale, 20 + 2 * scale});
}

//===- Embedding and movement -----------------------------------------------------------------===//

TEST(Interpreter, EmbedsRowsByIndex) {
  expectExactly(
      callF(oneOp("llm.embed %a0, %a1", {"tensor<?xi32>", "tensor<3x2xf32>"}, "tensor<?x2xf32>"),
            {{{2}, {2, 0}}, {{3, 2}, {1, 2, 3, 4, 5, 6}}}),
      {5, 6, 1, 2});
}

TEST(Interpreter, RefusesAnIndexPastTheTable) {
  auto results =
      callF(oneOp("llm.embed %a0, %a1", {"tensor<?xi32>", "tensor<3x2xf32>"}, "tensor<?x2xf32>"),
            {{{1}, {3}}, {{3, 2}, {1, 2, 3, 4, 5, 6}}});
  EXPECT_THAT(messageOf(results), HasSubstr("llm.embed: index 3 of 3 rows"));
}

TEST(Interpreter, GathersRowsOfTheBatch) {
  expectExactly(callF(oneOp("llm.gather_rows %a0, %a1", {"tensor<?x2xf32>", "tensor<?xi32>"},
                            "tensor<?x2xf32>"),
                      {{{3, 2}, {1, 2, 3, 4, 5, 6}}, {{1}, {1}}}),
                {3, 4});
}

TEST(Interpreter, SlicesColumns) {
  expectExactly(callF(oneOp("llm.slice %a0 [1, 2]", {"tensor<?x4xf32>"}, "tensor<?x2xf32>"),
                      {{{2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}}}),
                {2, 3, 6, 7});
}

//===- Rotary positions -----------------------------------------------------------------------===//

TEST(Interpreter, MakesATableOfCosinesAndSines) {
  expectNear(
      callF(oneOp("llm.rope_table %a0 {frequencies = array<f32: 1.0, 0.5>, factor = 2.0 : f64}",
                  {"tensor<?xi32>"}, "tensor<?x4xf32>"),
            {{{2}, {0, 3}}}),
      {2, 2, 0, 0, 2 * std::cos(3), 2 * std::cos(1.5), 2 * std::sin(3), 2 * std::sin(1.5)});
}

// A quarter turn of the first pair, none of the second: cosines (0, 1), sines (1, 0).
const Tensor quarterTurn = {{1, 4}, {0, 1, 1, 0}};

TEST(Interpreter, RotatesHalvesOfEveryHead) {
  expectExactly(callF(oneOp("llm.rope half %a0, %a1 {head_dim = 4 : i64}",
                            {"tensor<?x8xf32>", "tensor<?x4xf32>"}, "tensor<?x8xf32>"),
                      {{{1, 8}, {1, 2, 3, 4, 5, 6, 7, 8}}, quarterTurn}),
                {-3, 2, 1, 4, -7, 6, 5, 8});
}

TEST(Interpreter, RotatesNeighboursOfEveryHead) {
  expectExactly(callF(oneOp("llm.rope interleaved %a0, %a1 {head_dim = 4 : i64}",
                            {"tensor<?x4xf32>", "tensor<?x4xf32>"}, "tensor<?x4xf32>"),
                      {{{1, 4}, {1, 2, 3, 4}}, quarterTurn}),
                {-2, 1, 3, 4});
}

TEST(Interpreter, LeavesTheRestOfAHeadUnrotated) {
  expectExactly(callF(oneOp("llm.rope half %a0, %a1 {head_dim = 4 : i64}",
                            {"tensor<?x4xf32>", "tensor<?x2xf32>"}, "tensor<?x4xf32>"),
                      {{{1, 4}, {1, 2, 3, 4}}, {{1, 2}, {0, 1}}}),
                {-2, 1, 3, 4});
}

//===- The cache and attention ----------------------------------------------------------------===//

/// @f appends keys and values to a cache of 1 layer and attends with the queries. `heads` query
/// heads of 2 elements over 1 key-value head.
std::string attention(const std::string &attributes, int heads = 1,
                      const std::string &cacheType = "f32") {
  std::string cache = fmt::format(
      "!llm.cache<layers = 1, heads = 1, head_dim = 2, page = 16, type = {}>", cacheType);
  return fmt::format(R"(
    func.func @f(%q: tensor<?x{1}xf32>, %k: tensor<?x2xf32>, %v: tensor<?x2xf32>,
                 %p: tensor<?xi32>, %b: !llm.batch, %c0: {0}) -> (tensor<?x{1}xf32>, {0}) {{
      %c1 = llm.cache_append %c0, %k, %v, %p, %b {{layer = 0 : i64}}
          : ({0}, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?xi32>, !llm.batch) -> {0}
      %o = llm.attention %q, %c1, %p, %b {{layer = 0 : i64, {2}}}
          : (tensor<?x{1}xf32>, {0}, tensor<?xi32>, !llm.batch) -> tensor<?x{1}xf32>
      return %o, %c1 : tensor<?x{1}xf32>, {0}
    }})",
                     cache, 2 * heads, attributes);
}

RaggedBatch rowsOf(const std::vector<int32_t> &sequences, const std::vector<int32_t> &positions) {
  RaggedBatch batch;
  batch.sequenceOf = sequences;
  batch.positions = positions;
  return batch;
}

Tensor positionsOf(const RaggedBatch &batch) {
  return {{static_cast<int64_t>(batch.positions.size())},
          {batch.positions.begin(), batch.positions.end()}};
}

TEST(Interpreter, AttendsToEarlierPositionsOnly) {
  RaggedBatch batch = rowsOf({0, 0}, {0, 1});
  // Scores of row 1: 0.5 * 2 = 1 with position 0, 0 with position 1.
  double first = std::exp(1) / (std::exp(1) + 1);
  expectNear(callF(attention("scale = 0.5 : f64"),
                   {{{2, 2}, {1, 0, 2, 0}},
                    {{2, 2}, {1, 0, 0, 1}},
                    {{2, 2}, {10, 20, 30, 40}},
                    positionsOf(batch)},
                   {}, batch),
             {10, 20, 10 * first + 30 * (1 - first), 20 * first + 40 * (1 - first)}, 1e-5);
}

TEST(Interpreter, KeepsSequencesApart) {
  RaggedBatch batch = rowsOf({7, 3}, {0, 0});
  expectNear(callF(attention("scale = 1.0 : f64"),
                   {{{2, 2}, {1, 0, 2, 0}},
                    {{2, 2}, {1, 0, 0, 1}},
                    {{2, 2}, {10, 20, 30, 40}},
                    positionsOf(batch)},
                   {}, batch),
             {10, 20, 30, 40});
}

TEST(Interpreter, RemembersTheCacheFromCallToCall) {
  KvState cache;
  std::string text = attention("scale = 1.0 : f64");
  auto call = [&](int32_t position, const std::vector<double> &value) {
    RaggedBatch batch = rowsOf({0}, {position});
    return callF(text, {{{1, 2}, {0, 0}}, {{1, 2}, {1, 1}}, {{1, 2}, value}, positionsOf(batch)},
                 {}, batch, &cache);
  };
  expectNear(call(0, {1, 2}), {1, 2});
  expectNear(call(1, {3, 4}), {2, 3});
  // A position written again replaces what was there.
  expectNear(call(1, {5, 6}), {3, 4});
}

TEST(Interpreter, SharesAKeyHeadAmongQueryHeads) {
  RaggedBatch batch = rowsOf({0, 0}, {0, 1});
  double first = std::exp(2) / (std::exp(2) + 1);
  expectNear(callF(attention("scale = 1.0 : f64", 2),
                   {{{2, 4}, {0, 0, 0, 0, 0, 0, 2, 0}},
                    {{2, 2}, {1, 0, 0, 1}},
                    {{2, 2}, {1, 0, 0, 1}},
                    positionsOf(batch)},
                   {}, batch),
             {1, 0, 1, 0, 0.5, 0.5, first, 1 - first});
}

TEST(Interpreter, LimitsAttentionToTheWindow) {
  RaggedBatch batch = rowsOf({0, 0, 0}, {0, 1, 2});
  expectNear(callF(attention("scale = 1.0 : f64, window = 2 : i64"),
                   {{{3, 2}, {0, 0, 0, 0, 0, 0}},
                    {{3, 2}, {1, 1, 1, 1, 1, 1}},
                    {{3, 2}, {1, 2, 3, 4, 5, 6}},
                    positionsOf(batch)},
                   {}, batch),
             {1, 2, 2, 3, 4, 5});
}

TEST(Interpreter, CapsScores) {
  RaggedBatch batch = rowsOf({0, 0}, {0, 1});
  double capped = 2 * std::tanh(10 / 2.0);
  double first = std::exp(capped) / (std::exp(capped) + 1);
  expectNear(callF(attention("scale = 1.0 : f64, softcap = 2.0 : f64"),
                   {{{2, 2}, {0, 0, 10, 0}},
                    {{2, 2}, {1, 0, 0, 1}},
                    {{2, 2}, {1, 0, 0, 1}},
                    positionsOf(batch)},
                   {}, batch),
             {1, 0, first, 1 - first});
}

TEST(Interpreter, BiasesScoresByPosition) {
  RaggedBatch batch = rowsOf({0, 0}, {0, 1});
  // The bias is scaled too: 0.5 * 0.25 * 1 at position 1.
  double second = std::exp(0.125) / (std::exp(0.125) + 1);
  expectNear(callF(attention("scale = 0.5 : f64, slopes = array<f32: 0.25>"),
                   {{{2, 2}, {0, 0, 0, 0}},
                    {{2, 2}, {1, 0, 0, 1}},
                    {{2, 2}, {1, 0, 0, 1}},
                    positionsOf(batch)},
                   {}, batch),
             {1, 0, 1 - second, second});
}

TEST(Interpreter, RoundsPositionsOfTheBiasToBfloat16) {
  // 257 is no bfloat16 and becomes 256: the two newest positions get the same bias.
  constexpr int count = 258;
  std::vector<int32_t> positions(count);
  Tensor queries{{count, 2}, std::vector<double>(2 * count, 0.0)};
  Tensor values{{count, 2}, std::vector<double>(2 * count, 0.0)};
  for (int i = 0; i < count; ++i)
    positions[i] = i;
  values.values[2 * 256] = 1;
  values.values[2 * 257 + 1] = 1;
  RaggedBatch batch = rowsOf(std::vector<int32_t>(count, 0), positions);
  auto results = callF(attention("scale = 1.0 : f64, slopes = array<f32: 1.0>"),
                       {queries, queries, values, positionsOf(batch)}, {}, batch);
  ASSERT_TRUE(results) << results.error().message();
  const std::vector<double> &out = results->front().values;
  EXPECT_GT(out[2 * 257], 0.1);
  EXPECT_EQ(out[2 * 257], out[2 * 257 + 1]);
}

TEST(Interpreter, RoundsTheCacheToItsType) {
  RaggedBatch batch = rowsOf({0}, {0});
  expectExactly(callF(attention("scale = 1.0 : f64", 1, "bf16"),
                      {{{1, 2}, {0, 0}},
                       {{1, 2}, {0, 0}},
                       {{1, 2}, {1.001953125, 1.01171875}},
                       positionsOf(batch)},
                      {}, batch),
                {1, 1.015625});
}

TEST(Interpreter, RefusesAHoleInTheCache) {
  RaggedBatch batch = rowsOf({4}, {2});
  auto results =
      callF(attention("scale = 1.0 : f64"),
            {{{1, 2}, {0, 0}}, {{1, 2}, {0, 0}}, {{1, 2}, {0, 0}}, positionsOf(batch)}, {}, batch);
  EXPECT_THAT(messageOf(results),
              HasSubstr("llm.cache_append: position 2 of sequence 4, which has 0 so far"));
}

TEST(Interpreter, RefusesABatchOfAnotherLength) {
  auto results =
      callF(attention("scale = 1.0 : f64"),
            {{{1, 2}, {0, 0}}, {{1, 2}, {0, 0}}, {{1, 2}, {0, 0}}, {{1}, {0}}}, {}, RaggedBatch());
  EXPECT_THAT(messageOf(results), HasSubstr("1 rows, 1 positions, a batch of 0 tokens"));
}

//===- Kernels, weights, functions ------------------------------------------------------------===//

TEST(Interpreter, RunsTheOpsOfAKernel) {
  expectExactly(callF(R"(
    func.func @f(%x: tensor<?x2xf32>, %w: tensor<2x2xf32>) -> tensor<?x2xf32> {
      %r = llm.kernel "linear_add"(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32> {
      ^bb0(%a: tensor<?x2xf32>, %b: tensor<2x2xf32>):
        %0 = llm.linear %a, %b : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
        %1 = llm.add %0, %a : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
        llm.yield %1 : tensor<?x2xf32>
      }
      return %r : tensor<?x2xf32>
    })",
                      {{{1, 2}, {1, 2}}, {{2, 2}, {1, 1, 2, 2}}}),
                {4, 8});
}

TEST(Interpreter, EvaluatesAWeightFromItsRecipe) {
  expectExactly(callF(R"(
    llm.weight @w : tensor<2x3xbf16> {
      %0 = llm.fill {value = 1.00390625 : f64} : tensor<2x3xf32>
      %1 = llm.cast %0 : (tensor<2x3xf32>) -> tensor<2x3xbf16>
      llm.yield %1 : tensor<2x3xbf16>
    }
    func.func @f() -> tensor<2x3xbf16> {
      %w = llm.get_weight @w : tensor<2x3xbf16>
      return %w : tensor<2x3xbf16>
    })",
                      {}),
                {1, 1, 1, 1, 1, 1});
}

TEST(Interpreter, ReadsAPackedWeightByItsValues) {
  expectExactly(callF(R"(
    llm.weight @w : tensor<2x2xf32, #llm.packed<panel = 16, interleave = 2>> {
      %0 = llm.fill {value = 3.0 : f64} : tensor<2x2xf32>
      %1 = llm.pack %0 : (tensor<2x2xf32>) -> tensor<2x2xf32, #llm.packed<panel = 16, interleave = 2>>
      llm.yield %1 : tensor<2x2xf32, #llm.packed<panel = 16, interleave = 2>>
    }
    func.func @f(%i: tensor<?xi32>) -> tensor<?x2xf32> {
      %w = llm.get_weight @w : tensor<2x2xf32, #llm.packed<panel = 16, interleave = 2>>
      %r = llm.embed %i, %w
          : (tensor<?xi32>, tensor<2x2xf32, #llm.packed<panel = 16, interleave = 2>>) -> tensor<?x2xf32>
      return %r : tensor<?x2xf32>
    })",
                      {{{1}, {1}}}),
                {3, 3});
}

TEST(Interpreter, NamesAnOpThatItDoesNotKnow) {
  context().allowUnregisteredDialects();
  auto results = callF(R"(
    func.func @f() -> tensor<1xf32> {
      %0 = "other.op"() : () -> tensor<1xf32>
      return %0 : tensor<1xf32>
    })",
                       {});
  context().allowUnregisteredDialects(false);
  EXPECT_THAT(messageOf(results), HasSubstr("other.op: the interpreter does not know this op"));
}

TEST(Interpreter, RefusesArgumentsOfAnotherShape) {
  auto results = callF(oneOp("llm.slice %a0 [1, 2]", {"tensor<?x4xf32>"}, "tensor<?x2xf32>"),
                       {{{2, 3}, {1, 2, 3, 4, 5, 6}}});
  EXPECT_EQ(messageOf(results), "argument 0 of @f has shape [2, 3] and 6 elements");
}

TEST(Interpreter, RefusesOperandsThatDifferAtRunTime) {
  auto results =
      callF(oneOp("llm.add %a0, %a1", {"tensor<?x1xf32>", "tensor<?x1xf32>"}, "tensor<?x1xf32>"),
            {{{2, 1}, {1, 2}}, {{1, 1}, {1}}});
  EXPECT_THAT(messageOf(results), HasSubstr("llm.add: operands of 2x1 and 1x1 elements"));
}

TEST(Interpreter, NamesAMissingFunction) {
  EXPECT_EQ(messageOf(callF("func.func private @g()", {})),
            "the module has no function @f of one block");
}

} // namespace
} // namespace llmopt::test
