//===- CudaAttention.cpp - Attention: how rows and keys are cut into tiles --------------------===//

#include "codegen/PointwiseEmitter.h"
#include "codegen/cuda/CudaWriter.h"
#include "ir/KernelTiling.h"
#include "ir/ShapeInference.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace llmopt {

namespace {
/// A Products policy of kernels/attention.cuh with what follows from it.
struct Products {
  std::string type, header;
  int64_t slots = 0, step = 0, threads = 0, sharedBytes = 0;
};

/// A function of the kernel.
struct Instance {
  const char *suffix;
  Products products;
  bool decode = false;
  /// Of a row and the heads of a tile; with fixed parts exactly so many.
  int64_t splits = 1;
};

class AttentionEmitter {
public:
  AttentionEmitter(SourceWriter &out, const PlannedKernel &planned, int64_t limit)
      : out(out), planned(planned), pointers(planned), op(planned.anatomy.attention),
        cache(op.getCache().getType()), limit(limit) {}

  Result<std::vector<CudaVariant>> emit() {
    if (cache.getPage() != 16)
      return makeError("kernel '{}': CUDA's pages have 16 tokens, the cache's {}", planned.name,
                       cache.getPage());
    LLMOPT_TRY(readSchedule());
    Instance few = {"_decode", decodeProducts(1), /*decode=*/true, splits};
    Instance batch = {"_batch", batchProducts(), /*decode=*/true, batchSplits};
    Instance prefill = {"_prefill", prefillProducts()};
    const bool sameTile = batch.products.type == few.products.type;
    emitParts(few, batch);
    std::vector<CudaVariant> variants(1);
    variants[0].maxRows = decodeRows;
    LLMOPT_TRY(emitFunction(variants[0], few));
    if (!partKeys) {
      variants.emplace_back().decode = true;
      if (sameTile)
        variants[1].functions = variants[0].functions;
      else
        LLMOPT_TRY(emitFunction(variants[1], batch));
    }
    variants.emplace_back();
    LLMOPT_TRY(emitFunction(variants.back(), prefill));
    return variants;
  }

private:
  SourceWriter &out;
  const PlannedKernel &planned;
  CudaPointers pointers;
  AttentionOp op;
  CacheType cache;
  int64_t limit;
  int64_t decodeRows = 0, splits = 1, batchHeads = 16, batchSplits = 1;
  int64_t prefillKeys = 0, prefillStages = 0; ///< of warpgroups; 0: without
  /// Of a part with fixed bounds; 0 where each row's keys are divided into equal parts.
  int64_t partKeys = 0;

  Status readSchedule() {
    auto schedule = planned.kernel->getAttrOfType<DictionaryAttr>("schedule");
    auto read = [&](const char *name, int64_t &to) {
      auto value = schedule ? schedule.getAs<IntegerAttr>(name) : IntegerAttr();
      if (value)
        to = value.getInt();
      return bool(value);
    };
    bool fixed = read("part_keys", partKeys);
    if (!read("decode_rows", decodeRows) || !read("splits", splits) ||
        (!fixed && (!read("batch_heads", batchHeads) || !read("batch_splits", batchSplits))))
      return makeError("kernel '{}' has no schedule for CUDA", planned.name);
    if (read("prefill_keys", prefillKeys) != read("prefill_stages", prefillStages))
      return makeError("kernel '{}' has one of 'prefill_keys' and 'prefill_stages'", planned.name);
    return llmopt::success();
  }

  int64_t group() { return op.getHeads() / cache.getHeads(); }
  int64_t headDim() { return cache.getHeadDim(); }

  /// Tensor cores need 16-bit keys and whole matrices.
  bool onTensorCores() { return !cache.getElementType().isF32() && headDim() % 8 == 0; }

  Products tensorProducts(int64_t queryTiles, int64_t keyGroups, int64_t keys) {
    Products products;
    products.type =
        fmt::format("TensorAttention<Config, /*QueryTiles=*/{}, /*KeyGroups=*/{}, /*Keys=*/{}>",
                    queryTiles, keyGroups, keys);
    products.header = "attention_tensor";
    products.slots = 16 * queryTiles;
    products.step = keyGroups * keys;
    products.threads = 32 * queryTiles * keyGroups;
    // As in kernels/attention_tensor.cuh.
    int64_t row = llvm::alignTo(headDim(), 16) + 8;
    int64_t working = products.slots * row * 2 + 2 * 2 * products.step * row * 2;
    products.sharedBytes = std::max(working, keyGroups * products.slots * (headDim() + 2) * 4);
    return products;
  }

