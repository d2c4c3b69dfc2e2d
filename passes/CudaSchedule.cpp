#include "passes/CudaSchedule.h"

#include "ir/ShapeInference.h"
#include "passes/CudaPanelSchedule.h"
#include "passes/Phase.h"

#include "mlir/IR/Builders.h"

#include <optional>

using namespace mlir;

namespace llmopt {

/// Up to this many rows attention takes each row by itself.
static constexpr int64_t decodeRows = 16;

namespace {
class Dictionary {
public:
  explicit Dictionary(MLIRContext *context) : builder(context) {}

  Dictionary &set(StringRef name, int64_t value) {
    entries.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(value)));
    return *this;
  }
  Dictionary &set(StringRef name, StringRef value) {
    entries.push_back(builder.getNamedAttr(name, builder.getStringAttr(value)));
    return *this;
  }
  Attribute get() { return builder.getDictionaryAttr(entries); }

private:
  Builder builder;
  SmallVector<NamedAttribute> entries;
};
} // namespace

/// The depth of a product and the widths of its operands.
struct ProductFacts {
  int64_t depth, weightBytes, computeBytes;
};

static int64_t bytesOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }

/// A matvec for `rows` rows: as many stages as a warp has slices and shared memory has room for.
/// Null if the rows of x leave no room.
static Attribute matvec(MLIRContext *context, int64_t rows, const ProductFacts &product,
                        const CudaTarget &target, const CudaDefaults &defaults) {
  const int64_t warps = defaults.get("matvec", "warps");
  int64_t slices = llvm::divideCeil(product.depth * product.weightBytes, 512);
  int64_t useful = llvm::divideCeil(slices, warps) + 1;
  // More than 64 sums leave a lane too few registers for what it multiplies.
  int64_t most = std::min(defaults.get("matvec", "columns"), 64 / rows);
  for (int64_t columns = most; columns >= 4; columns /= 2)
    for (int64_t stages = std::min(defaults.get("matvec", "stages"), useful); stages >= 2;
         --stages) {
      int64_t shared = warps * stages * columns * 512 +
                       rows * llvm::alignTo(product.depth, 16) * product.computeBytes +
                       warps * columns * rows * 4;
      if (shared <= target.blockSharedBytes)
        return Dictionary(context)
            .set("kind", "matvec")
            .set("max_rows", rows)
            .set("rows", rows)
            .set("columns", columns)
            .set("warps", warps)
            .set("stages", stages)
            .get();
    }
  return {};
}

struct GemmTile {
  int64_t columns, rows, depth, stages;
  std::array<int64_t, 3> warps; ///< along columns, rows and K
};

static Attribute gemm(MLIRContext *context, int64_t maxRows, const GemmTile &tile) {
  Dictionary entry(context);
  entry.set("kind", "gemm");
  if (maxRows)
    entry.set("max_rows", maxRows);
  return entry.set("rows", tile.rows)
      .set("columns", tile.columns)
      .set("depth", tile.depth)
      .set("stages", tile.stages)
      .set("warp_columns", tile.warps[0])
      .set("warp_rows", tile.warps[1])
      .set("warp_depths", tile.warps[2])
      .get();
}

RankedTensorType storedWeight(LinearOp linear) {
  Value weight = linear.getWeight();
  if (auto cast = weight.getDefiningOp<CastOp>())
    weight = cast.getInput();
  return tensorType(weight);
}

/// Tensor cores read 16-bit weights as they are stored.
static bool readsPanels(LinearOp linear, const CudaTarget &target) {
  return target.warpgroups && bytesOf(storedWeight(linear).getElementType()) == 2;
}

/// A tile of few rows streams the weights as the matvec does, its warps on K; one of many uses its
/// operands often.
static GemmTile gemmTile(const ProductFacts &product, const CudaDefaults &defaults,
                         const char *rows) {
  const char *types = product.computeBytes == 4  ? "f32"
                      : product.weightBytes == 4 ? "f32 as 16 bits"
                                                 : "16 bits";
  std::string name = fmt::format("gemm/{}/{}", types, rows);
  auto get = [&](const char *parameter) { return defaults.get(name, parameter); };
  return {get("columns"),
          get("rows"),
          get("depth"),
          get("stages"),
          {get("warp_columns"), get("warp_rows"), get("warp_depths")}};
}

