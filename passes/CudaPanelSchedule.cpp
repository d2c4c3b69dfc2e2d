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

/// Few rows: 16 outputs a block, eight warps on K in slices of 128 elements (4 KiB of weights), as
/// many slices under way as shared memory has room for: with two blocks on a multiprocessor, 192
/// KiB is what the best published kernels keep. Where there are no two blocks for each, one may
/// have all of it. Null if the rows of x leave no room.
static Attribute matvecPanels(MLIRContext *context, int64_t rows, int64_t columns, int64_t depth,
                              const CudaTarget &target) {
  constexpr int64_t tileColumns = 16, sliceDepth = 128, warps = 8, mostStages = 6;
  constexpr int64_t stageBytes = warps * (tileColumns * sliceDepth * 2 + 8);
  int64_t xBytes = rows * (llvm::alignTo(depth, 64) + 8) * 2;
  int64_t sumBytes = warps * tileColumns * rows * 4;
  int64_t useful = llvm::divideCeil(llvm::divideCeil(depth, sliceDepth), warps);
  bool oneBlockEach = llvm::divideCeil(columns, tileColumns) <= uint64_t(target.multiprocessors);
  auto stagesWithin = [&](int64_t bytes) {
    return std::min({useful, mostStages, (bytes - xBytes - sumBytes) / stageBytes});
  };
  int64_t stages = oneBlockEach ? 0 : stagesWithin(halfOf(target));
  if (stages < std::min<int64_t>(useful, 2))
    stages = stagesWithin(target.blockSharedBytes);
  if (stages < std::min<int64_t>(useful, 2))
    return {};
  return dictionary(context, "matvec_panels", rows,
                    {{"rows", rows},
                     {"columns", tileColumns},
                     {"depth", sliceDepth},
                     {"warps", warps},
                     {"stages", stages}});
}

/// More rows: as many stages of 64 elements of K as `bytes` of shared memory hold.
static Attribute wgmma(MLIRContext *context, int64_t maxRows, int64_t rows, int64_t columns,
                       int64_t consumers, int64_t depth, int64_t bytes) {
  constexpr int64_t mostStages = 8;
  int64_t stageBytes = (columns + rows) * 128 + 16;
  int64_t useful = std::max<int64_t>(2, llvm::divideCeil(depth, 64));
  int64_t stages = std::min({useful, mostStages, bytes / stageBytes});
  return dictionary(
      context, "gemm_wgmma", maxRows,
      {{"rows", rows}, {"columns", columns}, {"stages", stages}, {"consumers", consumers}});
}

SmallVector<Attribute> schedulePanels(MLIRContext *context, int64_t columns, int64_t depth,
                                      const CudaTarget &target, bool batchInvariant) {
  SmallVector<Attribute> variants;
  // The tensor cores take eight rows at the price of one; fewer rows leave more shared memory to
  // the weights.
  int64_t covered = 0;
  if (!batchInvariant)
    for (int64_t rows : {1, 4, 8, 16})
      if (Attribute variant = matvecPanels(context, rows, columns, depth, target)) {
        variants.push_back(variant);
        covered = rows;
      }
  // Up to some hundred rows the weights are still what takes the time: small tiles, two blocks on a
  // multiprocessor. From there on operands are read again and again: the largest tile that the
  // registers hold, so that shared memory, which feeds the tensor cores, keeps up.
  for (int64_t rows : {8, 16, 64, 128})
    if (rows > covered)
      variants.push_back(wgmma(context, rows, rows, 64, 1, depth, halfOf(target)));
  variants.push_back(wgmma(context, 0, 256, 128, 2, depth, target.blockSharedBytes));
  return variants;
}

} // namespace llmopt
