#include "passes/CudaSchedule.h"

#include "ir/ShapeInference.h"
#include "passes/CudaPanelSchedule.h"

#include "mlir/IR/Builders.h"

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

static int64_t bytesOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }

/// A matvec for `rows` rows: eight outputs a block, eight warps on K, as many stages as a warp has
/// slices and shared memory has room for. Null if the rows of x leave no room.
static Attribute matvec(MLIRContext *context, int64_t rows, int64_t depth, int64_t weightBytes,
                        int64_t computeBytes, const CudaTarget &target) {
  constexpr int64_t warps = 8;
  int64_t slices = llvm::divideCeil(depth * weightBytes, 512);
  int64_t useful = llvm::divideCeil(slices, warps) + 1;
  // More than 64 sums leave a lane too few registers for what it multiplies.
  for (int64_t columns = rows <= 8 ? 8 : 4; columns >= 4; columns /= 2)
    for (int64_t stages = std::min<int64_t>(3, useful); stages >= 2; --stages) {
      int64_t shared = warps * stages * columns * 512 +
                       rows * llvm::alignTo(depth, 16) * computeBytes + warps * columns * rows * 4;
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

static Attribute gemm(MLIRContext *context, int64_t maxRows, int64_t columns, int64_t rows,
                      int64_t depth, int64_t stages, std::array<int64_t, 3> warps) {
  Dictionary entry(context);
  entry.set("kind", "gemm");
  if (maxRows)
    entry.set("max_rows", maxRows);
  return entry.set("rows", rows)
      .set("columns", columns)
      .set("depth", depth)
      .set("stages", stages)
      .set("warp_columns", warps[0])
      .set("warp_rows", warps[1])
      .set("warp_depths", warps[2])
      .get();
}

/// The type of the stored weight, which the linear may cast.
static RankedTensorType storedWeight(LinearOp linear) {
  Value weight = linear.getWeight();
  if (auto cast = weight.getDefiningOp<CastOp>())
    weight = cast.getInput();
  return tensorType(weight);
}

/// Tensor cores read 16-bit weights as they are stored.
static bool readsPanels(LinearOp linear, const CudaTarget &target) {
  return target.warpgroups && bytesOf(storedWeight(linear).getElementType()) == 2;
}

/// A row takes 2 / weightBytes operations for each byte of weights, and the FMA units keep up with
/// the memory for 10 (A100) to 20 (H100) of them, less what the conversions of 16-bit operands
/// take. So with 16-bit weights the tensor cores serve from five rows on: a small tile, which
/// streams the weights as the matvec does, its warps on K. With 32-bit weights the FMA units serve
/// all 16.
static void scheduleRowMajor(SmallVectorImpl<Attribute> &variants, MLIRContext *context,
                             int64_t depth, int64_t weightBytes, int64_t computeBytes,
                             const CudaTarget &target) {
  int64_t covered = 0;
  for (int64_t rows : {1, 2, 4, 8, 16})
    if (rows <= 4 || weightBytes == 4)
      if (Attribute variant = matvec(context, rows, depth, weightBytes, computeBytes, target)) {
        variants.push_back(variant);
        covered = rows;
      }
  auto small = [&](Attribute variant) {
    if (covered < 16)
      variants.push_back(variant);
  };
  if (computeBytes == 4) {
    small(gemm(context, 16, 64, 16, 32, 4, {8, 1, 1}));
    variants.push_back(gemm(context, 0, 128, 64, 32, 3, {8, 1, 1}));
  } else if (weightBytes == 4) {
    small(gemm(context, 16, 32, 16, 128, 3, {2, 1, 4}));
    variants.push_back(gemm(context, 0, 128, 64, 32, 3, {4, 2, 1}));
  } else {
    small(gemm(context, 16, 32, 16, 256, 3, {2, 1, 4}));
    variants.push_back(gemm(context, 0, 128, 128, 64, 3, {2, 4, 1}));
  }
}

static void scheduleLinear(const KernelAnatomy &anatomy, const CudaTarget &target,
                           SmallVectorImpl<NamedAttribute> &entries) {
  LinearOp linear = anatomy.linear;
  MLIRContext *context = linear.getContext();
  Builder builder(context);
  auto input = tensorType(linear.getInput());
  int64_t depth = input.getDimSize(1);
  int64_t computeBytes = bytesOf(input.getElementType());
  int64_t weightBytes = bytesOf(storedWeight(linear).getElementType());
  SmallVector<Attribute> variants;
  if (readsPanels(linear, target)) {
    variants = schedulePanels(context, tensorType(linear.getResult()).getDimSize(1), depth, target);
  } else {
    scheduleRowMajor(variants, context, depth, weightBytes, computeBytes, target);
    // What the vendor has tuned for every shape; with a prologue, its input is made before.
    if (isPlainProduct(anatomy) && weightBytes == computeBytes)
      variants.back() = Dictionary(context).set("kind", "library").get();
  }
  entries.push_back(builder.getNamedAttr("variants", builder.getArrayAttr(variants)));
  if (!isa<BlockArgument>(linear.getInput()))
    entries.push_back(builder.getNamedAttr("workspace_row_bytes",
                                           builder.getI64IntegerAttr(depth * computeBytes)));
}

static void scheduleAttention(AttentionOp attention, const CudaTarget &target,
                              SmallVectorImpl<NamedAttribute> &entries) {
  Builder builder(attention.getContext());
  // Enough blocks for one row to occupy the card.
  int64_t splits = std::clamp<int64_t>(
      llvm::divideCeil(2 * target.multiprocessors, attention.getCache().getType().getHeads()), 1,
      16);
  entries.push_back(builder.getNamedAttr("decode_rows", builder.getI64IntegerAttr(decodeRows)));
  entries.push_back(builder.getNamedAttr("splits", builder.getI64IntegerAttr(splits)));
}

SmallVector<NamedAttribute> cudaSchedule(const KernelAnatomy &anatomy, const CudaTarget &target) {
  SmallVector<NamedAttribute> entries;
  if (anatomy.linear)
    scheduleLinear(anatomy, target, entries);
  if (anatomy.attention)
    scheduleAttention(anatomy.attention, target, entries);
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
