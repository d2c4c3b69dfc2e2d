#include "runtime/devices/cuda/CudaPlan.h"

#include <algorithm>
#include <set>

namespace llmopt {

/// No number of rows or tiles comes near this; the product of two stays inside int64_t.
static constexpr int64_t sizeLimit = int64_t(1) << 31;
/// Of any card, in threads and bytes (CUDA C++ Programming Guide, compute capabilities).
static constexpr int64_t threadLimit = 1024;
static constexpr int64_t sharedLimit = 227 * 1024;
/// On a multiprocessor.
static constexpr int64_t blockLimit = 32;
/// More blocks than any card runs at once.
static constexpr int64_t splitLimit = int64_t(1) << 16;

int64_t CudaGrid::tilesOf(int64_t rows, int64_t sequences) const {
  return tiles *
         (perSequence ? rows / rowsPerTile + sequences : (rows + rowsPerTile - 1) / rowsPerTile);
}

int64_t CudaGrid::splitsOf(int64_t rows, int64_t sequences, int64_t resident) const {
  return std::max<int64_t>(1, std::min(resident, tiles * splits) / tilesOf(rows, sequences));
}

int64_t CudaGrid::blocks(int64_t rows, int64_t sequences, int64_t multiprocessors,
                         int64_t resident) const {
  const int64_t all = tilesOf(rows, sequences) * splitsOf(rows, sequences, resident);
  return blocksPerMultiprocessor ? std::min(all, blocksPerMultiprocessor * multiprocessors) : all;
}

const std::vector<CudaCall> &CudaPlan::calls(size_t launch, int64_t rows, bool decode) const {
  const std::vector<CudaRowVariant> &variants = launches[launch];
  size_t i = 0;
  while ((variants[i].maxRows != 0 && rows > variants[i].maxRows) ||
         (variants[i].decode && !decode))
    ++i;
  return variants[i].calls;
}

std::string cudaSourceName(const std::string &kernel) { return "source/" + kernel + ".cu"; }

//===- Functions ------------------------------------------------------------------------------===//

/// Names go into source that is compiled, for the emulator.
static bool isIdentifier(const std::string &name) {
  if (name.empty() || name.size() > 1024 || (name[0] >= '0' && name[0] <= '9'))
    return false;
  for (char c : name)
    if (!(c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
      return false;
  return true;
}

static Result<bool> optionalBool(const Json &json, const char *key, const std::string &what) {
  if (!jsonHas(json, key))
    return false;
  return jsonBool(json, key, what);
}

/// The grid is what follows from its schedule, so that it may be given another.
static Status readSchedule(CudaGrid &grid, const Json &json, const std::string &what) {
  LLMOPT_ASSIGN(const Json *fields, jsonObject(json, "schedule", what));
  LLMOPT_ASSIGN(grid.schedule, CudaSchedule::fromJson(*fields, what + ": schedule"));
  CudaInstance instance = grid.schedule.instance();
  if (instance.tiles != grid.tiles || instance.rowsPerTile != grid.rowsPerTile ||
      instance.threads != grid.threads || instance.sharedBytes != grid.sharedBytes ||
      instance.blocksPerMultiprocessor != grid.blocksPerMultiprocessor || grid.perSequence)
    return makeError("{}: the grid is not that of its schedule", what);
  return success();
}

void CudaGrid::reschedule(const CudaParameters &parameters) {
  schedule.parameters = parameters;
  CudaInstance instance = schedule.instance();
  tiles = instance.tiles;
  rowsPerTile = instance.rowsPerTile;
  threads = static_cast<uint32_t>(instance.threads);
  sharedBytes = static_cast<uint32_t>(instance.sharedBytes);
  blocksPerMultiprocessor = instance.blocksPerMultiprocessor;
  tuned = true;
}

Result<CudaGrid> readCudaFunction(const Json &json, const std::string &what) {
  CudaGrid grid;
  LLMOPT_ASSIGN(grid.function, jsonString(json, "name", what));
  if (!isIdentifier(grid.function))
    return makeError("{}: function '{}' is not an identifier", what, grid.function);
  LLMOPT_ASSIGN(int64_t threads, jsonInteger(json, "block", what, 1, threadLimit));
  LLMOPT_ASSIGN(int64_t shared, jsonInteger(json, "shared", what, 0, sharedLimit));
  grid.threads = static_cast<uint32_t>(threads);
  grid.sharedBytes = static_cast<uint32_t>(shared);
  return grid;
}

static Result<CudaGrid> readGrid(const Json &json, const std::string &what) {
  LLMOPT_ASSIGN(CudaGrid grid, readCudaFunction(json, what));
  LLMOPT_ASSIGN(grid.tiles, jsonInteger(json, "tiles", what, 1, sizeLimit));
  LLMOPT_ASSIGN(grid.rowsPerTile, jsonInteger(json, "rows_per_tile", what, 1, sizeLimit));
  LLMOPT_ASSIGN(grid.perSequence, optionalBool(json, "per_sequence", what));
  if (jsonHas(json, "blocks_per_multiprocessor")) {
    LLMOPT_ASSIGN(grid.blocksPerMultiprocessor,
                  jsonInteger(json, "blocks_per_multiprocessor", what, 1, blockLimit));
  }
  if (jsonHas(json, "splits")) {
    LLMOPT_ASSIGN(grid.splits, jsonInteger(json, "splits", what, 1, splitLimit));
  }
  LLMOPT_ASSIGN(grid.early, optionalBool(json, "early", what));
  if (jsonHas(json, "schedule"))
    LLMOPT_TRY(readSchedule(grid, json, what));
  return grid;
}

//===- Products -------------------------------------------------------------------------------===//

static Result<CudaProduct::Type> readType(const Json &json, const char *key,
                                          const std::string &what) {
  LLMOPT_ASSIGN(std::string name, jsonString(json, key, what));
  if (name == "f32")
    return CudaProduct::Type::F32;
  if (name == "f16")
    return CudaProduct::Type::F16;
  if (name == "bf16")
    return CudaProduct::Type::BF16;
  return makeError("{}: field '{}' is '{}', not 'f32', 'f16' or 'bf16'", what, key, name);
}

static int64_t typeBytes(CudaProduct::Type type) { return type == CudaProduct::Type::F32 ? 4 : 2; }

/// The library sees addresses only, so the operands' sizes are held against the plan's here.
static Status checkOperands(const CudaPlannedProduct &product, const PlanLaunch &launch,
                            const Plan &plan, const std::string &what) {
  auto checkBuffer = [&](const char *name, int64_t index, int64_t columns,
                         CudaProduct::Type type) -> Status {
    const LaunchArgument &argument = launch.arguments[index];
    if (argument.kind != LaunchArgument::Kind::Buffer)
      return makeError("{}: argument {} ('{}') is not a buffer", what, index, name);
    const PlanBuffer &buffer = plan.buffers[argument.index];
    if (buffer.space != launch.space || buffer.rowBytes != columns * typeBytes(type))
      return makeError("{}: buffer '{}' ('{}') has not a row of {} elements for each of the "
                       "launch's",
                       what, buffer.name, name, columns);
    return success();
  };
  LLMOPT_TRY(checkBuffer("a", product.a, product.depth, product.inputs));
  LLMOPT_TRY(checkBuffer("c", product.c, product.columns, product.output));
  const LaunchArgument &argument = launch.arguments[product.b];
  if (argument.kind != LaunchArgument::Kind::Weight)
    return makeError("{}: argument {} ('b') is not a weight", what, product.b);
  const PlanWeight &weight = plan.weights[argument.index];
  int64_t elements = (product.columns - 1) * product.stride + product.depth;
  if (product.stride < product.depth || elements > weight.bytes() / typeBytes(product.inputs))
    return makeError("{}: {} rows of {} elements, {} apart, are not in weight '{}' of {} bytes",
                     what, product.columns, product.depth, product.stride, weight.name,
                     weight.bytes());
  return success();
}

static Result<CudaPlannedProduct> readProduct(const Json &json, const PlanLaunch &launch,
                                              const Plan &plan, const std::string &what) {
  CudaPlannedProduct product;
  int64_t last = static_cast<int64_t>(launch.arguments.size()) - 1;
  LLMOPT_ASSIGN(product.a, jsonInteger(json, "a", what, 0, last));
  LLMOPT_ASSIGN(product.b, jsonInteger(json, "b", what, 0, last));
  LLMOPT_ASSIGN(product.c, jsonInteger(json, "c", what, 0, last));
  LLMOPT_ASSIGN(product.columns, jsonInteger(json, "columns", what, 1, sizeLimit));
  LLMOPT_ASSIGN(product.depth, jsonInteger(json, "depth", what, 1, sizeLimit));
  LLMOPT_ASSIGN(product.stride, jsonInteger(json, "stride", what, 1, sizeLimit));
  LLMOPT_ASSIGN(product.inputs, readType(json, "inputs", what));
  LLMOPT_ASSIGN(product.output, readType(json, "output", what));
  LLMOPT_TRY(checkOperands(product, launch, plan, what));
  return product;
}

//===- Launches -------------------------------------------------------------------------------===//

static Result<CudaRowVariant> readVariant(const Json &json, const PlanLaunch &launch,
                                          const Plan &plan, const std::string &what) {
  CudaRowVariant variant;
  if (jsonHas(json, "max_rows")) {
    LLMOPT_ASSIGN(variant.maxRows, jsonInteger(json, "max_rows", what, 1, sizeLimit));
  }
  LLMOPT_ASSIGN(variant.decode, optionalBool(json, "decode", what));
  LLMOPT_ASSIGN(const Json *functions, jsonArray(json, "functions", what));
  for (const Json &function : *functions) {
    std::string where = fmt::format("{}: function {}", what, variant.calls.size());
    if (jsonHas(function, "product")) {
      LLMOPT_ASSIGN(const Json *fields, jsonObject(function, "product", where));
      LLMOPT_ASSIGN(CudaPlannedProduct product, readProduct(*fields, launch, plan, where));
      variant.calls.push_back(product);
    } else {
      LLMOPT_ASSIGN(CudaGrid grid, readGrid(function, where));
      variant.calls.push_back(std::move(grid));
    }
  }
  if (variant.calls.empty())
    return makeError("{}: there is nothing to launch", what);
  return variant;
}

static Result<std::vector<CudaRowVariant>> readVariants(const PlanLaunch &launch, const Plan &plan,
                                                        const std::string &what) {
  std::vector<CudaRowVariant> variants;
  LLMOPT_ASSIGN(const Json *list, jsonArray(launch.target, "variants", what));
  for (const Json &element : *list) {
    std::string where = fmt::format("{}: variant {}", what, variants.size());
    if (!variants.empty() && variants.back().maxRows == 0 && !variants.back().decode)
      return makeError("{}: the one before it is for any number of rows", where);
    LLMOPT_ASSIGN(CudaRowVariant variant, readVariant(element, launch, plan, where));
    if (!variants.empty() && variant.maxRows != 0 && variants.back().maxRows != 0 &&
        variant.maxRows <= variants.back().maxRows)
      return makeError("{}: max_rows {} does not rise", where, variant.maxRows);
    variants.push_back(std::move(variant));
  }
  if (variants.empty() || variants.back().maxRows != 0 || variants.back().decode)
    return makeError("{}: no variant is for any number of rows", what);
  return variants;
}

static Result<CudaSamplingPlan> readSampling(const Json &json, const std::string &what) {
  CudaSamplingPlan sampling;
  LLMOPT_ASSIGN(const Json *functions, jsonObject(json, "functions", what));
  LLMOPT_ASSIGN(const Json *sample, jsonObject(*functions, "sample", what));
  LLMOPT_ASSIGN(const Json *advance, jsonObject(*functions, "advance", what));
  LLMOPT_ASSIGN(sampling.sample, readGrid(*sample, what + ": sample"));
  LLMOPT_ASSIGN(sampling.advance, readGrid(*advance, what + ": advance"));
  if (jsonHas(json, "workspace_row_bytes")) {
    LLMOPT_ASSIGN(sampling.workspaceRowBytes,
                  jsonInteger(json, "workspace_row_bytes", what, 0, sizeLimit));
  }
  return sampling;
}

Result<CudaPlan> CudaPlan::read(const Plan &plan, const std::string &what) {
  CudaPlan result;
  for (const PlanLaunch &launch : plan.launches) {
    std::string where = fmt::format("{}: launch {}: target", what, result.launches.size());
    LLMOPT_ASSIGN(std::vector<CudaRowVariant> variants, readVariants(launch, plan, where));
    result.launches.push_back(std::move(variants));
  }
  if (jsonHas(plan.target, "sampling")) {
    LLMOPT_ASSIGN(const Json *sampling, jsonObject(plan.target, "sampling", what));
    LLMOPT_ASSIGN(result.sampling, readSampling(*sampling, what + ": sampling"));
  }
  LLMOPT_ASSIGN(result.steps, readStepFunctions(plan, what));
  return result;
}

//===- Tuning ---------------------------------------------------------------------------------===//

Result<int64_t> CudaPlan::tune(const CudaTuning &tuning, bool batchInvariant, int64_t sharedBytes) {
  std::set<std::string> tuned;
  for (auto &variants : launches)
    for (CudaRowVariant &variant : variants)
      for (CudaCall &call : variant.calls) {
        auto *grid = std::get_if<CudaGrid>(&call);
        if (!grid || !grid->schedule.kind)
          continue;
        const CudaSchedule &schedule = grid->schedule;
        LLMOPT_ASSIGN(auto found, tuning.find(*schedule.kind, schedule.shape, variant.maxRows,
                                              batchInvariant, sharedBytes));
        if (!found || *found == schedule.parameters)
          continue;
        grid->reschedule(*found);
        tuned.insert(grid->function);
      }
  return static_cast<int64_t>(tuned.size());
}

} // namespace llmopt
