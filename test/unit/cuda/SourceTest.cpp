//===- SourceTest.cpp - Every emitted source compiles, for every architecture -----------------===//
//
// All published configurations and precisions, through the whole compiler, with NVRTC. No GPU is
// needed.
//
//===------------------------------------------------------------------------------------------===//

#include "codegen/EmbeddedFile.h"
#include "runtime/devices/cuda/CudaPlan.h"
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
  bool batchInvariant = false;
  bool persistent = false;
};

class EmittedCuda : public testing::TestWithParam<Case> {};

std::vector<CudaHeader> kernelHeaders() {
  std::vector<CudaHeader> headers;
  for (const EmbeddedFile &header : cudaKernelHeaders())
    headers.push_back({"kernels/" + header.name, header.content});
  return headers;
}

/// Functions that keep more bytes outside registers than these, from the compiler's report.
std::vector<std::string> spillingFunctions(const std::string &log, int allowed = 0) {
  std::vector<std::string> found;
  std::istringstream lines(log);
  std::string function;
  for (std::string line; std::getline(lines, line);) {
    const std::string head = "Function properties for ";
    if (size_t at = line.find(head); at != std::string::npos)
      function = line.substr(at + head.size());
    size_t at = line.find(" bytes spill stores");
    if (at == std::string::npos)
      continue;
    size_t begin = line.rfind(' ', at - 1);
    if (std::stoi(line.substr(begin == std::string::npos ? 0 : begin, at)) > allowed)
      found.push_back(function + ": " + line);
  }
  return found;
}

std::string testName(const testing::TestParamInfo<Case> &info) {
  std::string name = info.param.model + "_" + info.param.precision + "_" + info.param.arch +
                     (info.param.fuse ? "" : "_unfused") +
                     (info.param.batchInvariant ? "_batch_invariant" : "") +
                     (info.param.persistent ? "_persistent" : "");
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
  for (const char *config : {"configs/falcon-7b.json", "configs/llama-3.1-8b.json"}) {
    cases.push_back({config, "bf16-true", "sm_90a", /*fuse=*/true, /*batchInvariant=*/true});
    cases.push_back({config, "bf16-true", "sm_80", /*fuse=*/true, /*batchInvariant=*/true});
  }
  for (const char *config : {"falcon-7b", "llama-3.1-8b"})
    for (const char *arch : {"sm_80", "sm_90a"})
      cases.push_back({std::string("configs/") + config + ".json", "bf16-true", arch,
                       /*fuse=*/true, /*batchInvariant=*/false, /*persistent=*/true});
  cases.push_back({"tiny-llama", "32-true", "sm_80", /*fuse=*/true, /*batchInvariant=*/true});
  cases.push_back({"tiny-llama", "16-mixed", "sm_90a", /*fuse=*/true, /*batchInvariant=*/true});
  cases.push_back({"tiny-llama", "32-true", "sm_80", /*fuse=*/false});
  cases.push_back({"configs/falcon-7b.json", "bf16-true", "sm_90a", /*fuse=*/false});
  return cases;
}

/// A folder that goes with the test.
class Folder {
public:
  explicit Folder(const std::string &name)
      : path(testing::TempDir() + "/" + name + "-" + std::to_string(getpid())) {}
  ~Folder() { std::filesystem::remove_all(path); }
  const std::string path;
};

CompileOptions cudaOptions(const std::string &checkpoint, const std::string &precision,
                           const std::string &arch, const Folder &artifact) {
  CompileOptions options;
  options.checkpoint = checkpoint;
  options.output = artifact.path;
  options.target = "cuda";
  options.precision = precision;
  options.arch = arch;
  options.randomWeights = true;
  options.quiet = true;
  return options;
}

/// A persistent step's threads have 168 registers or, without a loader warp, 255: attention of wide
/// heads then keeps a few values outside, of the addresses of what it does once a tile.
constexpr int persistentSpills = 64;

