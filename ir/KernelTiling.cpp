#include "ir/KernelTiling.h"

#include "ir/LinearUnits.h"
#include "ir/ShapeInference.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace llmopt {

int64_t decodeHeadsOfTile(int64_t group) {
  constexpr int64_t slots = 16; // A tensor core's rows.
  return std::min(group, slots);
}

/// Sorts ranges and joins those that touch.
static void normalize(ColumnRanges &ranges) {
  llvm::sort(ranges, [](ColumnRange a, ColumnRange b) { return a.begin < b.begin; });
  ColumnRanges joined;
  for (ColumnRange range : ranges)
    if (!joined.empty() && range.begin <= joined.back().end)
      joined.back().end = std::max(joined.back().end, range.end);
    else
      joined.push_back(range);
  ranges = std::move(joined);
}

/// The value of the step behind an operand of the region, if a kernel of the step makes it.
static Value madeInStep(KernelOp kernel, Value inside) {
  auto argument = dyn_cast<BlockArgument>(inside);
  if (!argument || !isa<RankedTensorType>(inside.getType()))
    return {};
  Value value = kernel.getOperand(argument.getArgNumber());
  return value.getDefiningOp<KernelOp>() ? value : Value();
}

namespace {
/// Collects accesses, one for each thing in memory and way of touching it.
class TilingBuilder {
public:
  TilingBuilder(KernelOp kernel, int64_t tiles) : kernel(kernel) { tiling.tiles = tiles; }

  KernelTiling tiling;

  /// Every tile reads the whole of an operand of the region, if the step makes it.
  void readWhole(Value inside) {
    Value value = madeInStep(kernel, inside);
    if (value && whole.insert(value))
      tiling.accesses.push_back(
          {TileAccess::Kind::Buffer, value, 0, false, {{{0, columnsOf(value)}}}});
  }
  void readAllOperands() {
    for (Value argument : kernel.getBlock()->getArguments())
      readWhole(argument);
  }

  /// A tile reads columns of an operand of the region, if the step makes it.
  void read(Value inside, int64_t tile, const ColumnRanges &columns) {
    if (Value value = madeInStep(kernel, inside))
      touch(TileAccess::Kind::Buffer, value, 0, false, tile, columns);
  }
  void writeResult(int64_t result, int64_t tile, const ColumnRanges &columns) {
    touch(TileAccess::Kind::Buffer, kernel.getResult(static_cast<unsigned>(result)), 0, true, tile,
          columns);
  }
  void touchCache(bool keys, int64_t layer, bool writes, int64_t tile,
                  const ColumnRanges &columns) {
    touch(keys ? TileAccess::Kind::Keys : TileAccess::Kind::Values, {}, layer, writes, tile,
          columns);
  }
  void touch(TileAccess::Kind kind, Value value, int64_t layer, bool writes, int64_t tile,
             const ColumnRanges &columns) {
    auto found = llvm::find_if(tiling.accesses, [&](const TileAccess &access) {
      return access.kind == kind && access.value == value && access.layer == layer &&
             access.writes == writes && static_cast<int64_t>(access.columns.size()) == tiling.tiles;
    });
    if (found == tiling.accesses.end()) {
      tiling.accesses.push_back({kind, value, layer, writes, {}});
      found = std::prev(tiling.accesses.end());
      found->columns.resize(static_cast<size_t>(tiling.tiles));
    }
    ColumnRanges &own = found->columns[static_cast<size_t>(tile)];
    own.append(columns);
    normalize(own);
  }

private:
  KernelOp kernel;
  llvm::SmallSetVector<Value, 4> whole;
};
} // namespace

//===------------------------------------------------------------------------------------------===//
// Linears
//===------------------------------------------------------------------------------------------===//

/// The columns of units [begin, end), in their segment.
static ColumnRanges columnsOfUnits(const UnitSegment &units, int64_t begin, int64_t end) {
  ColumnRanges columns;
  for (int64_t unit = begin; unit < end; ++unit) {
    int64_t column = units.column(unit);
    columns.push_back({column, column + 1});
    if (units.rope)
      columns.push_back({column + units.distance(), column + units.distance() + 1});
  }
  normalize(columns);
  return columns;
}

