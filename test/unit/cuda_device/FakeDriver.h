//===- FakeDriver.h - A card that only remembers what it was asked ----------------------------===//
//
// Memory is the host's. A launch runs the function that the test gave for the kernel's name, if
// any, with the parameters as they were. What a test says of sources is asked with their text.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_TEST_UNIT_CUDA_DEVICE_FAKEDRIVER_H
#define LLMOPT_TEST_UNIT_CUDA_DEVICE_FAKEDRIVER_H

#include "runtime/artifact/KernelAbi.h"
#include "runtime/devices/cuda/Driver.h"

#include <cstring>
#include <deque>
#include <map>

namespace llmopt {

class FakeDriver : public CudaDriver {
public:
  using Arguments = std::vector<uint64_t>;
  using Body = std::function<void(const LlmoptBatch &, const Arguments &)>;

  struct Launched {
    std::string name;
    uint32_t blocks, threads, sharedBytes;
    bool early;
    bool cooperative;
    LlmoptBatch batch;
    Arguments arguments;
    std::vector<CudaExtent> extents;
  };

  /// Everything in order: "launch a 4", "record", "run", "upload 64", ...
  std::vector<std::string> calls;
  std::vector<Launched> launches;
  std::vector<CudaProduct> products;
  std::vector<CudaSource> sources;
  std::map<std::string, Body> bodies;
  std::string arch;
  /// Of the source that a kernel is from: whether it compiles, how long a launch takes, the local
  /// memory of a thread, and what is run after a launch.
  std::function<bool(const std::string &)> compiles;
  std::function<double(const std::string &)> seconds;
  std::function<int64_t(const std::string &)> local;
  std::function<void(const std::string &, const Arguments &)> after;
  CudaCard facts{"Fake 9000", 9, 0, 132, 227 * 1024, uint64_t(1) << 30, uint64_t(1) << 30};

  uint64_t used = 0;

  const CudaCard &card() const override { return facts; }
  Result<uint64_t> freeBytes() override { return facts.freeBytes - used; }

  Result<CudaAddress> allocate(uint64_t bytes, const std::string &) override {
    auto &block = memory.emplace_back((bytes + 255) / 256 + 1);
    auto address = reinterpret_cast<CudaAddress>(block.data());
    sizes[address] = bytes;
    used += bytes;
    return address;
  }
  void free(CudaAddress address) override { used -= sizes.at(address); }
  Status fill(CudaAddress to, uint8_t byte, uint64_t bytes) override {
    std::memset(reinterpret_cast<void *>(to), byte, bytes);
    return success();
  }
  Status copy(CudaAddress to, CudaAddress from, uint64_t bytes) override {
    calls.push_back(fmt::format("copy {}", bytes));
    std::memcpy(reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), bytes);
    return success();
  }
  Status upload(CudaAddress to, const void *from, uint64_t bytes) override {
    calls.push_back(fmt::format("upload {}", bytes));
    std::memcpy(reinterpret_cast<void *>(to), from, bytes);
    return success();
  }
  Status download(void *to, CudaAddress from, uint64_t bytes) override {
    std::memcpy(to, reinterpret_cast<void *>(from), bytes);
    return success();
  }
  Result<std::function<Result<const void *>()>> downloadLater(CudaAddress from,
                                                              uint64_t bytes) override {
    auto copy = std::make_shared<std::string>(reinterpret_cast<const char *>(from), bytes);
    return std::function<Result<const void *>()>([copy, this]() -> Result<const void *> {
      calls.push_back("wait");
      kept = copy;
      return static_cast<const void *>(copy->data());
    });
  }

  struct Kernel : CudaKernel {
    std::string name, source;
  };
  Result<std::vector<std::vector<const CudaKernel *>>> load(const std::vector<CudaSource> &given,
                                                            const std::vector<CudaHeader> &,
                                                            const std::string &givenArch, int,
                                                            bool) override {
    arch = givenArch;
    std::vector<std::vector<const CudaKernel *>> result;
    for (const CudaSource &source : given)
      if (compiles && !compiles(source.content))
        return makeError("{} does not compile", source.name);
    for (const CudaSource &source : given) {
      sources.push_back(source);
      result.emplace_back();
      for (const std::string &name : source.kernels) {
        kernels.emplace_back().name = name;
        kernels.back().source = source.content;
        result.back().push_back(&kernels.back());
      }
    }
    return result;
  }

  int resident = 132; ///< what residentBlocks says
  Result<int> residentBlocks(const CudaKernel &, uint32_t, uint32_t) override { return resident; }
  Result<int64_t> localBytes(const CudaKernel &kernel) override {
    return local ? local(static_cast<const Kernel &>(kernel).source) : 0;
  }

  Status launch(const CudaLaunch &launch) override {
    const std::string &source = static_cast<const Kernel *>(launch.kernel)->source;
    Launched launched{static_cast<const Kernel *>(launch.kernel)->name,
                      launch.blocks,
                      launch.threads,
                      launch.sharedBytes,
                      launch.early,
                      launch.cooperative,
                      {},
                      {},
                      launch.extents};
    std::memcpy(&launched.batch, launch.parameters[0], sizeof(LlmoptBatch));
    for (size_t i = 1; i < launch.parameters.size(); ++i)
      launched.arguments.push_back(*static_cast<const uint64_t *>(launch.parameters[i]));
    return queue([this, launched, source] {
      calls.push_back(fmt::format("launch {} {}", launched.name, launched.blocks));
      now += seconds ? seconds(source) : 0;
      launches.push_back(launched);
      if (auto body = bodies.find(launched.name); body != bodies.end())
        body->second(launched.batch, launched.arguments);
      if (after)
        after(source, launched.arguments);
    });
  }
  Status multiply(const CudaProduct &product) override {
    return queue([this, product] {
      calls.push_back(fmt::format("multiply {}", product.rows));
      products.push_back(product);
    });
  }

  Result<std::unique_ptr<CudaGraph>> record(const std::function<Status()> &work) override {
    calls.push_back("record");
    auto graph = std::make_unique<Graph>();
    recording = graph.get();
    Status status = work();
    recording = nullptr;
    LLMOPT_TRY(status);
    return std::unique_ptr<CudaGraph>(std::move(graph));
  }
  Status run(const CudaGraph &graph) override {
    calls.push_back("run");
    marks.clear();
    for (const auto &step : static_cast<const Graph &>(graph).steps)
      step();
    return success();
  }
  /// A mark is a second, unless the test says how long launches take.
  Status mark() override {
    return queue([this] {
      calls.push_back("mark");
      marks.push_back(seconds ? now : static_cast<double>(marks.size()));
    });
  }
  Result<std::vector<double>> takeMarks() override {
    std::vector<double> times;
    for (double mark : marks)
      times.push_back(mark - marks.front());
    marks.clear();
    return times;
  }
  Status synchronize() override { return success(); }

private:
  struct Graph : CudaGraph {
    std::vector<std::function<void()>> steps;
  };
  Status queue(std::function<void()> step) {
    if (recording)
      recording->steps.push_back(std::move(step));
    else
      step();
    return success();
  }

  struct alignas(256) Line {
    char bytes[256];
  };
  std::deque<std::vector<Line>> memory;
  std::map<CudaAddress, uint64_t> sizes;
  std::deque<Kernel> kernels;
  Graph *recording = nullptr;
  std::vector<double> marks;
  double now = 0;
  std::shared_ptr<std::string> kept;
};

} // namespace llmopt

#endif // LLMOPT_TEST_UNIT_CUDA_DEVICE_FAKEDRIVER_H
