#include "test/unit/cuda_emulated/EmulatedKernel.h"

#include "support/Files.h"

#include <filesystem>

namespace llmopt {

const std::vector<CudaHeader> &kernelHeaders() {
  static const std::vector<CudaHeader> headers = [] {
    std::vector<CudaHeader> found;
    auto add = [&](const std::string &name, const std::string &path) {
      if (auto content = readFile(path))
        found.push_back({"kernels/" + name, *content});
    };
    add("abi.h", LLMOPT_SOURCE_DIR "/runtime/artifact/KernelAbi.h");
    for (const auto &entry :
         std::filesystem::directory_iterator(LLMOPT_SOURCE_DIR "/codegen/cuda/kernels"))
      add(entry.path().filename().string(), entry.path().string());
    return found;
  }();
  return headers;
}

Status EmulatedRun::run() {
  CudaSource source;
  source.name = "source/test.cu";
  source.kernels = {"test"};
  source.content = "#include \"kernels/types.cuh\"\nusing namespace llmopt::cuda;\n" + before +
                   "\nextern \"C\" __global__ void __launch_bounds__(1024, 1)\ntest(int *data) {\n"
                   "extern __shared__ __align__(128) char shared[];\n#line 1 \"body.cu\"\n" +
                   body + "\n}\n";
  LLMOPT_ASSIGN(auto driver, openEmulatedDriver(arch, options));
  LLMOPT_ASSIGN(auto kernels, driver->load({source}, kernelHeaders(), arch, 1, /*quiet=*/true));
  uint64_t bytes = data.size() * sizeof(int);
  LLMOPT_ASSIGN(CudaAddress address, driver->allocate(bytes, "the test"));
  LLMOPT_TRY(driver->upload(address, data.data(), bytes));
  CudaLaunch launch;
  launch.kernel = kernels[0][0];
  launch.blocks = uint32_t(blocks);
  launch.threads = uint32_t(threads);
  launch.sharedBytes = uint32_t(sharedBytes);
  launch.parameters = {&address};
  launch.extents = {{address, bytes, writable, fixed}};
  launch.early = early;
  launch.cooperative = cooperative;
  LLMOPT_TRY(driver->launch(launch));
  return driver->download(data.data(), address, bytes);
}

} // namespace llmopt
