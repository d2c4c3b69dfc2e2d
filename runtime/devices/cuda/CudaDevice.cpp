// What a launch is told, pointers and grids, depends on the batch's shape (N, M, S) and on where
// the arenas, the cache and the batch lie; a graph holds as long as none of these moves.

#include "runtime/devices/cuda/CudaDevice.h"

#include "runtime/devices/cuda/CudaBatch.h"
#include "runtime/devices/cuda/CudaCode.h"
#include "runtime/devices/cuda/CudaLimits.h"
#include "runtime/devices/cuda/CudaMemory.h"
#include "runtime/devices/cuda/CudaPlan.h"
#include "runtime/devices/cuda/CudaWeights.h"
#include "runtime/devices/cuda/PersistentStep.h"
#include "runtime/devices/cuda/TuningFile.h"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <utility>

namespace llmopt {

namespace {

/// Decodes of more sequences than this are launched one by one: their kernels run longer than it
/// takes to launch them.
constexpr int32_t largestGraph = 256;

/// Rows of logits that there is room for from the start.
constexpr int64_t expectedLogitRows = 16;

/// Memory that is one allocation, and moves when it has to grow.
struct Arena {
  CudaAddress address = 0;
  uint64_t bytes = 0;
};

class CudaDevice : public Device {
public:
  CudaDevice(std::shared_ptr<const Artifact> artifact, std::unique_ptr<CudaDriver> driver,
             const DeviceOptions &options)
      : Device(std::move(artifact)), driver(std::move(driver)), options(options),
        memory(this->artifact().plan, this->artifact().manifest.contextLength),
        batch(*this->driver), persistent(*this->driver) {}

  Status load();

  Status allocateCache(int64_t pages) override;
  Status copyPages(const std::vector<PageCopy> &copies) override;
  Result<std::vector<LaunchTime>> runProfiled(const LlmoptBatch &next) override;
  Result<std::unique_ptr<DeviceLimits>> openLimits() override;
  Status run(const LlmoptBatch &next) override;
  Result<const float *> logits() override;

  bool samples() const override { return plan.sampling.has_value(); }
  Status runSampled(const LlmoptBatch &next, const LlmoptSampling *rows) override;
  Status runNext(const LlmoptBatch &next) override;
  Result<const int32_t *> takeTokens() override;

  uint64_t memoryBytes() const override {
    return memory.weightBytes() + memory.batchBytes(expectedStep()) + tokenArena.bytes +
           logitArena.bytes + samplingWorkspace.bytes + cache.bytes;
  }
  int threads() const override { return 1; }

private:
  Status tune(const std::string &arch);
  StepSize expectedStep() const { return {options.stepRows, expectedLogitRows, expectedLogitRows}; }
  Result<CudaAddress> allocate(uint64_t bytes, const std::string &what);
  Status grow(Arena &arena, uint64_t bytes, const std::string &what);
  Status fitArenas(int64_t tokens, int64_t logits);
  Status fit(const LlmoptBatch &next);

  Status queueStep(bool sampled);
  Status queueLaunches(bool sampled);
  Status queueKernels();
  bool runsAsOne() const;
  Result<int64_t> partsOf(size_t launch, int64_t rows) const;
  Status preparePersistent();
  Status queuePersistent();
  void forgetGraphs();
  Status queueSampling();
  Status queueGrid(const CudaGrid &grid, int64_t rows);
  Result<int64_t> residentBlocks(const CudaGrid &grid);
  Status queueProduct(const CudaPlannedProduct &product, const PlanLaunch &planned, int64_t rows);
  Status queueSampledStep();

  int64_t rowsOf(RowSpace space) const;
  CudaExtent extentOf(const LaunchArgument &argument) const;
  CudaExtent bufferExtent(int64_t index) const;

  std::unique_ptr<CudaDriver> driver;
  DeviceOptions options;
  CudaMemory memory;
  uint64_t freeAtOpen = 0;
  CudaPlan plan;
  CudaCode code;
  CudaWeights weights;
  CudaBatch batch;
  Arena tokenArena, logitArena, samplingWorkspace, cache;
  int64_t cachePages = 0;
  PersistentStep persistent;

