#include "runtime/devices/cuda/CardDriver.h"

#include "runtime/devices/cuda/CubinCache.h"
#include "runtime/devices/cuda/CublasLt.h"
#include "runtime/devices/cuda/CudaApi.h"
#include "runtime/devices/cuda/PinnedRing.h"
#include "support/ThreadPool.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>

namespace llmopt {

using namespace cuda_api;

namespace {

/// Small uploads, such as a batch, and large ones, such as weights, go through rings of their own,
/// so that neither waits for the other.
constexpr size_t smallSlots = 16, largeSlots = 2;
constexpr uint64_t smallBytes = uint64_t(64) << 10, largeBytes = uint64_t(32) << 20;
/// What one thread copies into a large slot at a time.
constexpr uint64_t shareBytes = uint64_t(1) << 20;

/// Drivers record programmatic dependent launch into graphs since CUDA 12.3.
constexpr int earlyInGraphs = 12030;

struct CardKernel : CudaKernel {
  std::string name;
  Function function = nullptr;
  /// Dynamic shared memory that it may be launched with; more has to be asked for first.
  mutable uint32_t sharedBytes = 48 << 10;
};

struct CardGraph : CudaGraph {
  explicit CardGraph(const Api &api) : api(api) {}
  ~CardGraph() override {
    if (executable)
      api.graphExecDestroy(executable);
  }
  const Api &api;
  GraphExec executable = nullptr;
};

class CardDriver : public CudaDriver {
public:
  CardDriver(Api loaded, int threads)
      : api(std::move(loaded)), threads(threads), small(api, smallSlots, smallBytes),
        large(api, largeSlots, largeBytes) {}
  ~CardDriver() override;

  Status open();

  const CudaCard &card() const override { return facts; }
  Result<uint64_t> freeBytes() override;

  Result<CudaAddress> allocate(uint64_t bytes, const std::string &what) override;
  void free(CudaAddress address) override;
  Status fill(CudaAddress to, uint8_t byte, uint64_t bytes) override;
  Status copy(CudaAddress to, CudaAddress from, uint64_t bytes) override;
  Status upload(CudaAddress to, const void *from, uint64_t bytes) override;
  Status download(void *to, CudaAddress from, uint64_t bytes) override;
  Result<std::function<Result<const void *>()>> downloadLater(CudaAddress from,
                                                              uint64_t bytes) override;

  Result<std::vector<std::vector<const CudaKernel *>>> load(const std::vector<CudaSource> &sources,
                                                            const std::vector<CudaHeader> &headers,
                                                            const std::string &arch, int threads,
                                                            bool quiet) override;
  Result<int> residentBlocks(const CudaKernel &kernel, uint32_t threads,
                             uint32_t sharedBytes) override;
  Result<int64_t> localBytes(const CudaKernel &kernel) override;
  Status launch(const CudaLaunch &launch) override;
  Status multiply(const CudaProduct &product) override;
  Result<std::unique_ptr<CudaGraph>> record(const std::function<Status()> &queue) override;
  Status run(const CudaGraph &graph) override;
  Status mark() override;
  Result<std::vector<double>> takeMarks() override;
  Status synchronize() override;

private:
  /// Calls of the driver's interface are of the thread's current context, which may be another's.
  Status enter() { return api.check(api.contextSetCurrent(context), "using the card"); }
  Result<int> attribute(int which);
  /// Lets a kernel be launched with so much dynamic shared memory.
  Status allowShared(const CardKernel &kernel, uint32_t bytes);
  Status loadModule(const CudaSource &source, const std::string &cubin, const Nvrtc &nvrtc,
                    std::vector<const CudaKernel *> &kernels);

  Api api;
  int threads;
  int device = 0;
  CudaCard facts;
  Context context = nullptr;
  Stream stream = nullptr;
  PinnedRing small, large;
  bool recording = false;

