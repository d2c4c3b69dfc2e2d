#include "passes/StepTiling.h"
#include "ir/ShapeInference.h"

#include "passes/Phase.h"

#include "llvm/ADT/StringMap.h"

#include <set>

using namespace mlir;

namespace llmopt {

//===------------------------------------------------------------------------------------------===//
// Schedules
//===------------------------------------------------------------------------------------------===//

static int64_t integerOf(DictionaryAttr entry, StringRef name) {
  auto value = entry ? entry.getAs<IntegerAttr>(name) : IntegerAttr();
  return value ? value.getInt() : 0;
}

/// The variant that a linear's kernel runs for so many rows: the first with room for them.
static DictionaryAttr variantFor(KernelOp kernel, int64_t rows) {
  auto schedule = kernel->getAttrOfType<DictionaryAttr>(scheduleAttrName);
  auto variants = schedule ? schedule.getAs<ArrayAttr>("variants") : ArrayAttr();
  for (Attribute variant : variants ? variants.getValue() : ArrayRef<Attribute>()) {
    auto entry = dyn_cast<DictionaryAttr>(variant);
    int64_t most = integerOf(entry, "max_rows");
    if (entry && (most == 0 || rows <= most))
      return entry;
  }
  return {};
}

static StringRef kindOf(DictionaryAttr variant) {
  auto kind = variant ? variant.getAs<StringAttr>("kind") : StringAttr();
  return kind ? kind.getValue() : "nothing";
}

/// Columns of a tile of a variant that is one function for all of so many rows, and that leaves
/// the block's registers to the compiler; else 0.
static int64_t tileColumnsOf(DictionaryAttr variant, int64_t rows) {
  StringRef kind = kindOf(variant);
  if ((kind != "matvec" && kind != "matvec_panels") || integerOf(variant, "rows") < rows)
    return 0;
  return integerOf(variant, "columns");
}

static LogicalResult cannotPersist(KernelOp kernel, int64_t rows) {
  DictionaryAttr variant = variantFor(kernel, rows);
  auto error = kernel.emitOpError()
               << "'" << kernel.getName() << "' cannot run in a persistent step: for " << rows
               << " rows it is scheduled as '" << kindOf(variant) << "'";
  if (kindOf(variant).starts_with("matvec"))
    return error << " with tiles of " << integerOf(variant, "columns") << " columns and "
                 << integerOf(variant, "rows") << " rows";
  return error << ", not as a matvec";
}

FailureOr<std::vector<int64_t>> persistentBuckets(func::FuncOp step) {
  std::set<int64_t> candidates;
  SmallVector<KernelOp> linears;
  int64_t mostRows = std::numeric_limits<int64_t>::max();
  for (auto kernel : step.getBody().front().getOps<KernelOp>()) {
    auto schedule = kernel->getAttrOfType<DictionaryAttr>(scheduleAttrName);
    auto target = schedule ? schedule.getAs<StringAttr>("target") : StringAttr();
    if (!target || target.getValue() != "cuda")
      return kernel.emitOpError() << "'" << kernel.getName()
                                  << "' cannot run in a persistent step: it is not scheduled for "
                                     "the target cuda";
    if (int64_t rows = integerOf(schedule, "decode_rows"))
      mostRows = std::min(mostRows, rows);
    auto variants = schedule.getAs<ArrayAttr>("variants");
    if (!variants)
      continue;
    linears.push_back(kernel);
    for (Attribute variant : variants)
      if (int64_t rows = integerOf(dyn_cast<DictionaryAttr>(variant), "max_rows"))
        candidates.insert(rows);
  }
  std::vector<int64_t> buckets;
  KernelOp preventing;
  for (int64_t rows : candidates) {
    if (rows > mostRows)
      break;
    auto *found = llvm::find_if(linears, [&](KernelOp kernel) {
      return tileColumnsOf(variantFor(kernel, rows), rows) == 0;
    });
    if (found == linears.end())
      buckets.push_back(rows);
    else if (!preventing)
      preventing = *found;
  }
  if (!buckets.empty())
    return buckets;
  if (preventing)
    return cannotPersist(preventing, *candidates.begin());
  if (!linears.empty())
    return cannotPersist(linears.front(), 1);
  return step.emitError() << "a step without a linear cannot run persistently";
}

//===------------------------------------------------------------------------------------------===//
// Memory
//===------------------------------------------------------------------------------------------===//

std::string TiledKernel::name() const {
  return fmt::format("'{}' (kernel {})", KernelOp(op).getName().str(), index);
}

namespace {
/// Gives each thing that tiles touch its place.
class MemoryTable {
public:
  explicit MemoryTable(TiledStep &step) : step(step) {}