/// What a tile with these columns of a segment does beside summing up.
static void addEpilogue(TilingBuilder &builder, const UnitSegment &units, int64_t tile,
                        const ColumnRanges &columns) {
  for (Operation *op : units.segment->ops)
    for (Value operand : op->getOperands())
      if (auto rope = dyn_cast<RopeOp>(op); rope && operand == rope.getTable())
        builder.readWhole(operand); // An angle serves every head.
      else
        builder.read(operand, tile, columns);
  for (const KernelSegment::Store &store : units.segment->stores)
    if (CacheAppendOp append = store.append)
      builder.touchCache(store.keys, append.getLayer(), true, tile, columns);
    else
      builder.writeResult(store.result, tile, columns);
}

/// Tiles of `tileColumns` sums, those of a segment after each other (ColumnTile in
/// codegen/cuda/kernels/linear.cuh). The input is made from all its columns.
static Result<KernelTiling> tileLinear(KernelOp kernel, const KernelAnatomy &anatomy,
                                       int64_t tileColumns) {
  LLMOPT_ASSIGN(std::vector<UnitSegment> segments, cutIntoUnits(anatomy));
  int64_t tiles = 0;
  for (const UnitSegment &units : segments)
    tiles += llvm::divideCeil(units.units, tileColumns / units.streams);
  TilingBuilder builder(kernel, tiles);
  builder.readWhole(anatomy.linear->getOperand(0));
  for (Operation *op : anatomy.rowOps)
    for (Value operand : op->getOperands())
      builder.readWhole(operand);
  int64_t tile = 0;
  for (const UnitSegment &units : segments)
    for (int64_t begin = 0; begin < units.units; begin += tileColumns / units.streams, ++tile)
      addEpilogue(
          builder, units, tile,
          columnsOfUnits(units, begin, std::min(units.units, begin + tileColumns / units.streams)));
  return std::move(builder.tiling);
}

//===------------------------------------------------------------------------------------------===//
// Attention and row kernels
//===------------------------------------------------------------------------------------------===//

/// A row's tiles: the parts of the first key-value head's query heads, then the next one's. A tile
/// reads its head of the cache, and all pages of it.
static KernelTiling tileAttention(KernelOp kernel, AttentionOp attention) {
  CacheType cache = attention.getCache().getType();
  int64_t group = attention.getHeads() / cache.getHeads(), headDim = cache.getHeadDim();
  int64_t heads = decodeHeadsOfTile(group), headTiles = llvm::divideCeil(group, heads);
  TilingBuilder builder(kernel, cache.getHeads() * headTiles);
  builder.tiling.perRow = true;
  builder.tiling.splits = true;
  for (int64_t tile = 0; tile < builder.tiling.tiles; ++tile) {
    int64_t kvHead = tile / headTiles, first = tile % headTiles * heads;
    int64_t last = std::min(group, first + heads);
    ColumnRanges query = {{(kvHead * group + first) * headDim, (kvHead * group + last) * headDim}};
    ColumnRanges cached = {{kvHead * headDim, (kvHead + 1) * headDim}};
    builder.read(attention.getQuery(), tile, query);
    for (bool keys : {true, false})
      builder.touchCache(keys, attention.getLayer(), false, tile, cached);
    builder.touch(TileAccess::Kind::Partials, {}, 0, true, tile, {{tile, tile + 1}});
    builder.writeResult(0, tile, query);
  }
  return std::move(builder.tiling);
}

static KernelTiling tileRows(KernelOp kernel, const KernelAnatomy &anatomy) {
  TilingBuilder builder(kernel, 1);
  builder.tiling.perRow = true;
  builder.readAllOperands();
  for (Operation *op : anatomy.rowOps)
    if (auto append = dyn_cast<CacheAppendOp>(op))
      for (bool keys : {true, false})
        builder.touchCache(keys, append.getLayer(), true, 0,
                           {{0, append.getCache().getType().getWidth()}});
  for (OpResult result : kernel->getResults())
    if (isa<RankedTensorType>(result.getType()))
      builder.writeResult(result.getResultNumber(), 0, {{0, columnsOf(result)}});
  return std::move(builder.tiling);
}

Result<KernelTiling> tileKernel(KernelOp kernel, const KernelAnatomy &anatomy,
                                int64_t tileColumns) {
  switch (anatomy.anchor) {
  case KernelAnatomy::Anchor::Linear:
    return tileLinear(kernel, anatomy, tileColumns);
  case KernelAnatomy::Anchor::Attention:
    return tileAttention(kernel, anatomy.attention);
  case KernelAnatomy::Anchor::Rows:
    return tileRows(kernel, anatomy);
  }
  return makeError("kernel '{}' has an unknown anchor", kernel.getName().str());
}

} // namespace llmopt
