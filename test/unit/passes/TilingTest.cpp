//===- TilingTest.cpp - The tiles of the IR are those of the kernels --------------------------===//

#include "codegen/cuda/kernels/linear.cuh"
#include "ir/KernelTiling.h"
#include "ir/LinearUnits.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <gmock/gmock.h>

#include <set>

namespace llmopt::test {
namespace {

/// Queries with half of each head rotated, 3 heads of 16; keys whole and interleaved, 2 heads of 8;
/// values; gate with up, 20 columns.
const char *const kernel = R"(
  !cache = !llm.cache<layers = 2, heads = 2, head_dim = 8, page = 16, type = f32>
  func.func @f(%x: tensor<?x4xf32>, %w: tensor<120x4xf32>, %t: tensor<?x8xf32>, %cache: !cache,
               %positions: tensor<?xi32>, %batch: !llm.batch)
      -> (tensor<?x48xf32>, !cache, tensor<?x20xf32>) {
    %r:3 = llm.kernel "linear"(%x, %w, %t, %cache, %positions, %batch)
        : (tensor<?x4xf32>, tensor<120x4xf32>, tensor<?x8xf32>, !cache, tensor<?xi32>, !llm.batch)
        -> (tensor<?x48xf32>, !cache, tensor<?x20xf32>) {
    ^bb0(%a0: tensor<?x4xf32>, %a1: tensor<120x4xf32>, %a2: tensor<?x8xf32>, %a3: !cache,
         %a4: tensor<?xi32>, %a5: !llm.batch):
      %y = llm.linear %a0, %a1 : (tensor<?x4xf32>, tensor<120x4xf32>) -> tensor<?x120xf32>
      %q0 = llm.slice %y [0, 48] : (tensor<?x120xf32>) -> tensor<?x48xf32>
      %k0 = llm.slice %y [48, 16] : (tensor<?x120xf32>) -> tensor<?x16xf32>
      %v = llm.slice %y [64, 16] : (tensor<?x120xf32>) -> tensor<?x16xf32>
      %g = llm.slice %y [80, 20] : (tensor<?x120xf32>) -> tensor<?x20xf32>
      %u = llm.slice %y [100, 20] : (tensor<?x120xf32>) -> tensor<?x20xf32>
      %q = llm.rope half %q0, %a2 {head_dim = 16 : i64}
          : (tensor<?x48xf32>, tensor<?x8xf32>) -> tensor<?x48xf32>
      %k = llm.rope interleaved %k0, %a2 {head_dim = 8 : i64}
          : (tensor<?x16xf32>, tensor<?x8xf32>) -> tensor<?x16xf32>
      %c = llm.cache_append %a3, %k, %v, %a4, %a5 {layer = 1 : i64}
          : (!cache, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, !llm.batch) -> !cache
      %s = llm.activation silu %g : (tensor<?x20xf32>) -> tensor<?x20xf32>
      %m = llm.mul %s, %u : (tensor<?x20xf32>, tensor<?x20xf32>) -> tensor<?x20xf32>
      llm.yield %q, %c, %m : tensor<?x48xf32>, !cache, tensor<?x20xf32>
    }
    return %r#0, %r#1, %r#2 : tensor<?x48xf32>, !cache, tensor<?x20xf32>
  })";

/// The same as the emitter writes it.
struct Shape {
  static constexpr int segments = 5;
  static constexpr cuda::Segment segment(int index) {
    if (index == 0)
      return {12, 2, {0, 4}, 4, 16, 1};
    if (index == 1)
      return {24, 1, {8, 0}, 8, 16, 1};
    if (index == 2)
      return {8, 2, {48, 49}, 4, 8, 2};
    if (index == 3)
      return {16, 1, {64, 0}, 16, 0, 1};
    return {20, 2, {80, 100}, 20, 0, 1};
  }
};

/// The outputs of the linear that a tile sums up, by the kernels.
template <int Columns> std::set<int64_t> summedBy(int tile) {
  cuda::ColumnTile<Shape, Columns> columns(tile);
  std::set<int64_t> outputs;
  for (int i = 0; i < Columns; ++i)
    if (int row = columns.weightRow(i); row >= 0)
      outputs.insert(row);
  return outputs;
}

class Tiling : public testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<LLMDialect, mlir::func::FuncDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(kernel, &context);
    ASSERT_TRUE(module);
    module->walk([&](KernelOp found) { op = found; });
    auto analyzed = analyzeKernel(op);
    ASSERT_TRUE(mlir::succeeded(analyzed));
    anatomy = std::move(*analyzed);
  }

  /// The outputs whose values a tile stores, by its tiling.
  std::set<int64_t> storedBy(const KernelTiling &tiling, int64_t tile) {
    std::set<int64_t> outputs;
    for (const TileAccess &access : tiling.accesses) {
      EXPECT_TRUE(access.writes) << "the step's arguments are not of the step";
      std::vector<int64_t> first;
      if (access.kind == TileAccess::Kind::Buffer)
        first = access.value == op.getResult(0) ? std::vector<int64_t>{0}
                                                : std::vector<int64_t>{80, 100};
      else
        first = {access.kind == TileAccess::Kind::Keys ? 48 : 64};
      for (ColumnRange range : access.columnsOf(tile))
        for (int64_t column = range.begin; column < range.end; ++column)
          for (int64_t offset : first)
            outputs.insert(offset + column);
    }
    return outputs;
  }

  template <int Columns> void expectSameTiles() {
    auto tiling = tileKernel(op, anatomy, Columns);
    ASSERT_TRUE(bool(tiling));
    ASSERT_EQ(tiling->tiles, (cuda::ColumnTile<Shape, Columns>::count()));
    for (int tile = 0; tile < tiling->tiles; ++tile)
      EXPECT_EQ(storedBy(*tiling, tile), summedBy<Columns>(tile)) << Columns << ", tile " << tile;
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
  KernelOp op;
  KernelAnatomy anatomy;
};

TEST_F(Tiling, unitsAreThoseOfTheKernels) {
  auto units = cutIntoUnits(anatomy);
  ASSERT_TRUE(bool(units));
  ASSERT_EQ(units->size(), size_t(Shape::segments));
  for (int index = 0; index < Shape::segments; ++index) {
    cuda::Segment segment = Shape::segment(index);
    const UnitSegment &cut = (*units)[size_t(index)];
    EXPECT_THAT(std::vector<int64_t>({cut.units, cut.streams, cut.first[0], cut.first[1], cut.group,
                                      cut.groupStride, cut.step}),
                testing::ElementsAre(segment.units, segment.streams, segment.first[0],
                                     segment.first[1], segment.group, segment.groupStride,
                                     segment.step))
        << index;
  }
}

TEST_F(Tiling, tilesStoreWhatTheKernelsSumUp) {
  expectSameTiles<4>();
  expectSameTiles<8>();
  expectSameTiles<16>();
  expectSameTiles<32>();
}

} // namespace
} // namespace llmopt::test
