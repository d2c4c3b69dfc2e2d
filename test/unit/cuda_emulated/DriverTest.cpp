//===- DriverTest.cpp - The emulated GPU as a CudaDriver --------------------------------------===//

#include "test/unit/cuda_emulated/EmulatedKernel.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace llmopt;
using testing::AllOf;
using testing::HasSubstr;

namespace fs = std::filesystem;

namespace {
/// A driver with a kernel `add(int *to, Pair pair)`, in a file of its own.
class EmulatedDriverTest : public testing::Test {
protected:
  void SetUp() override {
    auto opened = openEmulatedDriver("sm_90a", {});
    ASSERT_TRUE(opened) << opened.error().message();
    driver = std::move(*opened);
  }

  static CudaSource source(const std::string &name, const std::string &operation) {
    return {"source/" + name + ".cu",
            "#include \"kernels/intrinsics.cuh\"\n"
            "struct Pair { int a, b; long long more[6]; };\n"
            "static __device__ int offset = 100;\n"
            "extern \"C\" __global__ void apply(int *to, const __grid_constant__ Pair pair) {\n"
            "  to[threadIdx.x] = offset + (pair.a " +
                operation + " pair.b);\n}\n",
            {"apply"}};
  }

  Status launch(const CudaKernel *kernel, CudaAddress to, int a, int b) {
    struct {
      int a, b;
      long long more[6];
    } pair{a, b, {}};
    CudaLaunch launch;
    launch.kernel = kernel;
    launch.threads = 4;
    launch.parameters = {&to, &pair};
    return driver->launch(launch);
  }

  std::unique_ptr<CudaDriver> driver;
};

/// Sets a variable of the environment for the life of the object.
class Environment {
public:
  Environment(const char *name, const std::string &value) : name(name) {
    if (const char *now = std::getenv(name))
      before = now;
    ::setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (before.empty())
      ::unsetenv(name);
    else
      ::setenv(name, before.c_str(), 1);
  }

private:
  const char *name;
  std::string before;
};
} // namespace

TEST_F(EmulatedDriverTest, KernelsOfOneNameInTwoSources) {
  auto kernels =
      driver->load({source("add", "+"), source("times", "*")}, kernelHeaders(), "sm_90a", 2, true);
  ASSERT_TRUE(kernels) << kernels.error().message();
  auto memory = driver->allocate(16, "the test");
  ASSERT_TRUE(memory);
  int values[4];
  ASSERT_TRUE(launch((*kernels)[0][0], *memory, 3, 5));
  ASSERT_TRUE(driver->download(values, *memory, 16));
  EXPECT_EQ(values[3], 108);
  ASSERT_TRUE(launch((*kernels)[1][0], *memory, 3, 5));
  ASSERT_TRUE(driver->download(values, *memory, 16));
  EXPECT_EQ(values[3], 115);
}

TEST_F(EmulatedDriverTest, GraphRepeatsWhatWasRecorded) {
  auto kernels = driver->load({source("add", "+")}, kernelHeaders(), "sm_90a", 1, true);
  ASSERT_TRUE(kernels);
  auto memory = driver->allocate(64, "the test");
  ASSERT_TRUE(memory);
  ASSERT_TRUE(driver->fill(*memory, 0, 64));
  auto graph = driver->record([&]() -> Status {
    LLMOPT_TRY(launch((*kernels)[0][0], *memory, 1, 2));
    return driver->copy(*memory + 32, *memory, 16);
  });
  ASSERT_TRUE(graph);
  int values[16];
  ASSERT_TRUE(driver->download(values, *memory, 64));
  EXPECT_EQ(values[0], 0);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(driver->fill(*memory, 0, 64));
    ASSERT_TRUE(driver->run(**graph));
    ASSERT_TRUE(driver->download(values, *memory, 64));
    EXPECT_EQ(values[0], 103);
    EXPECT_EQ(values[8], 103);
  }
}