  Products exactProducts(int64_t slots, int64_t step) {
    Products products;
    products.type = fmt::format("ExactAttention<Config, /*Slots=*/{}, /*Step=*/{}>", slots, step);
    products.header = "attention_exact";
    products.slots = slots;
    products.step = step;
    products.threads = 128;
    // As in kernels/attention_exact.cuh.
    products.sharedBytes = 4 * (slots * headDim() + slots * step + 3 * slots +
                                std::max(step * (2 * headDim() + 1), slots * (headDim() + 2)));
    return products;
  }

  /// With fixed parts a slot's sums have to be made alike in decode and in prefill: the same keys
  /// in a step, added up by the same lanes.
  Products decodeProducts(int64_t queryTiles) {
    if (onTensorCores() && partKeys)
      return tensorProducts(1, 1, fixedStep());
    if (onTensorCores() && queryTiles > 1)
      return tensorProducts(queryTiles, queryTiles == 2 ? 2 : 1,
                            queryTiles == 2 ? 32 : fixedStep());
    if (onTensorCores())
      return tensorProducts(1, 4, headDim() <= 64 ? 32 : 16);
    int64_t slots = std::min<int64_t>(16, llvm::PowerOf2Ceil(static_cast<uint64_t>(group())));
    return exactProducts(slots, !partKeys && headDim() <= 128 && slots < 4 ? 64 : 32);
  }

  /// As many of a group's heads as the schedule says and shared memory has room for.
  Products batchProducts() {
    int64_t queryTiles = llvm::divideCeil(batchHeads, 16);
    while (queryTiles > 1 && decodeProducts(queryTiles).sharedBytes > limit)
      --queryTiles;
    return decodeProducts(queryTiles);
  }

  Products warpgroupProducts() {
    Products products;
    products.type = fmt::format("WgmmaAttention<Config, /*Keys=*/{}, /*Stages=*/{}>", prefillKeys,
                                prefillStages);
    products.header = "attention_wgmma";
    products.slots = 128;
    products.step = prefillKeys;
    products.threads = 384;
    // As in kernels/attention_wgmma.cuh.
    products.sharedBytes =
        products.slots * headDim() * 2 + prefillStages * (2 * prefillKeys * headDim() * 2 + 4 * 8);
    return products;
  }

  Products prefillProducts() {
    if (prefillKeys)
      return warpgroupProducts();
    if (!onTensorCores())
      return withSums(exactProducts(16, 32));
    int64_t queryTiles = 4;
    while (partKeys && queryTiles > 1 &&
           withSums(tensorProducts(queryTiles, 1, fixedStep())).sharedBytes > limit)
      queryTiles /= 2;
    return withSums(tensorProducts(queryTiles, 1, fixedStep()));
  }

  int64_t fixedStep() { return headDim() <= 128 ? 64 : 32; }

  /// With room for what a tile of prefill has added up of fixed parts, as in kernels/attention.cuh.
  Products withSums(Products products) {
    if (partKeys)
      products.sharedBytes += products.slots * (headDim() + 2) * 4;
    return products;
  }

  int64_t headsOfTile(const Products &products) { return std::min(group(), products.slots); }
  /// Of a block, as rowsFilling() in kernels/attention.cuh.
  int64_t rowsOfBlock(const Instance &instance) {
    if (instance.decode)
      return 1;
    const int64_t slots = instance.products.slots;
    int64_t rows = std::max<int64_t>(1, slots / group());
    auto filled = [&] { return static_cast<int64_t>(llvm::alignTo(rows * group(), slots)); };
    while (filled() - rows * group() > filled() / 32)
      ++rows;
    return rows;
  }
  /// Of a row, or of a block of rows.
  int64_t tilesOf(const Instance &instance) {
    const Products &products = instance.products;
    return cache.getHeads() *
           (instance.decode ? llvm::divideCeil(group(), headsOfTile(products))
                            : llvm::divideCeil(rowsOfBlock(instance) * group(), products.slots));
  }
  /// Blocks that may share the work of others: of one row, where the rows that there are have as
  /// many splits as blocks are left; with fixed parts of all rows.
  int64_t splitBlocks(const Instance &instance) {
    if (instance.splits <= 1)
      return 0;
    return tilesOf(instance) * instance.splits * (partKeys ? decodeRows : 1);
  }