  /// By the number of sequences and whether tokens are chosen.
  std::map<std::pair<int32_t, bool>, std::unique_ptr<CudaGraph>> graphs;
  /// Of queueGrid: a launch that is filled anew each time.
  CudaLaunch launch;
  std::vector<CudaAddress> arguments;
  std::map<std::string, int64_t> resident; ///< of residentBlocks()

  /// What a step that is being measured queues, with marks around each.
  std::vector<LaunchTime> *measured = nullptr;

  bool ran = false;             ///< a step, whose logits are there
  std::vector<float> logitRows; ///< on the host
  bool decodes = false;         ///< the last step was a sampled one that runNext() may follow
  std::deque<std::function<Result<const void *>()>> untaken;
};

} // namespace

//===- Memory ---------------------------------------------------------------------------------===//

/// Memory that is short is an error with the numbers that say what to do about it.
Result<CudaAddress> CudaDevice::allocate(uint64_t bytes, const std::string &what) {
  LLMOPT_ASSIGN(uint64_t free, driver->freeBytes());
  if (bytes > free)
    return makeError("{} does not fit on the {}: {} takes {}, {} are left; {}", artifact().path,
                     driver->card().name, what, formatBytes(bytes), formatBytes(free),
                     memory.describe(freeAtOpen, expectedStep()));
  return driver->allocate(bytes, what);
}

/// They hold addresses of what is about to move.
void CudaDevice::forgetGraphs() {
  graphs.clear();
  persistent.forget();
}

Status CudaDevice::grow(Arena &arena, uint64_t bytes, const std::string &what) {
  if (bytes <= arena.bytes)
    return success();
  forgetGraphs();
  if (arena.address) {
    driver->free(arena.address);
    arena = Arena();
  }
  LLMOPT_ASSIGN(arena.address, allocate(bytes, what));
  arena.bytes = bytes;
  return success();
}

/// The next power of two, so that batches that grow row by row do not each move an arena.
static int64_t roomFor(int64_t rows) {
  int64_t room = 1;
  while (room < rows)
    room *= 2;
  return room;
}

Status CudaDevice::fitArenas(int64_t tokens, int64_t logits) {
  std::string what = fmt::format("a step of {} rows", tokens);
  const int64_t logitRoom = roomFor(logits);
  LLMOPT_TRY(grow(tokenArena, memory.tokenArenaBytes(tokens), what));
  LLMOPT_TRY(grow(logitArena, memory.logitArenaBytes(logitRoom), what));
  if (plan.sampling) {
    const uint64_t before = samplingWorkspace.bytes;
    LLMOPT_TRY(grow(samplingWorkspace,
                    static_cast<uint64_t>(plan.sampling->workspaceRowBytes * logitRoom), what));
    if (samplingWorkspace.bytes != before)
      LLMOPT_TRY(driver->fill(samplingWorkspace.address, 0, samplingWorkspace.bytes));
  }
  return success();
}

/// Makes room for a step of the batch's size.
Status CudaDevice::fit(const LlmoptBatch &next) {
  LLMOPT_TRY(fitArenas(next.tokens, next.logitRows));
  LLMOPT_ASSIGN(bool moved, batch.fit(next));
  if (moved)
    forgetGraphs();
  return success();
}

/// Steps are persistent if the artifact's can be and nothing else is asked for.
static Status chooseLaunch(CudaPlan &plan, const Artifact &artifact, const DeviceOptions &options) {
  if (options.launch == "persistent" && plan.steps.empty())
    return makeError("{} has no persistent step; compile it with --launch persistent",
                     artifact.path);
  if (options.launch == "graph")
    plan.steps.clear();
  return success();
}

Status CudaDevice::tune(const std::string &arch) {
  LLMOPT_ASSIGN(auto tuning, openTuning(options.tuning, driver->card(), arch, options.quiet));
  if (!tuning)
    return success();
  LLMOPT_ASSIGN(int64_t functions,
                plan.tune(*tuning, artifact().manifest.batchInvariant, driver->card().sharedBytes));
  if (!options.quiet)
    fmt::print(stderr, "note: {} function{} scheduled as {} says{}\n", functions,
               functions == 1 ? " is" : "s are", tuning->path,
               plan.steps.empty() ? ""
                                  : "; a persistent step keeps the schedules of its compilation");
  return success();
}

Status CudaDevice::load() {
  const Artifact &artifact = this->artifact();
  LLMOPT_ASSIGN(std::string arch, cudaArchitecture(artifact, driver->card()));
  LLMOPT_ASSIGN(plan, CudaPlan::read(artifact.plan, artifact.path + "/plan.json"));
  LLMOPT_TRY(chooseLaunch(plan, artifact, options));
  LLMOPT_TRY(tune(arch));
  LLMOPT_ASSIGN(freeAtOpen, driver->freeBytes());
  uint64_t needed = memory.weightBytes() + memory.workspaceBytes(expectedStep());
  if (needed > freeAtOpen)
    return makeError("{} does not fit on the {}: {}", artifact.path, driver->card().name,
                     memory.describe(freeAtOpen, expectedStep()));
  LLMOPT_ASSIGN(code, CudaCode::load(*driver, artifact, plan, arch, options));
  LLMOPT_TRY(persistent.open(plan.steps, code));
  LLMOPT_ASSIGN(weights, CudaWeights::load(*driver, artifact, arch, options));
  return fitArenas(options.stepRows, expectedLogitRows);
}

Status CudaDevice::allocateCache(int64_t pages) {
  forgetGraphs();
  if (cache.address)
    driver->free(cache.address);
  cache = Arena();
  uint64_t bytes;
  if (__builtin_mul_overflow(memory.pageBytes(), static_cast<uint64_t>(pages), &bytes))
    bytes = UINT64_MAX;
  LLMOPT_ASSIGN(cache.address,
                allocate(bytes, fmt::format("a key-value cache of {} pages", pages)));
  cache.bytes = bytes;
  cachePages = pages;
  batch.setStride(
      std::clamp<int64_t>(pages, 1, memory.pagesFor(artifact().manifest.contextLength)));
  return driver->fill(cache.address, 0, bytes);
}

Status CudaDevice::copyPages(const std::vector<PageCopy> &copies) {
  const PlanCache &planned = artifact().plan.cache;
  const auto bytes = static_cast<uint64_t>(planned.pageBytes);
  for (const PageCopy &copy : copies)
    for (int64_t layer = 0; layer < planned.layers; ++layer) {
      CudaAddress first = cache.address + static_cast<uint64_t>(layer * cachePages) * bytes;
      LLMOPT_TRY(driver->copy(first + static_cast<uint64_t>(copy.to) * bytes,
                              first + static_cast<uint64_t>(copy.from) * bytes, bytes));
    }
  return success();
}

//===- Launches -------------------------------------------------------------------------------===//

int64_t CudaDevice::rowsOf(RowSpace space) const {
  return space == RowSpace::Token ? batch.onDevice().tokens : batch.onDevice().logitRows;
}

CudaExtent CudaDevice::bufferExtent(int64_t index) const {
  const PlanBuffer &buffer = artifact().plan.buffers[index];
  const Arena &arena = buffer.space == RowSpace::Token ? tokenArena : logitArena;
  auto rows = static_cast<uint64_t>(rowsOf(buffer.space));
  return {arena.address + static_cast<uint64_t>(buffer.offset) * rows,
          static_cast<uint64_t>(buffer.rowBytes) * rows, /*writable=*/true};
}

CudaExtent CudaDevice::extentOf(const LaunchArgument &argument) const {
  switch (argument.kind) {
  case LaunchArgument::Kind::Buffer:
    return bufferExtent(argument.index);
  case LaunchArgument::Kind::Weight:
    return weights.extent(argument.index);
  case LaunchArgument::Kind::Cache:
    break;
  }
  uint64_t layerBytes =
      static_cast<uint64_t>(cachePages) * static_cast<uint64_t>(artifact().plan.cache.pageBytes);
  return {cache.address + static_cast<uint64_t>(argument.index) * layerBytes, layerBytes,
          /*writable=*/true};
}

/// Blocks of a function that the card runs at once, where its grid depends on that.
Result<int64_t> CudaDevice::residentBlocks(const CudaGrid &grid) {
  if (grid.splits <= 1)
    return 1;
  auto known = resident.find(grid.function);
  if (known == resident.end()) {
    LLMOPT_ASSIGN(int blocks, driver->residentBlocks(*code.find(grid.function), grid.threads,
                                                     grid.sharedBytes));
    known = resident.emplace(grid.function, std::max(1, blocks)).first;
  }
  return known->second;
}

/// Launches a function with the batch and `arguments`; `launch` has the extents of these.
Status CudaDevice::queueGrid(const CudaGrid &grid, int64_t rows) {
  const LlmoptBatch &view = batch.onDevice();
  LLMOPT_ASSIGN(int64_t resident, residentBlocks(grid));
  int64_t blocks = grid.blocks(rows, view.sequences, driver->card().multiprocessors, resident);
  if (blocks > INT32_MAX)
    return makeError("{}: function '{}' would need {} blocks for {} rows", artifact().path,
                     grid.function, blocks, rows);
  launch.kernel = code.find(grid.function);
  launch.blocks = static_cast<uint32_t>(blocks);
  launch.threads = grid.threads;
  launch.sharedBytes = grid.sharedBytes;
  launch.early = grid.early;
  launch.parameters.assign(1, &view);
  for (const CudaAddress &argument : arguments)
    launch.parameters.push_back(&argument);
  return driver->launch(launch);
}

Status CudaDevice::queueProduct(const CudaPlannedProduct &product, const PlanLaunch &planned,
                                int64_t rows) {
  CudaProduct call;
  call.rows = rows;
  call.columns = product.columns;
  call.depth = product.depth;
  call.strideB = product.stride;
  call.inputs = product.inputs;
  call.output = product.output;
  call.a = extentOf(planned.arguments[product.a]).begin;
  call.b = extentOf(planned.arguments[product.b]).begin;
  call.c = extentOf(planned.arguments[product.c]).begin;
  return driver->multiply(call);
}

/// The launches of the plan for the batch on the device.
Status CudaDevice::queueLaunches(bool sampled) {
  if (runsAsOne())
    LLMOPT_TRY(queuePersistent());
  else
    LLMOPT_TRY(queueKernels());
  return sampled ? queueSampling() : success();
}

/// Kernel by kernel.
Status CudaDevice::queueKernels() {
  const std::vector<PlanLaunch> &launches = artifact().plan.launches;
  const bool decode = batch.onDevice().tokens == batch.onDevice().sequences;
  for (size_t i = 0; i < launches.size(); ++i) {
    const int64_t rows = rowsOf(launches[i].space);
    if (rows == 0)
      continue;
    arguments.clear();
    launch.extents.clear();
    batch.addExtents(launch.extents, /*advancing=*/false);
    for (const LaunchArgument &argument : launches[i].arguments) {
      launch.extents.push_back(extentOf(argument));
      arguments.push_back(launch.extents.back().begin);
    }
    for (const CudaCall &call : plan.calls(i, rows, decode)) {
      const auto *grid = std::get_if<CudaGrid>(&call);
      if (measured) {
        measured->push_back({i, grid ? grid->function : "cublasLtMatmul"});
        LLMOPT_TRY(driver->mark());
      }
      if (grid)
        LLMOPT_TRY(queueGrid(*grid, rows));
      else
        LLMOPT_TRY(queueProduct(std::get<CudaPlannedProduct>(call), launches[i], rows));
      if (measured)
        LLMOPT_TRY(driver->mark());
    }
  }
  return success();
}

/// Chooses the tokens, and makes the next batch of a decode.
Status CudaDevice::queueSampling() {
  const LlmoptBatch &view = batch.onDevice();
  launch.extents.clear();
  batch.addExtents(launch.extents, /*advancing=*/false);
  batch.addSamplingExtents(launch.extents);
  launch.extents.push_back(bufferExtent(artifact().plan.logits));
  if (samplingWorkspace.bytes)
    launch.extents.push_back({samplingWorkspace.address, samplingWorkspace.bytes, true});
  arguments = {bufferExtent(artifact().plan.logits).begin, batch.sampling(), batch.tokens(),
               samplingWorkspace.address};
  LLMOPT_TRY(queueGrid(plan.sampling->sample, view.logitRows));
  if (!decodes)
    return success();
  launch.extents.clear();
  batch.addExtents(launch.extents, /*advancing=*/true);
  batch.addSamplingExtents(launch.extents);
  arguments = {batch.tokens()};
  return queueGrid(plan.sampling->advance, view.logitRows);
}

static bool isDecode(const LlmoptBatch &batch) {
  return batch.tokens == batch.sequences && batch.logitRows == batch.sequences;
}

//===- A whole step as one kernel -------------------------------------------------------------===//

/// What is measured are the kernels by themselves.
bool CudaDevice::runsAsOne() const {
  const LlmoptBatch &view = batch.onDevice();
  return !measured && isDecode(view) && view.tokens <= largestGraph && persistent.runs(view.tokens);
}

/// How many parts each tile of a launch is cut into, in a decode of so many rows. The plan says the
/// number of tiles twice, which has to agree.
Result<int64_t> CudaDevice::partsOf(size_t launch, int64_t rows) const {
  const StepSync &sync = persistent.syncOf(launch, rows);
  const auto *grid = std::get_if<CudaGrid>(&plan.calls(launch, rows, /*decode=*/true).front());
  const int64_t tiles = sync.period() * (sync.perRow ? rows : 1);
  const bool same = grid && (grid->tuned || grid->tilesOf(rows, rows) == tiles);
  if (!same || (grid->splits > 1 && !sync.parts))
    return makeError("{}: plan.json: launch {}: its tiles in a persistent step are not those of "
                     "its function",
                     artifact().path, launch);
  return sync.parts ? grid->splitsOf(rows, rows, persistent.blocksOf(rows)) : 1;
}

Status CudaDevice::preparePersistent() {
  std::vector<StepLaunch> launches;
  for (size_t i = 0; i < artifact().plan.launches.size(); ++i) {
    const PlanLaunch &planned = artifact().plan.launches[i];
    StepLaunch launch;
    launch.rows = rowsOf(planned.space);
    LLMOPT_ASSIGN(launch.parts, partsOf(i, launch.rows));
    for (const LaunchArgument &argument : planned.arguments)
      launch.arguments.push_back(extentOf(argument).begin);
    launches.push_back(std::move(launch));
  }
  return persistent.prepare(batch.onDevice().tokens, launches);
}

Status CudaDevice::queuePersistent() {
  std::vector<CudaExtent> extents;
  batch.addExtents(extents, /*advancing=*/false);
  for (const Arena *arena : {&tokenArena, &logitArena, &cache})
    if (arena->bytes)
      extents.push_back({arena->address, arena->bytes, /*writable=*/true});
  for (size_t i = 0; i < artifact().plan.weights.size(); ++i)
    extents.push_back(weights.extent(static_cast<int64_t>(i)));
  return persistent.queue(batch.onDevice(), std::move(extents));
}

//===- Steps ----------------------------------------------------------------------------------===//

/// The step of the batch on the device, by its graph if it is to have one.
Status CudaDevice::queueStep(bool sampled) {
  const LlmoptBatch &view = batch.onDevice();
  ran = true;
  if (!isDecode(view) || view.tokens > largestGraph)
    return queueLaunches(sampled);
  std::unique_ptr<CudaGraph> &graph = graphs[{view.tokens, sampled}];
  if (!graph) {
    if (runsAsOne())
      LLMOPT_TRY(preparePersistent());
    LLMOPT_ASSIGN(graph, driver->record([&] { return queueLaunches(sampled); }));
  }
  return driver->run(*graph);
}

Status CudaDevice::run(const LlmoptBatch &next) {
  decodes = false;
  LLMOPT_TRY(fit(next));
  LLMOPT_TRY(batch.upload(next, nullptr));
  return queueStep(/*sampled=*/false);
}

/// As a graph of its own, so that the host is not between the launches. It runs twice: a graph's
/// first run takes longer, and what a step writes is the same each time.
Result<std::vector<LaunchTime>> CudaDevice::runProfiled(const LlmoptBatch &next) {
  decodes = false;
  LLMOPT_TRY(fit(next));
  LLMOPT_TRY(batch.upload(next, nullptr));
  std::vector<LaunchTime> times;
  measured = &times;
  auto graph = driver->record([&] { return queueLaunches(/*sampled=*/false); });
  measured = nullptr;
  if (!graph)
    return graph.error();
  ran = true;
  for (int i = 0; i < 2; ++i)
    LLMOPT_TRY(driver->run(**graph));
  LLMOPT_ASSIGN(std::vector<double> marks, driver->takeMarks());
  for (size_t i = 0; i < times.size(); ++i) {
    times[i].begin = marks[2 * i];
    times[i].end = marks[2 * i + 1];
  }
  return times;
}

Result<std::unique_ptr<DeviceLimits>> CudaDevice::openLimits() {
  if (driver->card().emulated)
    return std::unique_ptr<DeviceLimits>();
  LLMOPT_ASSIGN(std::string arch, cudaArchitecture(artifact(), driver->card()));
  return openCudaLimits(*driver, arch, artifact().manifest.precision, options);
}

Result<const float *> CudaDevice::logits() {
  if (!ran)
    return makeError("no step has run");
  CudaExtent extent = bufferExtent(artifact().plan.logits);
  logitRows.resize(extent.bytes / sizeof(float));
  LLMOPT_TRY(driver->download(logitRows.data(), extent.begin, extent.bytes));
  return static_cast<const float *>(logitRows.data());
}

//===- Sampled steps --------------------------------------------------------------------------===//

Status CudaDevice::queueSampledStep() {
  if (untaken.size() == CudaDriver::slots)
    return makeError("{} steps are queued and their tokens not taken", untaken.size());
  LLMOPT_TRY(queueStep(/*sampled=*/true));
  uint64_t bytes = static_cast<uint64_t>(batch.onDevice().logitRows) * sizeof(int32_t);
  LLMOPT_ASSIGN(auto wait, driver->downloadLater(batch.tokens(), bytes));
  untaken.push_back(std::move(wait));
  return success();
}

Status CudaDevice::runSampled(const LlmoptBatch &next, const LlmoptSampling *rows) {
  if (!samples())
    return Device::runSampled(next, rows);
  if (next.logitRows == 0)
    return makeError("no token is to be chosen in a step of {} rows", next.tokens);
  LLMOPT_TRY(fit(next));
  LLMOPT_TRY(batch.upload(next, rows));
  decodes = isDecode(next);
  return queueSampledStep();
}

Status CudaDevice::runNext(const LlmoptBatch &next) {
  const LlmoptBatch &last = batch.onDevice();
  if (!decodes || !isDecode(next) || next.tokens != last.tokens)
    return makeError("a decode of {} sequences does not follow from the last step", next.sequences);
  LLMOPT_TRY(batch.uploadPages(next));
  return queueSampledStep();
}

Result<const int32_t *> CudaDevice::takeTokens() {
  if (untaken.empty())
    return makeError("no step is queued whose tokens are to be taken");
  auto wait = std::move(untaken.front());
  untaken.pop_front();
  LLMOPT_ASSIGN(const void *tokens, wait());
  return static_cast<const int32_t *>(tokens);
}

Result<std::unique_ptr<Device>> openCudaDevice(std::shared_ptr<const Artifact> artifact,
                                               std::unique_ptr<CudaDriver> driver,
                                               const DeviceOptions &options) {
  auto device = std::make_unique<CudaDevice>(std::move(artifact), std::move(driver), options);
  LLMOPT_TRY(device->load());
  return std::unique_ptr<Device>(std::move(device));
}

} // namespace llmopt
