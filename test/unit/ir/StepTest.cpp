//===- StepTest.cpp - Whole steps over ragged batches, interpreted ----------------------------===//

#include "test/unit/ir/IrTest.h"

namespace llmopt::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

#define CACHE "!llm.cache<layers = 1, heads = 1, head_dim = 4, page = 16, type = f32>"

/// One layer of attention over embedded and rotated tokens, and a head of 8 tokens.
const char *const model = R"(
  llm.weight @table : tensor<8x8xf32> {
    %0 = llm.random {seed = 1 : i64, mean = 0.0 : f64, deviation = 1.0 : f64} : tensor<8x8xf32>
    llm.yield %0 : tensor<8x8xf32>
  }
  llm.weight @keys : tensor<4x8xf32> {
    %0 = llm.random {seed = 2 : i64, mean = 0.0 : f64, deviation = 0.5 : f64} : tensor<4x8xf32>
    llm.yield %0 : tensor<4x8xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                  %batch: !llm.batch, %c0: )" CACHE R"() -> (tensor<?x8xf32>, )" CACHE R"() {
    %t = llm.get_weight @table : tensor<8x8xf32>
    %w = llm.get_weight @keys : tensor<4x8xf32>
    %x = llm.embed %tokens, %t : (tensor<?xi32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    %r = llm.rope_table %positions {frequencies = array<f32: 1.0, 0.1>}
        : (tensor<?xi32>) -> tensor<?x4xf32>
    %k = llm.linear %x, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
    %kr = llm.rope half %k, %r {head_dim = 4 : i64}
        : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %q = llm.rope half %x, %r {head_dim = 4 : i64}
        : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
    %c1 = llm.cache_append %c0, %kr, %k, %positions, %batch {layer = 0 : i64}
        : ()" CACHE R"(, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, !llm.batch) -> )" CACHE
                          R"(
    %a = llm.attention %q, %c1, %positions, %batch {layer = 0 : i64, scale = 0.5 : f64}
        : (tensor<?x8xf32>, )" CACHE R"(, tensor<?xi32>, !llm.batch) -> tensor<?x8xf32>
    %l = llm.gather_rows %a, %rows : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
    %y = llm.linear %l, %t : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
    return %y, %c1 : tensor<?x8xf32>, )" CACHE R"(
  })";

class Step : public testing::Test {
protected:
  Step() : module(parse(model)) {
    auto created = Interpreter::create(*module, nullptr);
    EXPECT_TRUE(created) << created.error().message();
    interpreter = std::make_unique<Interpreter>(*std::move(created));
  }

  std::vector<double> run(const RaggedBatch &batch, KvState &cache) {
    auto logits = interpreter->step(batch, cache);
    EXPECT_TRUE(logits) << logits.error().message();
    return logits ? logits->values : std::vector<double>();
  }

  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<Interpreter> interpreter;
};

/// Row `row` of [rows, 8] logits.
std::vector<double> rowOf(const std::vector<double> &logits, int64_t row) {
  return {logits.begin() + row * 8, logits.begin() + (row + 1) * 8};
}

TEST_F(Step, GivesTheLogitsOfTheWantedRows) {
  KvState all, last;
  RaggedBatch batch = RaggedBatch::prompt(0, {3, 1, 4});
  std::vector<double> every = run(batch, all);
  ASSERT_EQ(every.size(), 3u * 8);
  batch.rows = {2, 0};
  std::vector<double> some = run(batch, last);
  EXPECT_EQ(rowOf(some, 0), rowOf(every, 2));
  EXPECT_EQ(rowOf(some, 1), rowOf(every, 0));
}

TEST_F(Step, GivesEachSequenceWhatItGetsAlone) {
  KvState alone;
  std::vector<double> first = run(RaggedBatch::prompt(0, {3, 1, 4, 1, 5}), alone);
  std::vector<double> second = run(RaggedBatch::prompt(1, {2, 7, 2}), alone);

  // The same in two steps: chunks of both prompts, then a decode beside another chunk.
  KvState cache;
  RaggedBatch batch;
  batch.append(1, 0, {2, 7});
  batch.append(0, 0, {3, 1, 4});
  std::vector<double> begin = run(batch, cache);
  batch = RaggedBatch();
  batch.append(0, 3, {1, 5});
  batch.append(1, 2, {2});
  std::vector<double> end = run(batch, cache);

  EXPECT_EQ(rowOf(begin, 1), rowOf(second, 1));
  EXPECT_EQ(rowOf(begin, 4), rowOf(first, 2));
  EXPECT_EQ(rowOf(end, 1), rowOf(first, 4));
  EXPECT_EQ(rowOf(end, 2), rowOf(second, 2));
}

TEST_F(Step, AgreesInBothArithmetics) {
  auto created =
      Interpreter::create(*module, nullptr, {Interpreter::Arithmetic::Float64, /*threads=*/2});
  ASSERT_TRUE(created);
  KvState narrow, wide;
  RaggedBatch batch = RaggedBatch::prompt(0, {3, 1, 4, 1, 5});
  auto expected = created->step(batch, wide);
  ASSERT_TRUE(expected);
  EXPECT_THAT(run(batch, narrow), testing::Pointwise(testing::DoubleNear(1e-4), expected->values));
}

TEST_F(Step, TakesAnEmptyBatch) {
  KvState cache;
  auto logits = interpreter->step(RaggedBatch(), cache);
  ASSERT_TRUE(logits) << logits.error().message();
  EXPECT_THAT(logits->shape, ElementsAre(0, 8));
}

TEST_F(Step, RefusesABatchThatContradictsItself) {
  KvState cache;
  RaggedBatch batch = RaggedBatch::prompt(0, {1, 2});
  batch.positions.pop_back();
  EXPECT_EQ(messageOf(interpreter->step(batch, cache)),
            "a batch of 2 tokens has 1 positions and 2 sequence numbers");
}

TEST_F(Step, RefusesATokenPastTheVocabulary) {
  KvState cache;
  EXPECT_THAT(messageOf(interpreter->step(RaggedBatch::prompt(0, {8}), cache)),
              HasSubstr("llm.embed: index 8 of 8 rows"));
}

} // namespace
} // namespace llmopt::test
