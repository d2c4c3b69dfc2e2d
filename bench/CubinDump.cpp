//===- CubinDump.cpp - The machine code of an artifact's kernels ------------------------------===//
//
// What static-figures.py counts in. Every source of the artifact that a step launches is compiled
// as it is when the model is loaded; FOLDER gets KERNEL.cubin, KERNEL.ptx and KERNEL.log, the
// compiler's report of registers, spills and barriers of each function. Needs NVRTC, as the tests
// do, but no GPU.
//
//   cubin-dump ARTIFACT FOLDER
//
// Prints what compiled it: "NVRTC 13.0".
//
//===------------------------------------------------------------------------------------------===//

#include "runtime/artifact/Artifact.h"
#include "runtime/devices/cuda/CudaCode.h"
#include "runtime/devices/cuda/Nvrtc.h"
#include "support/Files.h"
#include "support/ThreadPool.h"

#include <cstdio>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

using namespace llmopt;

namespace fs = std::filesystem;

static Status dump(const CudaSource &source, const CudaSources &all, const std::string &arch,
                   const Nvrtc &nvrtc, const std::string &folder) {
  LLMOPT_ASSIGN(CudaImage image, nvrtc.compile(source.name, source.content, all.headers,
                                               {arch, /*reportResources=*/true}));
  std::string stem = folder + "/" + fs::path(source.name).stem().string();
  LLMOPT_TRY(writeFile(stem + ".cubin", image.cubin));
  LLMOPT_TRY(writeFile(stem + ".ptx", image.ptx));
  return writeFile(stem + ".log", image.log);
}

static Status dumpAll(const std::string &path, const std::string &folder) {
  LLMOPT_ASSIGN(Artifact artifact, Artifact::openPlan(path));
  if (artifact.manifest.target != "cuda")
    return makeError("{} was compiled for {}: it has no CUDA source", path,
                     artifact.manifest.target);
  LLMOPT_ASSIGN(CudaPlan plan, CudaPlan::read(artifact.plan, path + "/plan.json"));
  LLMOPT_ASSIGN(CudaSources read, CudaSources::read(artifact, plan));
  LLMOPT_ASSIGN(Nvrtc nvrtc, Nvrtc::open({LLMOPT_SOURCE_DIR "/.deps/nvrtc"}));
  std::error_code code;
  fs::create_directories(folder, code);
  if (code)
    return makeError("cannot make {}: {}", folder, code.message());
  std::mutex mutex;
  std::optional<Error> failure;
  int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  parallelFor(static_cast<int64_t>(read.sources.size()), threads, [&](int64_t i) {
    Status status = dump(read.sources[i], read, artifact.manifest.arch, nvrtc, folder);
    std::lock_guard<std::mutex> lock(mutex);
    if (!status)
      failure = status.error();
  });
  if (failure)
    return *failure;
  std::printf("NVRTC %d.%d\n", nvrtc.majorVersion(), nvrtc.minorVersion());
  return success();
}

int main(int argc, char **argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: cubin-dump ARTIFACT FOLDER\n");
    return 2;
  }
  if (Status status = dumpAll(argv[1], argv[2]); !status) {
    std::fprintf(stderr, "cubin-dump: %s\n", status.error().message().c_str());
    return 1;
  }
  return 0;
}
