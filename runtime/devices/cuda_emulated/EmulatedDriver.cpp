#include "runtime/devices/cuda_emulated/EmulatedDriver.h"

#include "runtime/devices/cuda_emulated/ModuleCompiler.h"
#include "runtime/devices/cuda_emulated/Products.h"
#include "runtime/devices/cuda_emulated/module.h"
#include "support/CudaTarget.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <unistd.h>

namespace llmopt {

using namespace emulated;

namespace {

struct EmulatedKernel : CudaKernel {
  std::string name;
  const Module *module = nullptr;
  const KernelEntry *entry = nullptr;
};

/// What was recorded, with copies of the launches' parameters.
struct EmulatedGraph : CudaGraph {
  std::vector<std::function<Status()>> work;
};

class EmulatedDriver final : public CudaDriver {
public:
  EmulatedDriver(const CudaTarget &target, const EmulatorOptions &options);
  ~EmulatedDriver() override;

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
  Result<int64_t> localBytes(const CudaKernel &) override { return 0; }
  Status launch(const CudaLaunch &launch) override;
  Status multiply(const CudaProduct &product) override;
  Result<std::unique_ptr<CudaGraph>> record(const std::function<Status()> &queue) override;
  Status run(const CudaGraph &graph) override;
  Status mark() override;
  Result<std::vector<double>> takeMarks() override;
  Status synchronize() override { return success(); }

private:
  /// Does it now, or notes it for the graph that is being recorded.
  Status queue(std::function<Status()> work);
  Status check(CudaAddress address, uint64_t bytes, const char *what) const;
  Status runKernel(const CudaLaunch &launch);
  std::vector<MemoryRange> memoryOf(const CudaLaunch &launch) const;