/// Compiles a source file of an artifact; its hot functions keep everything in registers.
void checkSource(const Nvrtc &nvrtc, const Folder &artifact, const std::string &name,
                 const std::string &arch) {
  SCOPED_TRACE(name + " for " + arch);
  auto text = readFile(artifact.path + "/" + name);
  ASSERT_TRUE(text) << text.error().message();
  auto image = nvrtc.compile(name, *text, kernelHeaders(), {arch, /*reportResources=*/true});
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->log.find("warning"), std::string::npos) << image->log;
  const int allowed = name.find("/step_") == std::string::npos ? 0 : persistentSpills;
  EXPECT_EQ(spillingFunctions(image->log, allowed), std::vector<std::string>());
}
} // namespace

/// What a decode step of one sequence launches.
static size_t decodeLaunches(const Artifact &artifact) {
  auto plan = CudaPlan::read(artifact.plan, "plan.json");
  EXPECT_TRUE(plan) << plan.error().message();
  size_t count = 0;
  for (size_t i = 0; plan && i < artifact.plan.launches.size(); ++i)
    count += plan->calls(i, /*rows=*/1, /*decode=*/true).size();
  return count;
}

TEST_P(EmittedCuda, CompilesWithoutSpills) {
  LLMOPT_NEED_NVRTC(nvrtc);
  Folder artifact("emitted-cuda");
  CompileOptions options = cudaOptions(LLMOPT_SOURCE_DIR "/models/" + GetParam().model,
                                       GetParam().precision, GetParam().arch, artifact);
  options.fuse = GetParam().fuse;
  options.batchInvariant = GetParam().batchInvariant;
  if (GetParam().persistent)
    options.launch = "persistent";
  auto compiled = compile(options);
  ASSERT_TRUE(compiled) << compiled.error().message();
  int sources = 0, steps = 0;
  for (const auto &entry : std::filesystem::directory_iterator(artifact.path + "/source")) {
    const std::string name = entry.path().filename().string();
    const bool isStep = name.find("step_") == 0;
    ++(isStep ? steps : sources);
    // The kernels by themselves are those of the same model launched as a graph.
    if (isStep == GetParam().persistent)
      checkSource(nvrtc, artifact, "source/" + name, GetParam().arch);
  }
  EXPECT_EQ(sources, compiled->kernels + 1); // and sampling.cu
  EXPECT_EQ(steps > 0, GetParam().persistent);
  if (!GetParam().fuse)
    return;
  // At most six kernels a layer, or where each input of a linear is made before it, eight; and the
  // embedding, the rotary table and the head.
  auto opened = Artifact::openPlan(artifact.path);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_LE(decodeLaunches(*opened),
            size_t(opened->plan.cache.layers) * (GetParam().batchInvariant ? 8 : 6) + 4);
}

INSTANTIATE_TEST_SUITE_P(Models, EmittedCuda, testing::ValuesIn(allCases()), testName);

//===- Weights of 8 and 4 bits ----------------------------------------------------------------===//