/// The largest tile that adds up K as the small one does: the same part of each step to each warp.
static GemmTile largeTileLikeSmall(const ProductFacts &product, const CudaTarget &target,
                                   const CudaDefaults &defaults) {
  if (product.computeBytes == 4)
    return gemmTile(product, defaults, "many"); // The FMA units go through K in order.
  GemmTile tile = gemmTile(product, defaults, "few");
  tile.columns = 64;
  auto sharedBytes = [&] {
    int64_t stage = tile.columns * (tile.depth + 8) * product.weightBytes +
                    tile.rows * (tile.depth + 8) * product.computeBytes;
    return std::max(tile.stages * stage, tile.warps[2] * tile.rows * (tile.columns + 1) * 4);
  };
  for (int64_t rows : {64, 32, 16})
    for (int64_t stages : {3, 2}) {
      tile.rows = rows;
      tile.stages = stages;
      if (sharedBytes() <= target.blockSharedBytes)
        return tile;
    }
  return gemmTile(product, defaults, "few");
}

/// A row takes 2 / weightBytes operations for each byte of weights, and the FMA units keep up with
/// the memory for 10 (A100) to 20 (H100) of them, less what the conversions of 16-bit operands
/// take. So with 16-bit weights the tensor cores serve from five rows on. With 32-bit weights the
/// FMA units serve all 16.
static void scheduleRowMajor(SmallVectorImpl<Attribute> &variants, MLIRContext *context,
                             const ProductFacts &product, const CudaTarget &target,
                             const CudaDefaults &defaults, bool batchInvariant) {
  int64_t covered = 0;
  if (!batchInvariant)
    for (int64_t rows : {1, 2, 4, 8, 16})
      if (rows <= 4 || product.weightBytes == 4)
        if (Attribute variant = matvec(context, rows, product, target, defaults)) {
          variants.push_back(variant);
          covered = rows;
        }
  if (covered < 16)
    variants.push_back(gemm(context, 16, gemmTile(product, defaults, "few")));
  variants.push_back(gemm(context, 0,
                          batchInvariant ? largeTileLikeSmall(product, target, defaults)
                                         : gemmTile(product, defaults, "many")));
}

static void scheduleLinear(const KernelAnatomy &anatomy, const CudaTarget &target,
                           const CudaDefaults &defaults, bool batchInvariant,
                           SmallVectorImpl<NamedAttribute> &entries) {
  LinearOp linear = anatomy.linear;
  MLIRContext *context = linear.getContext();
  Builder builder(context);
  auto input = tensorType(linear.getInput());
  ProductFacts product = {input.getDimSize(1), bytesOf(storedWeight(linear).getElementType()),
                          bytesOf(input.getElementType())};
  SmallVector<Attribute> variants;
  if (readsPanels(linear, target)) {
    variants = schedulePanels(context, tensorType(linear.getResult()).getDimSize(1), product.depth,
                              target, defaults, batchInvariant);
  } else {
    scheduleRowMajor(variants, context, product, target, defaults, batchInvariant);
    // What the vendor has tuned for every shape, in an order that only the vendor knows; with a
    // prologue, its input is made before.
    if (!batchInvariant && isPlainProduct(anatomy) && product.weightBytes == product.computeBytes)
      variants.back() = Dictionary(context).set("kind", "library").get();
  }
  entries.push_back(builder.getNamedAttr("variants", builder.getArrayAttr(variants)));
  if (!isa<BlockArgument>(linear.getInput()))
    entries.push_back(builder.getNamedAttr(
        "workspace_row_bytes", builder.getI64IntegerAttr(product.depth * product.computeBytes)));
}

/// The parts of so many keys: sixteen of `unit`, then eight of each power of two times that
/// (FixedParts in kernels/attention.cuh).
static int64_t fixedParts(int64_t keys, int64_t unit) {
  int64_t last = (keys - 1) / unit, level = 0;
  while (last >> level >= 16)
    ++level;
  return level * 8 + (last >> level) + 1;
}

/// Query heads that share the keys of a tile.
struct AttentionTile {
  int64_t heads, splits;
};