  CudaCard facts;
  EmulatorOptions options;
  Emulator emulator;
  std::map<CudaAddress, uint64_t> allocations; ///< bytes by address
  std::vector<std::unique_ptr<Module>> modules;
  std::vector<std::unique_ptr<EmulatedKernel>> kernels;
  std::vector<char> later[slots];
  int nextSlot = 0;
  std::vector<std::function<Status()>> *recording = nullptr;
  std::vector<std::chrono::steady_clock::time_point> marks;
};

} // namespace

EmulatedDriver::EmulatedDriver(const CudaTarget &target, const EmulatorOptions &options)
    : options(options), emulator(options) {
  facts.name = "emulated " + target.arch;
  facts.emulated = true;
  int number = std::atoi(target.arch.c_str() + 3); // of "sm_90a"
  facts.major = number / 10;
  facts.minor = number % 10;
  facts.multiprocessors = static_cast<int>(target.multiprocessors);
  facts.sharedBytes = static_cast<uint32_t>(target.blockSharedBytes);
  auto page = uint64_t(::sysconf(_SC_PAGESIZE));
  facts.totalBytes = uint64_t(::sysconf(_SC_PHYS_PAGES)) * page;
  facts.freeBytes = uint64_t(::sysconf(_SC_AVPHYS_PAGES)) * page;
}

EmulatedDriver::~EmulatedDriver() {
  for (auto [address, bytes] : allocations)
    std::free(reinterpret_cast<void *>(address));
}

Result<std::unique_ptr<CudaDriver>> openEmulatedDriver(const std::string &arch,
                                                       const EmulatorOptions &options) {
  LLMOPT_ASSIGN(CudaTarget target, findCudaTarget(arch));
  return std::unique_ptr<CudaDriver>(std::make_unique<EmulatedDriver>(target, options));
}

//===------------------------------------------------------------------------------------------===//
// Memory
//===------------------------------------------------------------------------------------------===//

Result<uint64_t> EmulatedDriver::freeBytes() {
  return uint64_t(::sysconf(_SC_AVPHYS_PAGES)) * uint64_t(::sysconf(_SC_PAGESIZE));
}

Result<CudaAddress> EmulatedDriver::allocate(uint64_t bytes, const std::string &what) {
  constexpr uint64_t alignment = 256;
  uint64_t rounded = (std::max<uint64_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  void *memory = rounded >= bytes ? std::aligned_alloc(alignment, rounded) : nullptr;
  if (!memory)
    return makeError("{}: there is no memory of the host for {} bytes", what, bytes);
  // NaN to those who read what nobody wrote.
  std::memset(memory, 0xff, rounded);
  auto address = reinterpret_cast<CudaAddress>(memory);
  allocations[address] = bytes;
  return address;
}

void EmulatedDriver::free(CudaAddress address) {
  if (allocations.erase(address) > 0)
    std::free(reinterpret_cast<void *>(address));
}

/// All of it lies in one allocation.
Status EmulatedDriver::check(CudaAddress address, uint64_t bytes, const char *what) const {
  auto after = allocations.upper_bound(address);
  if (after != allocations.begin()) {
    auto [begin, size] = *std::prev(after);
    if (address - begin <= size && bytes <= size - (address - begin))
      return success();
  }
  return makeError("{} of {} bytes at {:#x}, which is no memory of the emulated GPU", what, bytes,
                   address);
}

Status EmulatedDriver::queue(std::function<Status()> work) {
  if (!recording)
    return work();
  recording->push_back(std::move(work));
  return success();
}

Status EmulatedDriver::fill(CudaAddress to, uint8_t byte, uint64_t bytes) {
  LLMOPT_TRY(check(to, bytes, "a fill"));
  return queue([=] {
    std::memset(reinterpret_cast<void *>(to), byte, bytes);
    return success();
  });
}

Status EmulatedDriver::copy(CudaAddress to, CudaAddress from, uint64_t bytes) {
  LLMOPT_TRY(check(to, bytes, "a copy"));
  LLMOPT_TRY(check(from, bytes, "a copy"));
  return queue([=] {
    std::memmove(reinterpret_cast<void *>(to), reinterpret_cast<const void *>(from), bytes);
    return success();
  });
}

Status EmulatedDriver::upload(CudaAddress to, const void *from, uint64_t bytes) {
  LLMOPT_TRY(check(to, bytes, "an upload"));
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  return success();
}

Status EmulatedDriver::download(void *to, CudaAddress from, uint64_t bytes) {
  LLMOPT_TRY(check(from, bytes, "a download"));
  std::memcpy(to, reinterpret_cast<const void *>(from), bytes);
  return success();
}

Result<std::function<Result<const void *>()>> EmulatedDriver::downloadLater(CudaAddress from,
                                                                            uint64_t bytes) {
  LLMOPT_TRY(check(from, bytes, "a download"));
  std::vector<char> &slot = later[nextSlot];
  nextSlot = (nextSlot + 1) % slots;
  slot.resize(bytes);
  std::memcpy(slot.data(), reinterpret_cast<const void *>(from), bytes);
  return std::function<Result<const void *>()>(
      [&slot]() -> Result<const void *> { return static_cast<const void *>(slot.data()); });
}

//===------------------------------------------------------------------------------------------===//
// Kernels
//===------------------------------------------------------------------------------------------===//

Result<std::vector<std::vector<const CudaKernel *>>>
EmulatedDriver::load(const std::vector<CudaSource> &sources, const std::vector<CudaHeader> &headers,
                     const std::string &arch, int threads, bool quiet) {
  LLMOPT_ASSIGN(auto loaded,
                compileModules(sources, headers, arch, options.checks, threads, quiet));
  std::vector<std::vector<const CudaKernel *>> found;
  for (size_t i = 0; i < sources.size(); ++i) {
    found.emplace_back();
    for (const std::string &name : sources[i].kernels) {
      auto kernel = std::make_unique<EmulatedKernel>();
      kernel->name = name;
      kernel->module = loaded[i].get();
      kernel->entry = loaded[i]->find(name);
      if (!kernel->entry)
        return makeError("{} has no kernel {}", sources[i].name, name);
      found.back().push_back(kernel.get());
      kernels.push_back(std::move(kernel));
    }
  }
  std::move(loaded.begin(), loaded.end(), std::back_inserter(modules));
  return found;
}

/// "parameter 2", or "array 1 of parameter 0", whose pointer is in an extent.
static std::string nameOf(const CudaExtent &extent, const CudaLaunch &launch,
                          const KernelEntry &entry) {
  for (size_t p = 0; p < entry.parameterCount; ++p)
    for (size_t word = 0; word < entry.parameterBytes[p] / 8; ++word) {
      CudaAddress value;
      std::memcpy(&value, static_cast<const char *>(launch.parameters[p]) + word * 8, 8);
      if (value - extent.begin >= extent.bytes)
        continue;
      if (entry.parameterBytes[p] == 8)
        return fmt::format("parameter {}", p);
      return fmt::format("word {} of parameter {}", word, p);
    }
  return "memory of the launch";
}

std::vector<MemoryRange> EmulatedDriver::memoryOf(const CudaLaunch &launch) const {
  const auto &kernel = static_cast<const EmulatedKernel &>(*launch.kernel);
  std::vector<MemoryRange> memory = kernel.module->memory();
  for (const CudaExtent &extent : launch.extents)
    memory.push_back({extent.begin, extent.bytes, extent.writable, extent.fixed,
                      nameOf(extent, launch, *kernel.entry)});
  if (launch.extents.empty())
    for (auto [address, bytes] : allocations) {
      CudaExtent whole{address, bytes, /*writable=*/true};
      memory.push_back({address, bytes, true, false, nameOf(whole, launch, *kernel.entry)});
    }
  return memory;
}

Result<int> EmulatedDriver::residentBlocks(const CudaKernel &, uint32_t threads,
                                           uint32_t sharedBytes) {
  bool fits = threads >= 1 && threads <= 1024 && sharedBytes <= facts.sharedBytes;
  return fits ? options.residentBlocks : 0;
}

Status EmulatedDriver::launch(const CudaLaunch &launch) {
  const auto &kernel = static_cast<const EmulatedKernel &>(*launch.kernel);
  if (launch.parameters.size() != kernel.entry->parameterCount)
    return makeError("kernel {} has {} parameters and is launched with {}", kernel.name,
                     kernel.entry->parameterCount, launch.parameters.size());
  if (launch.cooperative) {
    LLMOPT_ASSIGN(int resident, residentBlocks(kernel, launch.threads, launch.sharedBytes));
    LLMOPT_TRY(checkResident(launch, kernel.name, resident, facts));
  }
  if (!recording)
    return runKernel(launch);
  auto copies = std::make_shared<std::vector<std::vector<char>>>();
  CudaLaunch copy = launch;
  for (size_t i = 0; i < launch.parameters.size(); ++i) {
    const char *from = static_cast<const char *>(launch.parameters[i]);
    copies->emplace_back(from, from + kernel.entry->parameterBytes[i]);
    copy.parameters[i] = copies->back().data();
  }
  return queue([this, copy, copies] { return runKernel(copy); });
}

Status EmulatedDriver::runKernel(const CudaLaunch &launch) {
  const auto &kernel = static_cast<const EmulatedKernel &>(*launch.kernel);
  const ModuleEntry &module = kernel.module->entry();
  // Drivers of one program share the modules that they have loaded from the same file.
  static std::mutex modulesInUse;
  std::lock_guard<std::mutex> lock(modulesInUse);
  *module.machine = &emulator.machine();
  GridLaunch grid;
  grid.kernel = kernel.name;
  grid.blocks = static_cast<int>(launch.blocks);
  grid.threads = static_cast<int>(launch.threads);
  grid.sharedBytes = static_cast<int>(launch.sharedBytes);
  grid.shared = module.shared;
  grid.sharedCapacity = module.sharedCapacity;
  grid.bounded = true;
  grid.early = launch.early;
  grid.cooperative = launch.cooperative;
  if (options.checks)
    grid.memory = memoryOf(launch);
  grid.body = [&] { kernel.entry->call(launch.parameters.data()); };
  grid.place = [&](const void *code) { return kernel.module->place(code); };
  if (launch.sharedBytes > facts.sharedBytes)
    return makeError("kernel {}: {} bytes of shared memory are more than the {} of {}", kernel.name,
                     launch.sharedBytes, facts.sharedBytes, facts.name);
  return emulator.run(grid);
}

//===------------------------------------------------------------------------------------------===//
// The rest
//===------------------------------------------------------------------------------------------===//

Status EmulatedDriver::multiply(const CudaProduct &product) {
  LLMOPT_TRY(checkProduct(product));
  auto bytes = [](CudaProduct::Type type, int64_t rows, int64_t stride, int64_t columns) {
    uint64_t size = type == CudaProduct::Type::F32 ? 4 : 2;
    return (uint64_t(rows - 1) * uint64_t(stride) + uint64_t(columns)) * size;
  };
  const CudaProduct &p = product;
  LLMOPT_TRY(check(p.a, bytes(p.inputs, p.rows, p.depth, p.depth), "a product's left operand"));
  LLMOPT_TRY(
      check(p.b, bytes(p.inputs, p.columns, p.strideB, p.depth), "a product's right operand"));
  LLMOPT_TRY(check(p.c, bytes(p.output, p.rows, p.columns, p.columns), "a product's result"));
  return queue([product] {
    multiplyOnHost(product);
    return success();
  });
}

Result<std::unique_ptr<CudaGraph>> EmulatedDriver::record(const std::function<Status()> &work) {
  auto graph = std::make_unique<EmulatedGraph>();
  recording = &graph->work;
  Status status = work();
  recording = nullptr;
  if (!status)
    return status.error();
  return std::unique_ptr<CudaGraph>(std::move(graph));
}

Status EmulatedDriver::mark() {
  return queue([this] {
    marks.push_back(std::chrono::steady_clock::now());
    return success();
  });
}

Result<std::vector<double>> EmulatedDriver::takeMarks() {
  std::vector<double> times;
  times.reserve(marks.size());
  for (auto each : marks)
    times.push_back(std::chrono::duration<double>(each - marks.front()).count());
  marks.clear();
  return times;
}

Status EmulatedDriver::run(const CudaGraph &graph) {
  marks.clear();
  for (const auto &work : static_cast<const EmulatedGraph &>(graph).work)
    LLMOPT_TRY(work());
  return success();
}

} // namespace llmopt
