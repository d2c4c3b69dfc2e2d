//===- SourceTest.cpp - Every emitted source compiles, for every architecture -----------------===//
//
// All published configurations and precisions, through the whole compiler, with NVRTC. No GPU is
// needed.
//
//===------------------------------------------------------------------------------------------===//

#include "codegen/EmbeddedFile.h"
#include "support/Files.h"
#include "test/unit/cuda/NvrtcTest.h"
#include "tools/Compile.h"

#include <unistd.h>

#include <filesystem>
#include <sstream>

using namespace llmopt;

namespace {
struct Case {
  std::string model; ///< below models/
  std::string precision;
  std::string arch;
  bool fuse = true;
};

class EmittedCuda : public testing::TestWithParam<Case> {};

std::vector<CudaHeader> kernelHeaders() {
  std::vector<CudaHeader> headers;
  for (const EmbeddedFile &header : cudaKernelHeaders())
    headers.push_back({"kernels/" + header.name, header.content});
  return headers;
}

/// Functions that keep values outside registers, from the compiler's report.
std::vector<std::string> spillingFunctions(const std::string &log) {
  std::vector<std::string> found;
  std::istringstream lines(log);
  std::string function;
  for (std::string line; std::getline(lines, line);) {
    const std::string head = "Function properties for ";
    if (size_t at = line.find(head); at != std::string::npos)
      function = line.substr(at + head.size());
    size_t at = line.find(" bytes spill stores");
    if (at != std::string::npos && line.compare(at - 2, 2, " 0") != 0)
      found.push_back(function + ": " + line);
  }
  return found;
}

std::string testName(const testing::TestParamInfo<Case> &info) {
  std::string name = info.param.model + "_" + info.param.precision + "_" + info.param.arch +
                     (info.param.fuse ? "" : "_unfused");
  for (char &c : name)
    if (!isalnum(static_cast<unsigned char>(c)))
      c = '_';
  return name;
}

std::vector<Case> allCases() {
  std::vector<Case> cases;
  for (const char *arch : {"sm_80", "sm_90a"}) {
    for (const char *config : {"falcon-7b", "falcon-40b", "gpt-neox-20b", "gpt2", "llama-30b",
                               "llama-7b", "llama-3.1-8b", "llama-3.2-1b"})
      cases.push_back({std::string("configs/") + config + ".json", "bf16-true", arch});
    for (const char *precision : {"32-true", "16-true", "16-mixed", "bf16-mixed"})
      for (const char *config : {"falcon-7b", "tinyllama-1.1b"})
        cases.push_back({std::string("configs/") + config + ".json", precision, arch});
  }
  cases.push_back({"tiny-llama", "32-true", "sm_80", /*fuse=*/false});
  cases.push_back({"configs/falcon-7b.json", "bf16-true", "sm_90a", /*fuse=*/false});
  return cases;
}
} // namespace

TEST_P(EmittedCuda, CompilesWithoutSpills) {
  LLMOPT_NEED_NVRTC(nvrtc);
  std::string artifact = testing::TempDir() + "/emitted-cuda-" + std::to_string(getpid());
  CompileOptions options;
  options.checkpoint = LLMOPT_SOURCE_DIR "/models/" + GetParam().model;
  options.output = artifact;
  options.target = "cuda";
  options.precision = GetParam().precision;
  options.arch = GetParam().arch;
  options.randomWeights = true;
  options.fuse = GetParam().fuse;
  options.quiet = true;
  auto compiled = compile(options);
  ASSERT_TRUE(compiled) << compiled.error().message();
  int sources = 0;
  for (const auto &entry : std::filesystem::directory_iterator(artifact + "/source")) {
    std::string name = "source/" + entry.path().filename().string();
    SCOPED_TRACE(name);
    auto text = readFile(entry.path().string());
    ASSERT_TRUE(text) << text.error().message();
    auto image =
        nvrtc.compile(name, *text, kernelHeaders(), {GetParam().arch, /*reportResources=*/true});
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(image->log.find("warning"), std::string::npos) << image->log;
    EXPECT_EQ(spillingFunctions(image->log), std::vector<std::string>());
    ++sources;
  }
  EXPECT_GE(sources, compiled->kernels);
  std::filesystem::remove_all(artifact);
}

INSTANTIATE_TEST_SUITE_P(Models, EmittedCuda, testing::ValuesIn(allCases()), testName);
