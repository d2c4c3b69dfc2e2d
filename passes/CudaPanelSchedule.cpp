#include "passes/CudaPanelSchedule.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace llmopt {

static Attribute dictionary(MLIRContext *context, StringRef kind, int64_t maxRows,
                            ArrayRef<std::pair<StringRef, int64_t>> numbers) {
  Builder builder(context);
  SmallVector<NamedAttribute> entries = {builder.getNamedAttr("kind", builder.getStringAttr(kind))};
  if (maxRows)
    entries.push_back(builder.getNamedAttr("max_rows", builder.getI64IntegerAttr(maxRows)));
  for (auto [name, value] : numbers)
    entries.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(value)));
  return builder.getDictionaryAttr(entries);
}

/// Shared memory of a block that leaves room for another one beside it.
static int64_t halfOf(const CudaTarget &target) {
  return target.multiprocessorSharedBytes / 2 - CudaTarget::reservedBytes;
}

/// Few rows: on sm_90a tiles of 16 outputs, slices of 512 elements of K (16 KiB of weights), eight
/// warps, and one block for each multiprocessor, which makes tile after tile. Two blocks have room
/// side by side: while one kernel ends, the next one's has its first weights under way. So what is
/// in flight on a multiprocessor is a ring of some 100 KiB, several times what its share of the
/// bandwidth needs (25 GB/s times a microsecond). Where rows of x leave a half no room for three
/// stages, the block takes it all. Null if they leave none there either.
static Attribute matvecPanels(MLIRContext *context, int64_t rows, int64_t columns, int64_t depth,
                              const CudaTarget &target, const CudaDefaults &defaults) {
  auto start = [&](const char *name) { return defaults.get("matvec_panels", name); };
  const int64_t tileColumns = start("columns"), sliceDepth = start("depth"), warps = start("warps"),
                mostStages = start("stages"), leastStages = 3;
  const int64_t stageBytes = tileColumns * sliceDepth * 2 + 16;
  int64_t workBytes =
      rows * (llvm::alignTo(depth, 64) + 8) * 2 + 2 * warps * tileColumns * rows * 4;
  // Of all tiles that a block makes.
  int64_t useful = llvm::divideCeil(depth, sliceDepth) *
                   llvm::divideCeil(llvm::divideCeil(columns, tileColumns), target.multiprocessors);
  auto stagesWithin = [&](int64_t bytes) {
    return std::min({useful, mostStages, (bytes - workBytes) / stageBytes});
  };
  int64_t least = std::min(useful, leastStages);
  int64_t stages = stagesWithin(halfOf(target));
  if (stages < least)
    stages = stagesWithin(target.blockSharedBytes);
  if (stages < least)
    return {};
  return dictionary(context, "matvec_panels", rows,
                    {{"rows", rows},
                     {"columns", tileColumns},
                     {"depth", sliceDepth},
                     {"warps", warps},
                     {"stages", stages},
                     {"blocks", start("blocks")}});
}

/// More rows: as many stages of 64 elements of K as `bytes` of shared memory hold.
static Attribute wgmma(MLIRContext *context, int64_t maxRows, int64_t depth, int64_t bytes,
                       const CudaDefaults &defaults) {
  auto start = [&](const char *name) {
    return defaults.get(maxRows ? "gemm_wgmma/few" : "gemm_wgmma/many", name);
  };
  const int64_t rows = maxRows ? maxRows : start("rows"), columns = start("columns"),
                consumers = start("consumers"), mostStages = start("stages");
  int64_t stageBytes = (columns + rows) * 128 + 16;
  int64_t useful = std::max<int64_t>(2, llvm::divideCeil(depth, 64));
  int64_t stages = std::min({useful, mostStages, bytes / stageBytes});
  return dictionary(
      context, "gemm_wgmma", maxRows,
      {{"rows", rows}, {"columns", columns}, {"stages", stages}, {"consumers", consumers}});
}

SmallVector<Attribute> schedulePanels(MLIRContext *context, int64_t columns, int64_t depth,
                                      const CudaTarget &target, const CudaDefaults &defaults,
                                      bool batchInvariant) {
  SmallVector<Attribute> variants;
  // The tensor cores take eight rows at the price of one; fewer rows leave more shared memory to
  // the weights.
  int64_t covered = 0;
  if (!batchInvariant)
    for (int64_t rows : {1, 4, 8, 16})
      if (Attribute variant = matvecPanels(context, rows, columns, depth, target, defaults)) {
        variants.push_back(variant);
        covered = rows;
      }
  // Up to some hundred rows the weights are still what takes the time: small tiles, two blocks on a
  // multiprocessor. From there on operands are read again and again: the largest tile that the
  // registers hold, so that shared memory, which feeds the tensor cores, keeps up.
  for (int64_t rows : {8, 16, 64, 128})
    if (rows > covered)
      variants.push_back(wgmma(context, rows, depth, halfOf(target), defaults));
  variants.push_back(wgmma(context, 0, depth, target.blockSharedBytes, defaults));
  return variants;
}

} // namespace llmopt