  std::vector<Module> modules;
  std::deque<CardKernel> kernels;
  std::optional<Nvrtc> nvrtc;
  std::unique_ptr<CublasLt> products;
  std::vector<CudaAddress> memory;

  /// Of downloadLater. What was waited for last stays while two more are open.
  struct Download {
    void *memory = nullptr;
    uint64_t bytes = 0;
    Event event = nullptr;
  };
  Download downloads[slots + 1];
  size_t nextDownload = 0;

  std::vector<Event> marks; ///< made so far
  size_t markCount = 0;     ///< that are used
};

} // namespace

//===- The card -------------------------------------------------------------------------------===//

Result<int> CardDriver::attribute(int which) {
  int value = 0;
  LLMOPT_TRY(api.check(api.deviceGetAttribute(&value, which, device), "asking for a card's facts"));
  return value;
}

Status CardDriver::open() {
  int count = 0;
  LLMOPT_TRY(api.check(api.deviceGetCount(&count), "counting the cards"));
  if (count == 0)
    return makeError("the NVIDIA driver finds no card");
  LLMOPT_TRY(api.check(api.deviceGet(&device, 0), "choosing a card"));
  char name[256] = "";
  LLMOPT_TRY(api.check(api.deviceGetName(name, sizeof name - 1, device), "naming the card"));
  facts.name = name;
  LLMOPT_ASSIGN(facts.major, attribute(capabilityMajor));
  LLMOPT_ASSIGN(facts.minor, attribute(capabilityMinor));
  LLMOPT_ASSIGN(facts.multiprocessors, attribute(multiprocessorCount));
  LLMOPT_ASSIGN(int shared, attribute(sharedMemoryOptin));
  facts.sharedBytes = static_cast<uint32_t>(shared);
  LLMOPT_TRY(api.check(api.primaryContextRetain(&context, device),
                       fmt::format("beginning to use the {}", facts.name)));
  LLMOPT_TRY(enter());
  LLMOPT_TRY(api.check(api.streamCreate(&stream, nonBlocking), "making a stream"));
  size_t total = 0;
  LLMOPT_TRY(api.check(api.deviceTotalMem(&total, device), "asking for a card's memory"));
  facts.totalBytes = total;
  LLMOPT_ASSIGN(facts.freeBytes, freeBytes());
  return success();
}

/// All that was made goes before the context does.
CardDriver::~CardDriver() {
  if (!context)
    return;
  api.contextSetCurrent(context);
  if (stream)
    api.streamSynchronize(stream);
  products.reset();
  for (Download &download : downloads) {
    if (download.event)
      api.eventDestroy(download.event);
    if (download.memory)
      api.memFreeHost(download.memory);
  }
  for (Event event : marks)
    api.eventDestroy(event);
  small.release();
  large.release();
  for (Module module : modules)
    api.moduleUnload(module);
  for (CudaAddress address : memory)
    api.memFree(address);
  if (stream)
    api.streamDestroy(stream);
  api.primaryContextRelease(device);
}

Result<uint64_t> CardDriver::freeBytes() {
  LLMOPT_TRY(enter());
  size_t free = 0, total = 0;
  LLMOPT_TRY(api.check(api.memGetInfo(&free, &total), "asking for free memory"));
  return static_cast<uint64_t>(free);
}

Status CardDriver::synchronize() {
  LLMOPT_TRY(enter());
  return api.check(api.streamSynchronize(stream), "waiting for the card");
}

//===- Memory ---------------------------------------------------------------------------------===//

Result<CudaAddress> CardDriver::allocate(uint64_t bytes, const std::string &what) {
  LLMOPT_TRY(enter());
  CudaAddress address = 0;
  LLMOPT_TRY(api.check(api.memAlloc(&address, std::max<uint64_t>(bytes, 1)),
                       fmt::format("taking {} bytes for {}", bytes, what)));
  memory.push_back(address);
  return address;
}

void CardDriver::free(CudaAddress address) {
  api.contextSetCurrent(context);
  api.streamSynchronize(stream);
  memory.erase(std::remove(memory.begin(), memory.end(), address), memory.end());
  api.memFree(address);
}

Status CardDriver::fill(CudaAddress to, uint8_t byte, uint64_t bytes) {
  LLMOPT_TRY(enter());
  return bytes == 0 ? success()
                    : api.check(api.memsetAsync(to, byte, bytes, stream), "filling memory");
}

Status CardDriver::copy(CudaAddress to, CudaAddress from, uint64_t bytes) {
  LLMOPT_TRY(enter());
  return api.check(api.copyOnDevice(to, from, bytes, stream), "copying memory");
}

/// Threads fill a slot while the card copies the one before.
Status CardDriver::upload(CudaAddress to, const void *from, uint64_t bytes) {
  LLMOPT_TRY(enter());
  PinnedRing &ring = bytes <= smallBytes ? small : large;
  const auto *source = static_cast<const uint8_t *>(from);
  for (uint64_t begin = 0; begin < bytes; begin += ring.slotBytes()) {
    uint64_t count = std::min(ring.slotBytes(), bytes - begin);
    LLMOPT_ASSIGN(PinnedRing::Slot slot, ring.next());
    auto shares = static_cast<int64_t>((count + shareBytes - 1) / shareBytes);
    auto copyShare = [&](int64_t i) {
      uint64_t first = static_cast<uint64_t>(i) * shareBytes;
      std::memcpy(slot.memory + first, source + begin + first, std::min(shareBytes, count - first));
    };
    if (shares == 1)
      copyShare(0);
    else
      parallelFor(shares, threads, copyShare);
    LLMOPT_TRY(
        api.check(api.copyToDevice(to + begin, slot.memory, count, stream), "copying to the card"));
    LLMOPT_TRY(api.check(api.eventRecord(slot.event, stream), "marking a copy"));
  }
  return success();
}

Status CardDriver::download(void *to, CudaAddress from, uint64_t bytes) {
  LLMOPT_TRY(enter());
  LLMOPT_TRY(api.check(api.copyToHost(to, from, bytes, stream), "copying from the card"));
  return synchronize();
}

Result<std::function<Result<const void *>()>> CardDriver::downloadLater(CudaAddress from,
                                                                        uint64_t bytes) {
  LLMOPT_TRY(enter());
  Download &slot = downloads[nextDownload];
  nextDownload = (nextDownload + 1) % (slots + 1);
  if (!slot.event)
    LLMOPT_TRY(api.check(api.eventCreate(&slot.event, disableTiming), "making an event"));
  if (slot.bytes < bytes) {
    if (slot.memory)
      api.memFreeHost(slot.memory);
    slot.memory = nullptr;
    slot.bytes = 0;
    LLMOPT_TRY(api.check(api.memHostAlloc(&slot.memory, bytes, 0),
                         fmt::format("taking {} bytes of page-locked host memory", bytes)));
    slot.bytes = bytes;
  }
  LLMOPT_TRY(api.check(api.copyToHost(slot.memory, from, bytes, stream), "copying from the card"));
  LLMOPT_TRY(api.check(api.eventRecord(slot.event, stream), "marking a copy"));
  const void *memory = slot.memory;
  Event event = slot.event;
  return std::function<Result<const void *>()>([this, memory, event]() -> Result<const void *> {
    LLMOPT_TRY(enter());
    LLMOPT_TRY(api.check(api.eventSynchronize(event), "waiting for a step"));
    return memory;
  });
}

//===- Code -----------------------------------------------------------------------------------===//

Result<std::vector<std::vector<const CudaKernel *>>>
CardDriver::load(const std::vector<CudaSource> &sources, const std::vector<CudaHeader> &headers,
                 const std::string &arch, int threads, bool quiet) {
  LLMOPT_TRY(enter());
  if (!nvrtc) {
    LLMOPT_ASSIGN(nvrtc, Nvrtc::open());
  }
  LLMOPT_ASSIGN(auto cubins,
                compileCubins(sources, headers, arch, *nvrtc, CubinCache(), threads, quiet));
  std::vector<std::vector<const CudaKernel *>> result(sources.size());
  for (size_t i = 0; i < sources.size(); ++i)
    LLMOPT_TRY(loadModule(sources[i], cubins[i], *nvrtc, result[i]));
  return result;
}

Status CardDriver::loadModule(const CudaSource &source, const std::string &cubin,
                              const Nvrtc &nvrtc, std::vector<const CudaKernel *> &found) {
  Module module = nullptr;
  Code code = api.moduleLoadData(&module, cubin.data());
  bool refused = code == invalidImage || code == noBinaryForGpu || code == unsupportedPtxVersion;
  if (refused && nvrtc.majorVersion() * 1000 + nvrtc.minorVersion() * 10 > api.version)
    return makeError("the NVIDIA driver is too old: it is for CUDA {}.{} and does not run what "
                     "NVRTC {}.{} ({}) compiles; update it, or name an older NVRTC in LLMOPT_NVRTC",
                     api.version / 1000, api.version % 1000 / 10, nvrtc.majorVersion(),
                     nvrtc.minorVersion(), nvrtc.path());
  LLMOPT_TRY(api.check(code, "loading " + source.name));
  modules.push_back(module);
  for (const std::string &name : source.kernels) {
    CardKernel kernel;
    kernel.name = name;
    LLMOPT_TRY(api.check(api.moduleGetFunction(&kernel.function, module, name.c_str()),
                         fmt::format("looking for function '{}' in {}", name, source.name)));
    kernels.push_back(std::move(kernel));
    found.push_back(&kernels.back());
  }
  return success();
}

Status CardDriver::allowShared(const CardKernel &kernel, uint32_t bytes) {
  if (bytes <= kernel.sharedBytes)
    return success();
  LLMOPT_TRY(api.check(
      api.functionSetAttribute(kernel.function, maxDynamicShared, static_cast<int>(bytes)),
      fmt::format("reserving {} bytes of shared memory for function '{}'", bytes, kernel.name)));
  kernel.sharedBytes = bytes;
  return success();
}

Result<int> CardDriver::residentBlocks(const CudaKernel &asked, uint32_t threads,
                                       uint32_t sharedBytes) {
  LLMOPT_TRY(enter());
  const auto &kernel = static_cast<const CardKernel &>(asked);
  LLMOPT_TRY(allowShared(kernel, sharedBytes));
  int blocks = 0;
  LLMOPT_TRY(api.check(
      api.residentBlocks(&blocks, kernel.function, static_cast<int>(threads), sharedBytes),
      fmt::format("asking how many blocks of function '{}' a multiprocessor runs", kernel.name)));
  return blocks * facts.multiprocessors;
}

Result<int64_t> CardDriver::localBytes(const CudaKernel &kernel) {
  LLMOPT_TRY(enter());
  const auto &known = static_cast<const CardKernel &>(kernel);
  int bytes = 0;
  LLMOPT_TRY(api.check(api.functionGetAttribute(&bytes, cuda_api::localBytes, known.function),
                       "asking for the local memory of " + known.name));
  return int64_t(bytes);
}

Status CardDriver::launch(const CudaLaunch &launch) {
  LLMOPT_TRY(enter());
  const auto &kernel = static_cast<const CardKernel &>(*launch.kernel);
  LLMOPT_TRY(allowShared(kernel, launch.sharedBytes));
  LaunchAttribute attributes[2] = {};
  unsigned count = 0;
  if (launch.early && facts.major >= 9 && (!recording || api.version >= earlyInGraphs)) {
    attributes[count].id = programmaticSerialization;
    attributes[count++].programmaticStreamSerializationAllowed = 1;
  }
  if (launch.cooperative) {
    LLMOPT_ASSIGN(int resident, residentBlocks(kernel, launch.threads, launch.sharedBytes));
    LLMOPT_TRY(checkResident(launch, kernel.name, resident, facts));
    attributes[count].id = cooperativeLaunch;
    attributes[count++].cooperative = 1;
  }
  LaunchConfig config{launch.blocks,      1,      1,          launch.threads, 1, 1,
                      launch.sharedBytes, stream, attributes, count};
  // The driver copies the parameters and does not write to them.
  auto **parameters = const_cast<void **>(launch.parameters.data());
  Code code = api.launchKernel(&config, kernel.function, parameters, nullptr);
  if (code == 0)
    return success();
  return api.check(code,
                   fmt::format("launching {} with {} blocks of {} threads and {} bytes of "
                               "shared memory",
                               kernel.name, launch.blocks, launch.threads, launch.sharedBytes));
}

Status CardDriver::multiply(const CudaProduct &product) {
  LLMOPT_TRY(enter());
  if (!products) {
    LLMOPT_ASSIGN(CudaAddress workspace,
                  allocate(CublasLt::workspaceBytes, "the workspace of cuBLASLt"));
    LLMOPT_ASSIGN(products, CublasLt::open(workspace));
  }
  return products->multiply(product, stream);
}

Result<std::unique_ptr<CudaGraph>> CardDriver::record(const std::function<Status()> &queue) {
  LLMOPT_TRY(enter());
  LLMOPT_TRY(api.check(api.beginCapture(stream, captureRelaxed), "beginning to record a step"));
  recording = true;
  Status queued = queue();
  recording = false;
  Graph captured = nullptr;
  Code ended = api.endCapture(stream, &captured);
  std::unique_ptr<GraphHandle, Code (*)(Graph)> owner(captured, api.graphDestroy);
  if (!queued)
    return queued.error();
  LLMOPT_TRY(api.check(ended, "recording a step"));
  auto graph = std::make_unique<CardGraph>(api);
  Code made = api.graphInstantiate(&graph->executable, captured, 0);
  LLMOPT_TRY(api.check(made, "making a graph of a step"));
  return std::unique_ptr<CudaGraph>(std::move(graph));
}

Status CardDriver::run(const CudaGraph &graph) {
  LLMOPT_TRY(enter());
  return api.check(api.graphLaunch(static_cast<const CardGraph &>(graph).executable, stream),
                   "running a recorded step");
}

Status CardDriver::mark() {
  LLMOPT_TRY(enter());
  if (markCount == marks.size()) {
    Event event = nullptr;
    LLMOPT_TRY(api.check(api.eventCreate(&event, /*flags=*/0), "making an event"));
    marks.push_back(event);
  }
  // In a recording an event is else an edge of the graph and no node that takes the time.
  unsigned flags = recording ? eventRecordExternal : 0;
  return api.check(api.eventRecordWithFlags(marks[markCount++], stream, flags), "marking a time");
}

Result<std::vector<double>> CardDriver::takeMarks() {
  LLMOPT_TRY(synchronize());
  std::vector<double> times;
  for (size_t i = 0; i < markCount; ++i) {
    float milliseconds = 0;
    LLMOPT_TRY(api.check(api.eventElapsedTime(&milliseconds, marks[0], marks[i]), "asking when"));
    times.push_back(milliseconds / 1000.0);
  }
  markCount = 0;
  return times;
}

Result<std::unique_ptr<CudaDriver>> openCardDriver(int threads) {
  LLMOPT_ASSIGN(Api api, Api::load());
  auto driver = std::make_unique<CardDriver>(std::move(api), threads);
  LLMOPT_TRY(driver->open());
  return std::unique_ptr<CudaDriver>(std::move(driver));
}

} // namespace llmopt