TEST_F(EmulatedDriverTest, DownloadLaterKeepsWhatWasThere) {
  auto memory = driver->allocate(4, "the test");
  ASSERT_TRUE(memory);
  int first = 1, second = 2;
  ASSERT_TRUE(driver->upload(*memory, &first, 4));
  auto wait = driver->downloadLater(*memory, 4);
  ASSERT_TRUE(wait);
  ASSERT_TRUE(driver->upload(*memory, &second, 4));
  auto data = (*wait)();
  ASSERT_TRUE(data);
  EXPECT_EQ(*static_cast<const int *>(*data), 1);
}

TEST_F(EmulatedDriverTest, ProductWithPaddedRows) {
  float a[] = {1, 2, 3, 4, 5, 6};                   // [2, 3]
  float b[] = {1, 0, 0, 9, 0, 1, 0, 9, 1, 1, 1, 9}; // [3, 3], rows 4 apart
  auto left = driver->allocate(sizeof a, "a"), right = driver->allocate(sizeof b, "b"),
       result = driver->allocate(24, "c");
  ASSERT_TRUE(left && right && result);
  ASSERT_TRUE(driver->upload(*left, a, sizeof a));
  ASSERT_TRUE(driver->upload(*right, b, sizeof b));
  CudaProduct product;
  product.rows = 2;
  product.columns = product.depth = 3;
  product.strideB = 4;
  product.inputs = product.output = CudaProduct::Type::F32;
  product.a = *left;
  product.b = *right;
  product.c = *result;
  ASSERT_TRUE(driver->multiply(product));
  float c[6];
  ASSERT_TRUE(driver->download(c, *result, 24));
  EXPECT_THAT(c, testing::ElementsAre(1, 2, 6, 4, 5, 15));
  product.rows = 3;
  Status status = driver->multiply(product);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message(), HasSubstr("no memory of the emulated GPU"));
}

TEST_F(EmulatedDriverTest, CopyOutOfBounds) {
  auto memory = driver->allocate(100, "the test");
  ASSERT_TRUE(memory);
  EXPECT_TRUE(driver->fill(*memory + 50, 0, 50));
  EXPECT_FALSE(driver->fill(*memory + 50, 0, 51));
  driver->free(*memory);
  EXPECT_FALSE(driver->fill(*memory, 0, 1));
}

TEST_F(EmulatedDriverTest, SourceThatDoesNotCompile) {
  auto kernels = driver->load({source("bad", "nonsense")}, kernelHeaders(), "sm_90a", 1, true);
  ASSERT_FALSE(kernels);
  EXPECT_THAT(kernels.error().message(),
              AllOf(HasSubstr("source/bad.cu does not compile for the emulated GPU"),
                    HasSubstr("bad.cu:5")));
}

TEST_F(EmulatedDriverTest, SharedVariablesOfItsOwnAreRefused) {
  CudaSource own = source("add", "+");
  own.content += "\n// extern __shared__ char dynamic[];\n__device__ void f() {\n"
                 "  __shared__ int counts[4];\n  counts[0] = 1;\n}\n";
  auto kernels = driver->load({own}, kernelHeaders(), "sm_90a", 1, true);
  ASSERT_FALSE(kernels);
  EXPECT_THAT(kernels.error().message(),
              AllOf(HasSubstr("source/add.cu:"),
                    HasSubstr("the emulated GPU has dynamic shared memory only")));
}

TEST_F(EmulatedDriverTest, KernelThatIsNotThere) {
  CudaSource wrong = source("add", "+");
  wrong.kernels = {"multiply"};
  auto kernels = driver->load({wrong}, kernelHeaders(), "sm_90a", 1, true);
  ASSERT_FALSE(kernels);
  EXPECT_THAT(kernels.error().message(), HasSubstr("multiply"));
}

