#include "runtime/tune/TuneBench.h"

#include "runtime/devices/cuda/CudaMemory.h"
#include "runtime/engine/Batch.h"
#include "support/FloatTypes.h"
#include "support/RandomWeights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

namespace llmopt {

//===- Loading --------------------------------------------------------------------------------===//

Result<std::unique_ptr<TuneBench>> TuneBench::open(std::shared_ptr<const Artifact> artifact,
                                                   std::unique_ptr<CudaDriver> driver,
                                                   const DeviceOptions &options) {
  std::unique_ptr<TuneBench> bench(new TuneBench(std::move(artifact), std::move(driver), options));
  LLMOPT_TRY(bench->load());
  return bench;
}

Status TuneBench::load() {
  LLMOPT_ASSIGN(architecture, cudaArchitecture(*model, driver->card()));
  LLMOPT_ASSIGN(functions, CudaPlan::read(model->plan, model->path + "/plan.json"));
  LLMOPT_ASSIGN(sources, CudaSources::read(*model, functions));
  LLMOPT_ASSIGN(uint64_t free, driver->freeBytes());
  CudaMemory memory(model->plan, model->manifest.contextLength);
  if (memory.weightBytes() > free)
    return makeError("{} does not fit on the {}: its weights take {}, {} are left", model->path,
                     card().name, formatBytes(memory.weightBytes()), formatBytes(free));
  LLMOPT_ASSIGN(code, CudaCode::load(*driver, *model, functions, architecture, options));
  LLMOPT_ASSIGN(weights, CudaWeights::load(*driver, *model, architecture, options));
  return success();
}

/// The source of a kernel with one function in it, as that instance.
Result<CudaSource> TuneBench::sourceOf(const CudaGrid &function, const std::string &kernel,
                                       const CudaParameters &instance) const {
  auto whole = std::find_if(sources.sources.begin(), sources.sources.end(),
                            [&](auto &source) { return source.name == cudaSourceName(kernel); });
  if (whole == sources.sources.end())
    return makeError("{}: kernel '{}' has no source", model->path, kernel);
  CudaSource source;
  source.name = "source/" + function.function;
  for (const auto &[name, value] : instance)
    source.name += fmt::format("-{}{}", name, value);
  source.name += ".cu";
  source.kernels = {function.function};
  std::string macros =
      function.schedule.kind->macros(function.function, function.schedule.shape, instance);
  for (const std::string &other : whole->kernels)
    if (other != function.function)
      macros += fmt::format("#define {}_LEFT_OUT\n", other);
  source.content = macros + "#line 1\n" + whole->content;
  return source;
}

Result<std::vector<TuneCandidate>>
TuneBench::compile(const CudaGrid &function, const std::string &kernel,
                   const std::vector<CudaParameters> &instances) {
  std::vector<CudaSource> wanted;
  for (const CudaParameters &instance : instances) {
    LLMOPT_ASSIGN(CudaSource source, sourceOf(function, kernel, instance));
    wanted.push_back(std::move(source));
  }
  auto load = [&](const std::vector<CudaSource> &some) {
    return driver->load(some, sources.headers, architecture, options.threads, /*quiet=*/true);
  };
  std::vector<TuneCandidate> candidates(instances.size());
  auto all = load(wanted);
  for (size_t i = 0; i < instances.size(); ++i) {
    candidates[i].grid = function;
    candidates[i].grid.reschedule(instances[i]);
    if (all) {
      candidates[i].kernel = (*all)[i][0];
    } else if (auto one = load({wanted[i]})) { // which of them is it?
      candidates[i].kernel = (*one)[0][0];
    }
    if (candidates[i].kernel) {
      LLMOPT_ASSIGN(candidates[i].localBytes, driver->localBytes(*candidates[i].kernel));
    }
  }
  return candidates;
}

//===- A step ---------------------------------------------------------------------------------===//

/// Few rows are decodes; many are prompts, as long as a page.
Status TuneBench::begin(int64_t rows) {
  const PlanCache &planned = model->plan.cache;
  CudaMemory memory(model->plan, model->manifest.contextLength);
  constexpr int64_t mostDecodes = 16;
  int64_t length = rows <= mostDecodes ? 1 : planned.pageTokens;
  Batch step;
  pages = 0;
  for (int64_t first = 0; first < rows; first += length) {
    CachedSequence sequence;
    sequence.pages = {static_cast<int32_t>(pages++)};
    std::vector<int32_t> tokens;
    for (int64_t i = first; i < std::min(rows, first + length); ++i)
      tokens.push_back(static_cast<int32_t>(randomHash(static_cast<uint32_t>(i)) %
                                            model->manifest.vocabularySize));
    step.add(tokens.data(), 0, static_cast<int64_t>(tokens.size()), sequence, WantedLogits::All);
  }
  auto make = [&](CudaExtent &extent, uint64_t bytes, const char *what) -> Status {
    if (extent.begin)
      driver->free(extent.begin);
    extent = {};
    LLMOPT_ASSIGN(uint64_t free, driver->freeBytes());
    if (bytes > free)
      return makeError("{} for {} rows take {}, {} are left on the {}", what, rows,
                       formatBytes(bytes), formatBytes(free), card().name);
    LLMOPT_ASSIGN(extent.begin, driver->allocate(bytes, what));
    extent.bytes = bytes;
    return driver->fill(extent.begin, 0, bytes);
  };
  LLMOPT_TRY(make(tokenArena, memory.tokenArenaBytes(rows), "the intermediates"));
  LLMOPT_TRY(make(logitArena, memory.logitArenaBytes(rows), "the logits"));
  LLMOPT_TRY(
      make(cache,
           static_cast<uint64_t>(planned.layers * planned.pageBytes) * static_cast<uint64_t>(pages),
           "keys and values"));
  batch.setStride(1);
  LlmoptBatch view = step.view();
  LLMOPT_TRY(batch.fit(view));
  LLMOPT_TRY(batch.upload(view, nullptr));
  next = 0;
  return success();
}

Status TuneBench::advance(size_t launch) {
  for (; next < launch; ++next) {
    const PlanLaunch &planned = model->plan.launches[next];
    for (const LaunchArgument &argument : planned.arguments)
      if (argument.kind == LaunchArgument::Kind::Cache && !planned.readsCache) {
        CudaExtent layer = extentOf(argument);
        LLMOPT_TRY(driver->fill(layer.begin, 0, layer.bytes));
      }
    LLMOPT_TRY(queueLaunch(next, nullptr));
  }
  return driver->synchronize();
}

//===- Launches -------------------------------------------------------------------------------===//

int64_t TuneBench::rowsOf(RowSpace space) const {
  return space == RowSpace::Token ? batch.onDevice().tokens : batch.onDevice().logitRows;
}

CudaExtent TuneBench::extentOf(const LaunchArgument &argument) const {
  switch (argument.kind) {
  case LaunchArgument::Kind::Weight:
    return weights.extent(argument.index);
  case LaunchArgument::Kind::Cache: {
    auto layerBytes = static_cast<uint64_t>(model->plan.cache.pageBytes * pages);
    return {cache.begin + static_cast<uint64_t>(argument.index) * layerBytes, layerBytes,
            /*writable=*/true};
  }
  case LaunchArgument::Kind::Buffer:
    break;
  }
  const PlanBuffer &buffer = model->plan.buffers[argument.index];
  const CudaExtent &arena = buffer.space == RowSpace::Token ? tokenArena : logitArena;
  auto rows = static_cast<uint64_t>(rowsOf(buffer.space));
  return {arena.begin + static_cast<uint64_t>(buffer.offset) * rows,
          static_cast<uint64_t>(buffer.rowBytes) * rows, /*writable=*/true};
}

/// Runs `grid` with the arguments of a launch, but for its weights and its layer of the cache,
/// which are those of the launch `other`.
Status TuneBench::queueGrid(const CudaGrid &grid, const CudaKernel *kernel, size_t launch,
                            size_t other) {
  const PlanLaunch &planned = model->plan.launches[launch];
  const std::vector<LaunchArgument> &others = model->plan.launches[other].arguments;
  const LlmoptBatch &view = batch.onDevice();
  CudaLaunch queued;
  batch.addExtents(queued.extents, /*advancing=*/false);
  std::vector<CudaAddress> addresses;
  for (size_t i = 0; i < planned.arguments.size(); ++i) {
    bool buffer = planned.arguments[i].kind == LaunchArgument::Kind::Buffer;
    queued.extents.push_back(extentOf(buffer ? planned.arguments[i] : others[i]));
    addresses.push_back(queued.extents.back().begin);
  }
  queued.kernel = kernel;
  // Functions whose grid depends on how many blocks run at once are not tuned: as few as there are.
  int64_t blocks = grid.blocks(rowsOf(planned.space), view.sequences,
                               driver->card().multiprocessors, /*resident=*/1);
  if (blocks > INT32_MAX)
    return makeError("function '{}' would need {} blocks", grid.function, blocks);
  queued.blocks = static_cast<uint32_t>(blocks);
  queued.threads = grid.threads;
  queued.sharedBytes = grid.sharedBytes;
  queued.early = grid.early;
  queued.parameters = {&view};
  for (const CudaAddress &address : addresses)
    queued.parameters.push_back(&address);
  return driver->launch(queued);
}

Status TuneBench::queueProduct(const CudaPlannedProduct &product, size_t launch) {
  const PlanLaunch &planned = model->plan.launches[launch];
  auto at = [&](int64_t argument) { return extentOf(planned.arguments[argument]).begin; };
  return driver->multiply({rowsOf(planned.space), product.columns, product.depth, product.stride,
                           product.inputs, product.output, at(product.a), at(product.b),
                           at(product.c)});
}

Status TuneBench::queueLaunch(size_t launch, const TuneCandidate *candidate) {
  int64_t rows = rowsOf(model->plan.launches[launch].space);
  for (const CudaCall &call :
       functions.calls(launch, rows, batch.onDevice().tokens == batch.onDevice().sequences)) {
    const auto *grid = std::get_if<CudaGrid>(&call);
    if (!grid)
      LLMOPT_TRY(queueProduct(std::get<CudaPlannedProduct>(call), launch));
    else if (candidate && candidate->grid.function == grid->function)
      LLMOPT_TRY(queueGrid(candidate->grid, candidate->kernel, launch, launch));
    else
      LLMOPT_TRY(queueGrid(*grid, code.find(grid->function), launch, launch));
  }
  return success();
}

//===- Results and times ----------------------------------------------------------------------===//

/// A launch's results are the buffers that no launch before it has, and its layer of the cache.
std::vector<LaunchArgument> TuneBench::written(size_t launch) const {
  std::set<int64_t> before;
  for (size_t i = 0; i < launch; ++i)
    for (const LaunchArgument &argument : model->plan.launches[i].arguments)
      if (argument.kind == LaunchArgument::Kind::Buffer)
        before.insert(argument.index);
  std::vector<LaunchArgument> found;
  for (const LaunchArgument &argument : model->plan.launches[launch].arguments)
    if (argument.kind == LaunchArgument::Kind::Cache ||
        (argument.kind == LaunchArgument::Kind::Buffer && !before.count(argument.index)))
      found.push_back(argument);
  return found;
}

Result<TuneBench::Results> TuneBench::results(size_t launch, const TuneCandidate *candidate) {
  std::vector<LaunchArgument> parts = written(launch);
  for (const LaunchArgument &part : parts) {
    CudaExtent extent = extentOf(part);
    LLMOPT_TRY(driver->fill(extent.begin, 0xff, extent.bytes));
  }
  LLMOPT_TRY(queueLaunch(launch, candidate));
  LLMOPT_TRY(driver->synchronize());
  Results results;
  for (const LaunchArgument &part : parts) {
    CudaExtent extent = extentOf(part);
    std::string bytes(extent.bytes, '\0');
    LLMOPT_TRY(driver->download(bytes.data(), extent.begin, extent.bytes));
    ElementType type = model->plan.cache.type == "f32"    ? ElementType::F32
                       : model->plan.cache.type == "bf16" ? ElementType::BF16
                                                          : ElementType::F16;
    if (part.kind == LaunchArgument::Kind::Buffer)
      type = model->plan.buffers[part.index].type;
    results.parts.push_back({type, std::move(bytes)});
  }
  return results;
}

Result<double> TuneBench::time(size_t launch, const TuneCandidate &candidate) {
  const std::vector<PlanLaunch> &launches = model->plan.launches;
  std::vector<size_t> layers = {launch};
  for (size_t i = launch + 1; i < launches.size(); ++i)
    if (launches[i].kernel == launches[launch].kernel)
      layers.push_back(i);
  // Long enough for the clock, and few enough to be tried often. An emulated time means nothing.
  bool emulated = card().emulated;
  size_t samples = emulated ? 1 : 7;
  size_t runs = emulated ? 1 : std::max<size_t>(layers.size(), 16);
  auto graph = driver->record([&]() -> Status {
    for (size_t run = 0; run < samples * runs; ++run) {
      if (run % runs == 0)
        LLMOPT_TRY(driver->mark());
      LLMOPT_TRY(queueGrid(candidate.grid, candidate.kernel, launch, layers[run % layers.size()]));
    }
    return driver->mark();
  });
  if (!graph)
    return graph.error();
  for (int i = 0; i < (emulated ? 1 : 2); ++i) // a graph's first run takes longer
    LLMOPT_TRY(driver->run(**graph));
  LLMOPT_ASSIGN(std::vector<double> marks, driver->takeMarks());
  std::vector<double> seconds;
  for (size_t i = 0; i + 1 < marks.size(); ++i)
    seconds.push_back((marks[i + 1] - marks[i]) / static_cast<double>(runs));
  if (seconds.empty())
    return makeError("the {} tells no times", card().name);
  std::nth_element(seconds.begin(), seconds.begin() + seconds.size() / 2, seconds.end());
  return seconds[seconds.size() / 2];
}

//===- Comparison -----------------------------------------------------------------------------===//

double closeness(ElementType type) {
  switch (type) {
  case ElementType::F32:
    return 1e-4;
  case ElementType::F16:
    return 1.0 / 1024;
  case ElementType::BF16:
  case ElementType::U8:
    return 1.0 / 128;
  }
  return 0;
}

static double valueAt(const TuneBench::Results::Part &part, size_t i) {
  if (part.type == ElementType::F32) {
    float value;
    std::memcpy(&value, part.bytes.data() + i * 4, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, part.bytes.data() + i * 2, 2);
  return part.type == ElementType::BF16 ? bfloat16ToFloat(bits) : float16ToFloat(bits);
}

static bool isClose(const TuneBench::Results::Part &expected,
                    const TuneBench::Results::Part &other) {
  size_t count = expected.bytes.size() / static_cast<size_t>(elementBytes(expected.type));
  double largest = 0, furthest = 0;
  for (size_t i = 0; i < count; ++i) {
    double a = valueAt(expected, i), b = valueAt(other, i);
    if (a == b || (std::isnan(a) && std::isnan(b))) // not a number: what neither has written
      continue;
    if (!std::isfinite(a) || !std::isfinite(b))
      return false;
    largest = std::max(largest, std::abs(a));
    furthest = std::max(furthest, std::abs(a - b));
  }
  return furthest <= closeness(expected.type) * largest;
}

bool areClose(const TuneBench::Results &expected, const TuneBench::Results &other, bool exactly) {
  for (size_t i = 0; i < expected.parts.size(); ++i) {
    if (expected.parts[i].bytes == other.parts[i].bytes)
      continue;
    if (exactly || !isClose(expected.parts[i], other.parts[i]))
      return false;
  }
  return true;
}

} // namespace llmopt