/// No schedule asks for them yet; the templates take them.
TEST(CudaTemplates, CompileWithWeightsOfEightAndFourBits) {
  LLMOPT_NEED_NVRTC(nvrtc);
  const std::string text = R"(
#include "kernels/gemm.cuh"
#include "kernels/launch.cuh"
#include "kernels/matvec.cuh"
using namespace llmopt::cuda;
template <class W> struct Shape {
  using Weight = W;
  using Compute = bf16;
  static constexpr int depth = 4096;
  static constexpr int segments = 1;
  static LLMOPT_DEVICE constexpr Segment segment(int) { return {4096, 1, {0, 0}, 4096, 0, 1}; }
};
struct Epilogue {
  float *y;
  LLMOPT_DEVICE void operator()(int, int row, int unit, float a, float) const {
    y[row * 4096 + unit] = a;
  }
};
extern "C" __global__ void __launch_bounds__(256, 1)
few(const STORED *weight, const bf16 *x, float *y) {
  extern __shared__ __align__(1024) char shared[];
  using Kernel = Matvec<Shape<STORED>, 1, 8, 8, 3>;
  Kernel::tile(weight, DirectRows<Shape<STORED>>{x}, Epilogue{y}, 1, blockIdx.x, shared, GridGate());
}
extern "C" __global__ void __launch_bounds__(256, 1)
many(const STORED *weight, const bf16 *x, float *y, int rows) {
  extern __shared__ __align__(1024) char shared[];
  using Kernel = Gemm<Shape<STORED>, GemmSchedule<64, 64, 64, 3, 2, 4, 1>>;
  Kernel::tile(weight, DirectRows<Shape<STORED>>{x}, Epilogue{y}, rows, blockIdx.x, shared,
               GridGate());
}
)";
  for (const char *type : {"e4m3", "i8", "i4"})
    for (const char *arch : {"sm_80", "sm_90a"}) {
      auto image = nvrtc.compile(type, fmt::format("#define STORED {}\n{}", type, text),
                                 kernelHeaders(), {arch, /*reportResources=*/true});
      ASSERT_TRUE(image) << image.error().message();
      EXPECT_EQ(spillingFunctions(image->log), std::vector<std::string>());
    }
}

//===- Attention of every head size -----------------------------------------------------------===//

namespace {
struct AttentionCase {
  const char *name;
  const char *config; ///< what matters of a model's configuration
  int heads;
};

/// The parts of a configuration that do not matter.
const char llama[] = R"("model_type": "llama", "num_hidden_layers": 1, "intermediate_size": 64,
  "vocab_size": 64, "rms_norm_eps": 1e-5, "max_position_embeddings": 512, "hidden_act": "silu")";
const char falcon[] = R"("model_type": "falcon", "num_hidden_layers": 1, "vocab_size": 64,
  "layer_norm_epsilon": 1e-5, "bias": false, "multi_query": true,
  "new_decoder_architecture": false)";

const AttentionCase attentions[] = {
    {"Mha", R"("num_attention_heads": 4, "num_key_value_heads": 4)", 4},
    {"Gqa", R"("num_attention_heads": 8, "num_key_value_heads": 2)", 8},
    {"Mqa", R"("num_attention_heads": 71, "alibi": false, "parallel_attn": true)", 71},
    {"MqaAlibi", R"("num_attention_heads": 8, "alibi": true, "parallel_attn": false)", 8}};

class EmittedAttention : public testing::TestWithParam<std::tuple<AttentionCase, int>> {};
} // namespace

TEST_P(EmittedAttention, CompilesWithoutSpills) {
  LLMOPT_NEED_NVRTC(nvrtc);
  auto [attention, headDim] = GetParam();
  Folder model("attention-model"), artifact("attention-cuda");
  std::filesystem::create_directory(model.path);
  bool isFalcon = std::string(attention.name).find("Mqa") == 0;
  ASSERT_TRUE(writeFile(model.path + "/config.json",
                        fmt::format("{{{}, {}, \"hidden_size\": {}}}", isFalcon ? falcon : llama,
                                    attention.config, attention.heads * headDim)));
  for (auto [precision, arch] : {std::pair("bf16-true", "sm_80"), std::pair("bf16-true", "sm_90a"),
                                 std::pair("16-true", "sm_90a"), std::pair("32-true", "sm_80")}) {
    auto compiled = compile(cudaOptions(model.path, precision, arch, artifact));
    ASSERT_TRUE(compiled) << compiled.error().message();
    checkSource(nvrtc, artifact, "source/attention.cu", arch);
  }
}

INSTANTIATE_TEST_SUITE_P(HeadSizes, EmittedAttention,
                         testing::Combine(testing::ValuesIn(attentions),
                                          testing::Values(64, 80, 96, 128, 256)),
                         [](const auto &info) {
                           return std::get<0>(info.param).name +
                                  std::to_string(std::get<1>(info.param));
                         });