  FailureOr<size_t> find(const TiledKernel &kernel, const TileAccess &access) {
    switch (access.kind) {
    case TileAccess::Kind::Buffer:
      return buffer(access.value);
    case TileAccess::Kind::Keys:
      return cache("keys", access.layer);
    case TileAccess::Kind::Values:
      return cache("values", access.layer);
    case TileAccess::Kind::Partials:
      // Kernels of one text share the memory, in an order of their own: no columns of it are told
      // apart.
      return add("the partial results of " + kernel.name(), "partials", 0, 1);
    }
    return failure();
  }

private:
  TiledStep &step;
  llvm::StringMap<size_t> byName;

  size_t add(const std::string &name, const std::string &space, int64_t offset, int64_t rowBytes) {
    auto [entry, isNew] = byName.insert({name, step.memories.size()});
    if (isNew)
      step.memories.push_back({name, space, offset, rowBytes});
    return entry->second;
  }

  size_t cache(const char *what, int64_t layer) {
    std::string name = fmt::format("the {} of layer {}", what, layer);
    return add(name, name, 0, 1);
  }

  /// A result of a kernel, where `placement` says.
  FailureOr<size_t> buffer(Value value) {
    auto result = cast<OpResult>(value);
    auto op = cast<KernelOp>(result.getOwner());
    auto placement = op->getAttrOfType<ArrayAttr>(placementAttrName);
    auto entry = placement && result.getResultNumber() < placement.size()
                     ? dyn_cast<DictionaryAttr>(placement[result.getResultNumber()])
                     : DictionaryAttr();
    auto space = entry ? entry.getAs<StringAttr>("space") : StringAttr();
    auto offset = entry ? entry.getAs<IntegerAttr>("offset") : IntegerAttr();
    auto bytes = entry ? entry.getAs<IntegerAttr>("row_bytes") : IntegerAttr();
    if (!space || !offset || !bytes) {
      op.emitOpError() << "'" << op.getName() << "' has no placement of result "
                       << result.getResultNumber();
      return failure();
    }
    // What is compared with other places has to be a place, and as large as what is written there.
    auto type = tensorType(result);
    const int64_t needed = type.getDimSize(1) * type.getElementTypeBitWidth() / 8;
    constexpr int64_t most = int64_t(1) << 40;
    if (offset.getInt() < 0 || offset.getInt() > most || bytes.getInt() > most ||
        bytes.getInt() < needed) {
      op.emitOpError() << "'" << op.getName() << "' has result " << result.getResultNumber()
                       << " placed at " << offset.getInt() << " with " << bytes.getInt()
                       << " bytes a row; a row of it has " << needed;
      return failure();
    }
    auto maker = llvm::find_if(step.kernels, [&](TiledKernel &kernel) { return kernel.op == op; });
    return add(fmt::format("result {} of {}", result.getResultNumber(), maker->name()),
               fmt::format("the arena of {} rows", space.getValue().str()), offset.getInt(),
               bytes.getInt());
  }
};
} // namespace

FailureOr<std::vector<int64_t>> tileColumns(func::FuncOp function, int64_t maxRows) {
  std::vector<int64_t> columns;
  for (auto kernel : function.getBody().front().getOps<KernelOp>()) {
    columns.push_back(0);
    if (kernel.getBlock()->getOps<LinearOp>().empty())
      continue;
    columns.back() = tileColumnsOf(variantFor(kernel, maxRows), maxRows);
    if (columns.back() < 2)
      return cannotPersist(kernel, maxRows);
  }
  return columns;
}

FailureOr<TiledStep> tileStep(func::FuncOp function, ArrayRef<int64_t> tileColumns) {
  TiledStep step;
  for (auto op : function.getBody().front().getOps<KernelOp>()) {
    auto anatomy = analyzeKernel(op);
    if (failed(anatomy))
      return failure();
    auto tiling = tileKernel(op, *anatomy, tileColumns[step.kernels.size()]);
    if (!tiling) {
      op.emitOpError() << "'" << op.getName() << "' " << tiling.error().message();
      return failure();
    }
    TiledKernel kernel;
    kernel.op = op;
    kernel.tiling = std::move(*tiling);
    kernel.index = static_cast<int64_t>(step.kernels.size());
    step.kernels.push_back(std::move(kernel));
  }
  MemoryTable memories(step);
  for (TiledKernel &kernel : step.kernels)
    for (const TileAccess &access : kernel.tiling.accesses) {
      auto memory = memories.find(kernel, access);
      if (failed(memory))
        return failure();
      kernel.memoryOf.push_back(*memory);
    }
  return step;
}

} // namespace llmopt