  void emitParts(const Instance &few, const Instance &batch) {
    out.open("namespace {}_parts", planned.name);
    pointers.declareArguments(out);
    out.open("struct Config");
    out.line("using Query = {};", cppType(tensorType(op.getQuery()).getElementType()));
    out.line("using Result = {};", cppType(tensorType(op.getResult()).getElementType()));
    out.line("using Cache = {};", cacheLayout(cache));
    out.line("static constexpr int heads = {};", op.getHeads());
    out.line("static constexpr float scale = {};",
             floatLiteral(static_cast<float>(op.getScale().convertToDouble())));
    out.line("static constexpr int window = {};", op.getWindow().value_or(0));
    out.line("static constexpr float softcap = {};",
             floatLiteral(op.getSoftcap() ? static_cast<float>(op.getSoftcap()->convertToDouble())
                                          : 0.0f));
    out.line("static constexpr bool alibi = {};", op.getSlopes() ? "true" : "false");
    out.line("static constexpr int partKeys = {};", partKeys);
    out.line("static constexpr int parts = {};", partKeys ? splits : 0);
    if (auto slopes = op.getSlopes()) {
      std::vector<std::string> items;
      for (float slope : *slopes)
        items.push_back(floatLiteral(slope));
      out.open("static LLMOPT_DEVICE float slope(int head)");
      out.line("static constexpr float slopes[] = {{{}}};", llvm::join(items, ", "));
      out.line("return slopes[head];");
      out.close();
    }
    out.close("};");
    if (int64_t blocks = std::max(splitBlocks(few), splitBlocks(batch))) {
      auto floatsOf = [&](const Instance &instance) {
        return splitBlocks(instance) * headsOfTile(instance.products) * (headDim() + 2);
      };
      out.line("/// Of blocks that share the keys of a row: results, and how many have arrived.");
      out.line("__device__ float partials[{}];", std::max(floatsOf(few), floatsOf(batch)));
      out.line("__device__ unsigned arrivals[{}];", blocks);
    }
    out.close("} // namespace");
  }

  Status emitFunction(CudaVariant &variant, const Instance &instance) {
    const Products &products = instance.products;
    const int64_t tiles = tilesOf(instance);
    // What a persistent step counts with.
    bool row = StringRef(instance.suffix) == "_decode";
    if (row && headsOfTile(products) != decodeHeadsOfTile(group()))
      return makeError("kernel '{}' has {} query heads in a tile, its tiling {}", planned.name,
                       headsOfTile(products), decodeHeadsOfTile(group()));
    CudaFunction function;
    function.name = planned.name + instance.suffix;
    function.header = products.header;
    function.tiles = tiles * (partKeys ? instance.splits : 1);
    function.splits = partKeys ? 1 : instance.splits;
    function.rowsPerTile = rowsOfBlock(instance);
    function.perSequence = !instance.decode;
    function.threads = products.threads;
    function.sharedBytes = products.sharedBytes;
    if (function.sharedBytes > limit)
      return makeError(
          "kernel '{}' needs {} bytes of shared memory for heads of {}; the most is {}",
          function.name, function.sharedBytes, headDim(), limit);
    out.line();
    openFunction(out, planned, pointers, function);
    function.type =
        fmt::format("Attention<Config, {}, /*Decode=*/{}>", products.type, instance.decode);
    out.line("using Kernel = {};", function.type);
    out.line("static_assert(Kernel::tilesOfRows == {} && Kernel::rowsOfBlock == {} && "
             "Kernel::threads == {} && Kernel::sharedBytes == {}, \"as the plan says\");",
             tiles, function.rowsPerTile, function.threads, function.sharedBytes);
    bool split = splitBlocks(instance) > 0;
    function.call = fmt::format("step, {}, {}, {}, {}, {}", pointers.operand(op.getQuery()),
                                pointers.operand(op.getCache()), pointers.result(0),
                                split ? "partials" : "nullptr", split ? "arrivals" : "nullptr");
    function.countsTiles = true;
    out.line("Kernel::tile({}, blockIdx.x, gridDim.x, shared, GridGate());", function.call);
    out.close();
    variant.functions.push_back(function);
    return llmopt::success();
  }
};
} // namespace

Result<std::vector<CudaVariant>> emitCudaAttention(SourceWriter &out, const PlannedKernel &planned,
                                                   int64_t limit) {
  return AttentionEmitter(out, planned, limit).emit();
}

} // namespace llmopt