TEST_F(EmulatedDriverTest, WrongNumberOfParameters) {
  auto kernels = driver->load({source("add", "+")}, kernelHeaders(), "sm_90a", 1, true);
  ASSERT_TRUE(kernels);
  CudaLaunch launch;
  launch.kernel = (*kernels)[0][0];
  Status status = driver->launch(launch);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message(), HasSubstr("has 2 parameters and is launched with 0"));
}

//===- The cache ------------------------------------------------------------------------------===//

TEST_F(EmulatedDriverTest, DamagedEntryIsMadeAgain) {
  fs::path root = fs::path(testing::TempDir()) / "emulator-cache";
  fs::remove_all(root);
  Environment cache("XDG_CACHE_HOME", root.string());
  auto load = [&] {
    return driver->load({source("add", "+")}, kernelHeaders(), "sm_90a", 1, true);
  };
  ASSERT_TRUE(load());
  std::vector<fs::path> entries;
  for (const auto &entry : fs::directory_iterator(root / "llmopt" / "emulated"))
    entries.push_back(entry.path());
  ASSERT_EQ(entries.size(), 1u);
  // The module that is loaded has the old file; a new one takes its name.
  auto size = fs::file_size(entries[0]);
  fs::path copy = root / "copy";
  fs::copy_file(entries[0], copy);
  fs::remove(entries[0]);
  fs::copy_file(copy, entries[0]);
  fs::resize_file(entries[0], size / 2);
  ASSERT_TRUE(load());
  EXPECT_EQ(fs::file_size(entries[0]), size);
  fs::remove_all(root);
}

TEST_F(EmulatedDriverTest, CacheThatCannotBeWritten) {
  Environment cache("XDG_CACHE_HOME", "/proc/no-such-folder");
  auto kernels = driver->load({source("add", "+")}, kernelHeaders(), "sm_90a", 1, true);
  ASSERT_TRUE(kernels) << kernels.error().message();
  auto memory = driver->allocate(16, "the test");
  EXPECT_TRUE(launch((*kernels)[0][0], *memory, 1, 2));
}

//===- Options --------------------------------------------------------------------------------===//

TEST(EmulatorOptions, FromTheEnvironment) {
  Environment checks("LLMOPT_EMULATOR_CHECKS", "0"), seed("LLMOPT_EMULATOR_SEED", "17"),
      blocks("LLMOPT_EMULATOR_BLOCKS", "5");
  auto options = emulated::EmulatorOptions::fromEnvironment();
  ASSERT_TRUE(options);
  EXPECT_FALSE(options->checks);
  EXPECT_EQ(options->seed, 17u);
  EXPECT_EQ(options->residentBlocks, 5);
}
TEST(EmulatorOptions, RefusesWhatIsNoNumber) {
  for (const char *text : {"first", "-1", "99999999999999999999999"}) {
    Environment seed("LLMOPT_EMULATOR_SEED", text);
    EXPECT_FALSE(emulated::EmulatorOptions::fromEnvironment()) << text;
  }
}
TEST(EmulatorOptions, RefusesBlocksThatCannotRunAtOnce) {
  for (const char *text : {"0", "17", "many"}) {
    Environment blocks("LLMOPT_EMULATOR_BLOCKS", text);
    EXPECT_FALSE(emulated::EmulatorOptions::fromEnvironment()) << text;
  }
}
TEST(EmulatorOptions, BlocksInTheOrderOfTheSeed) {
  auto order = [](uint64_t seed) {
    EmulatedRun kernel{"if (threadIndex() == 0)\n"
                       "  data[1 + blockIndex()] = int(atomicIncrement((unsigned *)data));"};
    kernel.blocks = 16;
    kernel.options.seed = seed;
    EXPECT_EQ(kernel.error(), "");
    return kernel.data;
  };
  std::vector<int> rising = order(0);
  EXPECT_EQ(rising[16], 15);
  EXPECT_NE(order(1), rising);
  EXPECT_EQ(order(1), order(1));
  EXPECT_NE(order(2), order(1));
}
