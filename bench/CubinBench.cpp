//===- CubinBench.cpp - How long the kernels of an artifact take to be there ------------------===//
//
// What a GPU artifact does when it is loaded, up to the driver: read its sources, open NVRTC, and
// compile the kernels on all threads (cold) or find them in the cache on disk (warm). Needs NVRTC
// but no GPU; that the driver takes the machine code, some milliseconds, is not in it.
//
//   cubin-bench ARTIFACT... [--benchmark_format=json]
//
//===------------------------------------------------------------------------------------------===//

#include "runtime/artifact/Artifact.h"
#include "runtime/devices/cuda/CubinCache.h"
#include "runtime/devices/cuda/CudaCode.h"
#include "runtime/devices/cuda/Nvrtc.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <thread>

using namespace llmopt;

namespace {
/// A cache that nobody else uses.
class EmptyCache {
public:
  EmptyCache() {
    std::string name = (std::filesystem::temp_directory_path() / "cubin-bench-XXXXXX").string();
    folder = ::mkdtemp(name.data()) ? name : "";
  }
  ~EmptyCache() {
    std::error_code none;
    if (!folder.empty())
      std::filesystem::remove_all(folder, none);
  }
  EmptyCache(const EmptyCache &) = delete;
  EmptyCache &operator=(const EmptyCache &) = delete;

  /// Empty if none could be made.
  std::string folder;
};
} // namespace

/// Makes the kernels of an artifact ready; returns how many functions they are.
static Result<size_t> loadKernels(const Artifact &artifact, const CubinCache &cache) {
  LLMOPT_ASSIGN(CudaPlan plan, CudaPlan::read(artifact.plan, artifact.path + "/plan.json"));
  LLMOPT_ASSIGN(CudaSources read, CudaSources::read(artifact, plan));
  LLMOPT_ASSIGN(Nvrtc nvrtc, Nvrtc::open());
  int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  LLMOPT_TRY(compileCubins(read.sources, read.headers, artifact.manifest.arch, nvrtc, cache,
                           threads, /*quiet=*/true));
  size_t functions = 0;
  for (const CudaSource &source : read.sources)
    functions += source.kernels.size();
  return functions;
}

static Status measure(benchmark::State &state, const Artifact &artifact, bool warm) {
  for (auto _ : state) {
    state.PauseTiming();
    EmptyCache empty;
    if (empty.folder.empty())
      return makeError("no temporary folder for a cache");
    CubinCache cache(empty.folder);
    if (warm)
      LLMOPT_TRY(loadKernels(artifact, cache));
    state.ResumeTiming();
    LLMOPT_ASSIGN(size_t functions, loadKernels(artifact, cache));
    state.counters["functions"] = static_cast<double>(functions);
  }
  return success();
}

int main(int argc, char **argv) {
  benchmark::Initialize(&argc, argv);
  if (argc < 2) {
    std::fprintf(stderr, "usage: cubin-bench ARTIFACT... [--benchmark_format=json]\n");
    return 1;
  }
  std::vector<std::unique_ptr<Artifact>> artifacts;
  for (int i = 1; i < argc; ++i) {
    auto artifact = Artifact::openPlan(argv[i]);
    if (!artifact) {
      std::fprintf(stderr, "cubin-bench: %s\n", artifact.error().message().c_str());
      return 1;
    }
    artifacts.push_back(std::make_unique<Artifact>(std::move(*artifact)));
  }
  static bool failed = false;
  for (const auto &artifact : artifacts)
    for (bool warm : {false, true}) {
      std::string name =
          fmt::format("{} {}", std::filesystem::path(artifact->path).filename().string(),
                      warm ? "warm" : "cold");
      const char *title = name.c_str(); // before 1.8 the library takes no std::string
      benchmark::RegisterBenchmark(title,
                                   [warm, what = artifact.get()](benchmark::State &state) {
                                     if (Status status = measure(state, *what, warm); !status) {
                                       const char *text = status.error().message().c_str();
                                       state.SkipWithError(text);
                                       failed = true;
                                     }
                                   })
          ->Unit(benchmark::kMillisecond)
          ->Iterations(1)
          ->Repetitions(3)
          ->ReportAggregatesOnly(true)
          ->UseRealTime();
    }
  benchmark::RunSpecifiedBenchmarks();
  return failed ? 1 : 0;
}
