#include "ir/KernelSync.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace llmopt {

/// More tiles than any kernel has: a run that claims so many is malformed.
static constexpr int64_t mostTiles = int64_t(1) << 24;

int64_t KernelSync::chunks() const {
  int64_t most = -1;
  for (int64_t chunk : chunkOf)
    most = std::max(most, chunk);
  return most + 1;
}

static DenseI64ArrayAttr runLengths(Builder &builder, const std::vector<int64_t> &values) {
  SmallVector<int64_t> runs; // count, value, count, value, ...
  for (int64_t value : values)
    if (!runs.empty() && runs.back() == value)
      ++runs[runs.size() - 2];
    else
      runs.append({1, value});
  return builder.getDenseI64ArrayAttr(runs);
}

Attribute syncAttribute(MLIRContext *context, const std::vector<KernelSync> &entries) {
  Builder builder(context);
  SmallVector<Attribute> buckets;
  for (const KernelSync &sync : entries) {
    SmallVector<Attribute> sets;
    for (const std::vector<ChunkWait> &set : sync.waits) {
      SmallVector<int64_t> numbers;
      for (ChunkWait wait : set)
        numbers.append({wait.kernel, wait.chunk});
      sets.push_back(builder.getDenseI64ArrayAttr(numbers));
    }
    SmallVector<NamedAttribute> entry = {
        builder.getNamedAttr("max_rows", builder.getI64IntegerAttr(sync.maxRows)),
        builder.getNamedAttr("period", builder.getI64IntegerAttr(sync.tiles())),
        builder.getNamedAttr("chunks", runLengths(builder, sync.chunkOf)),
        builder.getNamedAttr("waits", builder.getArrayAttr(sets)),
        builder.getNamedAttr("wait_of", runLengths(builder, sync.waitOf))};
    if (sync.perRow)
      entry.push_back(builder.getNamedAttr("per_row", builder.getUnitAttr()));
    if (sync.splits)
      entry.push_back(builder.getNamedAttr("splits", builder.getUnitAttr()));
    buckets.push_back(builder.getDictionaryAttr(entry));
  }
  return builder.getArrayAttr(buckets);
}

/// The values of runs that sum up to `period`, each less than `limit`; nothing if they do not.
static std::optional<std::vector<int64_t>> readRuns(DenseI64ArrayAttr runs, int64_t period,
                                                    int64_t limit) {
  if (!runs || runs.size() % 2 != 0)
    return std::nullopt;
  std::vector<int64_t> values;
  ArrayRef<int64_t> numbers = runs;
  for (size_t i = 0; i < numbers.size(); i += 2) {
    int64_t left = period - static_cast<int64_t>(values.size());
    if (numbers[i] < 1 || numbers[i] > left || numbers[i + 1] < 0 || numbers[i + 1] >= limit)
      return std::nullopt;
    values.insert(values.end(), static_cast<size_t>(numbers[i]), numbers[i + 1]);
  }
  if (static_cast<int64_t>(values.size()) != period)
    return std::nullopt;
  return values;
}

static LogicalResult readEntry(KernelOp kernel, Attribute attribute, KernelSync &sync) {
  auto malformed = [&](const Twine &what) {
    return kernel.emitOpError() << "'" << kernel.getName() << "' has a malformed sync: " << what;
  };
  auto entry = dyn_cast<DictionaryAttr>(attribute);
  auto maxRows = entry ? entry.getAs<IntegerAttr>("max_rows") : IntegerAttr();
  auto period = entry ? entry.getAs<IntegerAttr>("period") : IntegerAttr();
  auto waits = entry ? entry.getAs<ArrayAttr>("waits") : ArrayAttr();
  if (!maxRows || !period || !waits)
    return malformed("an entry gives max_rows, period, chunks, waits and wait_of");
  sync.maxRows = maxRows.getInt();
  sync.perRow = entry.contains("per_row");
  sync.splits = entry.contains("splits");
  if (period.getInt() < 1 || period.getInt() > mostTiles)
    return malformed("its period is no number of tiles");
  for (Attribute set : waits) {
    auto numbers = dyn_cast<DenseI64ArrayAttr>(set);
    if (!numbers || numbers.size() % 2 != 0)
      return malformed("a wait set is a list of kernels and chunks");
    sync.waits.emplace_back();
    for (int64_t i = 0; i < numbers.size(); i += 2)
      sync.waits.back().push_back({numbers[i], numbers[i + 1]});
  }
  auto chunks =
      readRuns(entry.getAs<DenseI64ArrayAttr>("chunks"), period.getInt(), period.getInt());
  if (!chunks)
    return malformed("its chunks are not runs of the period's tiles");
  auto waitOf = readRuns(entry.getAs<DenseI64ArrayAttr>("wait_of"), period.getInt(),
                         static_cast<int64_t>(waits.size()));
  if (!waitOf)
    return malformed("its wait_of is not runs of the period's tiles and of its wait sets");
  sync.chunkOf = std::move(*chunks);
  sync.waitOf = std::move(*waitOf);
  return success();
}

FailureOr<std::vector<KernelSync>> readSync(KernelOp kernel) {
  auto buckets = kernel->getAttrOfType<ArrayAttr>(syncAttrName);
  if (!buckets || buckets.empty()) {
    kernel.emitOpError() << "'" << kernel.getName() << "' has no sync";
    return failure();
  }
  std::vector<KernelSync> entries;
  for (Attribute bucket : buckets) {
    int64_t before = entries.empty() ? 0 : entries.back().maxRows;
    entries.emplace_back();
    if (failed(readEntry(kernel, bucket, entries.back())))
      return failure();
    if (entries.back().maxRows <= before) {
      kernel.emitOpError() << "'" << kernel.getName()
                           << "' has a malformed sync: its max_rows do not rise";
      return failure();
    }
  }
  return entries;
}

} // namespace llmopt