/// At most `heads` of a key-value head's in a tile, and for one row as many splits as there may be
/// blocks on the card at once: more have no registers or shared memory.
static AttentionTile attentionTile(AttentionOp attention, int64_t heads, const CudaTarget &target) {
  constexpr int64_t blocksOfMultiprocessor = 4, mostSplits = 256;
  int64_t keyHeads = attention.getCache().getType().getHeads();
  int64_t group = attention.getHeads() / keyHeads;
  heads = std::min<int64_t>(llvm::alignTo(group, 16), heads);
  int64_t tiles = keyHeads * llvm::divideCeil(group, heads);
  return {heads, std::clamp<int64_t>(
                     llvm::divideCeil(blocksOfMultiprocessor * target.multiprocessors, tiles), 1,
                     mostSplits)};
}

/// Keys of a step and stages in shared memory.
struct WarpgroupAttention {
  int64_t keys, stages;
};

/// Where wgmma takes what attention reads: 16-bit operands of one type, and heads that are one of
/// its widths. Not where fixed parts have to be added up as in decode.
static std::optional<WarpgroupAttention> warpgroupAttention(AttentionOp attention,
                                                            const CudaTarget &target) {
  auto cache = attention.getCache().getType();
  Type type = cache.getElementType();
  const int64_t headDim = cache.getHeadDim();
  if (!target.warpgroups || bytesOf(type) != 2 ||
      tensorType(attention.getQuery()).getElementType() != type ||
      tensorType(attention.getResult()).getElementType() != type ||
      attention.getScale().isNegative() || attention.getScale().isZero() ||
      !llvm::is_contained({16, 32, 64, 80, 96, 128, 256}, headDim))
    return {};
  // Sums, scores and weights of a thread are (headDim + 2 * keys) / 2 registers of 240.
  const int64_t keys = headDim <= 128 ? 128 : 64, slots = 128;
  const int64_t stageBytes = 2 * keys * headDim * 2 + 4 * 8;
  const int64_t stages =
      std::min<int64_t>(4, (target.blockSharedBytes - slots * headDim * 2) / stageBytes);
  return WarpgroupAttention{keys, stages};
}

static void scheduleAttention(AttentionOp attention, const CudaTarget &target, bool batchInvariant,
                              SmallVectorImpl<NamedAttribute> &entries) {
  Builder builder(attention.getContext());
  auto set = [&](StringRef name, int64_t value) {
    entries.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(value)));
  };
  set("decode_rows", decodeRows);
  if (batchInvariant) {
    // Whole steps of every kernel.
    constexpr int64_t partKeys = 128;
    set("part_keys", partKeys);
    set("splits",
        fixedParts(configInteger(attention->getParentOfType<ModuleOp>(), "context_length", 2048),
                   partKeys));
    return;
  }
  // Few rows: many blocks with few heads each, since what they read is in the cache of the card.
  set("splits", attentionTile(attention, 16, target).splits);
  // Many rows: their keys and values come from memory, and are read once.
  AttentionTile batch = attentionTile(attention, 80, target);
  set("batch_heads", batch.heads);
  set("batch_splits", batch.splits);
  if (auto prefill = warpgroupAttention(attention, target)) {
    set("prefill_keys", prefill->keys);
    set("prefill_stages", prefill->stages);
  }
}

SmallVector<NamedAttribute> cudaSchedule(const KernelAnatomy &anatomy, const CudaTarget &target,
                                         const CudaDefaults &defaults, bool batchInvariant) {
  SmallVector<NamedAttribute> entries;
  if (anatomy.linear)
    scheduleLinear(anatomy, target, defaults, batchInvariant, entries);
  if (anatomy.attention)
    scheduleAttention(anatomy.attention, target, batchInvariant, entries);
  return entries;
}

PackedAttr cudaWeightLayout(LinearOp linear, const CudaTarget &target) {
  RankedTensorType stored = storedWeight(linear);
  if (readsPanels(linear, target))
    return PackedAttr::get(stored.getContext(), /*panel=*/8, /*interleave=*/8);
  int64_t piece = 16 / bytesOf(stored.getElementType());
  if (stored.getDimSize(1) % piece == 0)
    return {};
  return PackedAttr::get(stored.getContext(), /*panel=*/1, piece);
}

} // namespace llmopt
