//===- MaterializerTest.cpp - What is written into weights.safetensors ------------------------===//

#include "test/unit/ir/IrTest.h"

#include "ir/weights/Materializer.h"
#include "ir/weights/Recipe.h"
#include "support/Files.h"
#include "support/Safetensors.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace llmopt::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

class Materializer : public testing::Test {
protected:
  void SetUp() override {
    folder = (fs::temp_directory_path() / "llmopt-materializer-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    path = folder + "/weights.safetensors";
  }
  void TearDown() override { fs::remove_all(folder); }

  Status write(const std::string &text, const TensorSource *source,
               MaterializeOptions options = {}) {
    options.quiet = true;
    auto module = parse(text);
    return materializeWeights(*module, source, path, options);
  }

  template <typename Element> std::vector<Element> read(const std::string &name) {
    auto file = SafetensorsFile::open(path);
    EXPECT_TRUE(file) << file.error().message();
    const SafetensorsEntry *entry = file ? file->find(name) : nullptr;
    EXPECT_NE(entry, nullptr);
    if (!entry)
      return {};
    EXPECT_EQ(file->fileOffset(*entry) % 4096, 0u);
    std::vector<Element> values(entry->bytes() / sizeof(Element));
    std::memcpy(values.data(), file->data(*entry), entry->bytes());
    return values;
  }

  std::string folder, path;
};

const char *const loaded = R"(
  llm.weight @a : tensor<3x5xf32> {
    %0 = llm.load "a" : tensor<3x5xf32>
    llm.yield %0 : tensor<3x5xf32>
  }
  llm.weight @packed : tensor<3x5xf32, #llm.packed<panel = 2, interleave = 2>> {
    %0 = llm.load "a" : tensor<3x5xf32>
    %1 = llm.pack %0 : (tensor<3x5xf32>) -> tensor<3x5xf32, #llm.packed<panel = 2, interleave = 2>>
    llm.yield %1 : tensor<3x5xf32, #llm.packed<panel = 2, interleave = 2>>
  }
  llm.weight @random : tensor<2xf32> {
    %0 = llm.random {seed = 7 : i64, mean = 0.0 : f64, deviation = 1.0 : f64} : tensor<2xf32>
    llm.yield %0 : tensor<2xf32>
  })";

MemorySource countingSource() {
  MemorySource source;
  source.add("a", {3, 5}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  return source;
}

TEST_F(Materializer, WritesRowMajorWeightsAsTheyAre) {
  MemorySource source = countingSource();
  ASSERT_TRUE(write(loaded, &source));
  EXPECT_THAT(read<float>("a"), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

TEST_F(Materializer, WritesPanelsWithZerosPastTheEnd) {
  MemorySource source = countingSource();
  ASSERT_TRUE(write(loaded, &source));
  EXPECT_THAT(read<float>("packed"), ElementsAre(1, 2, 6, 7, 3, 4, 8, 9, 5, 0, 10, 0, //
                                                 11, 12, 0, 0, 13, 14, 0, 0, 15, 0, 0, 0));
  auto file = SafetensorsFile::open(path);
  EXPECT_THAT(file->find("packed")->shape, ElementsAre(2, 3, 2, 2));
}

TEST_F(Materializer, LeavesRandomWeightsToTheRuntime) {
  MemorySource source = countingSource();
  ASSERT_TRUE(write(loaded, &source));
  EXPECT_EQ(SafetensorsFile::open(path)->find("random"), nullptr);
}

TEST_F(Materializer, WritesRandomWeightsIfAsked) {
  MemorySource source = countingSource();
  MaterializeOptions options;
  options.writeRandom = true;
  ASSERT_TRUE(write(loaded, &source, options));
  EXPECT_EQ(read<float>("random").size(), 2u);
}

TEST_F(Materializer, WritesNoFileIfAllIsRandom) {
  ASSERT_TRUE(write(R"(
    llm.weight @z : tensor<2xf32> {
      %0 = llm.fill {value = 0.0 : f64} : tensor<2xf32>
      llm.yield %0 : tensor<2xf32>
    })",
                    nullptr));
  EXPECT_FALSE(fs::exists(path));
}

/// A packed bfloat16 weight from transposed, sliced and concatenated random float32.
const char *const large = R"(
  llm.weight @w : tensor<1000x333xbf16, #llm.packed<panel = 16, interleave = 2>> {
    %0 = llm.random {seed = 7 : i64, mean = 0.0 : f64, deviation = 1.0 : f64} : tensor<333x700xf32>
    %1 = llm.transpose %0 : (tensor<333x700xf32>) -> tensor<700x333xf32>
    %2 = llm.random {seed = 8 : i64, mean = 0.0 : f64, deviation = 1.0 : f64} : tensor<600x333xf32>
    %3 = llm.rows %2 [offset = 5, block = 10, stride = 20, count = 30]
        : (tensor<600x333xf32>) -> tensor<300x333xf32>
    %4 = llm.concat %1, %3 : (tensor<700x333xf32>, tensor<300x333xf32>) -> tensor<1000x333xf32>
    %5 = llm.cast %4 : (tensor<1000x333xf32>) -> tensor<1000x333xbf16>
    %6 = llm.pack %5 : (tensor<1000x333xbf16>)
        -> tensor<1000x333xbf16, #llm.packed<panel = 16, interleave = 2>>
    llm.yield %6 : tensor<1000x333xbf16, #llm.packed<panel = 16, interleave = 2>>
  })";

TEST_F(Materializer, WritesTheSameBytesInAnyBlocksFromAnyThreads) {
  std::string first;
  for (auto [threads, blockBytes] : {std::pair<int, int64_t>{1, 1 << 30}, {1, 1}, {3, 40000}}) {
    MaterializeOptions options;
    options.threads = threads;
    options.blockBytes = blockBytes;
    ASSERT_TRUE(write(large, nullptr, options));
    auto content = readFile(path);
    ASSERT_TRUE(content);
    if (first.empty())
      first = *content;
    EXPECT_TRUE(first == *content) << threads << " threads, blocks of " << blockBytes;
  }
}

TEST_F(Materializer, PacksWhatTheRecipeEvaluatesTo) {
  ASSERT_TRUE(write(large, nullptr));
  auto module = parse(large);
  auto recipe = Recipe::create(onlyWeight(*module), nullptr);
  ASSERT_TRUE(recipe);
  std::vector<uint16_t> expected(1000 * 333);
  recipe->evaluateTile({0, 1000, 0, 333}, TensorSource::Type::BF16, expected.data());
  std::vector<uint16_t> packed = read<uint16_t>("w");
  ASSERT_EQ(packed.size(), 63u * 167 * 16 * 2);
  for (int64_t row = 0; row < 63 * 16; ++row)
    for (int64_t column = 0; column < 334; ++column)
      ASSERT_EQ(packed[((row / 16 * 167 + column / 2) * 16 + row % 16) * 2 + column % 2],
                row < 1000 && column < 333 ? expected[row * 333 + column] : 0);
}

TEST_F(Materializer, ReleasesAllThatItRead) {
  MemorySource source = countingSource();
  ASSERT_TRUE(write(loaded, &source));
  EXPECT_THAT(source.released, testing::Contains(std::pair<uint64_t, uint64_t>(0, 60)));
}

TEST_F(Materializer, ReportsAFolderThatIsNotThere) {
  MemorySource source = countingSource();
  path = folder + "/missing/weights.safetensors";
  EXPECT_THAT(messageOf(write(loaded, &source)),
              testing::AllOf(HasSubstr("cannot write"), HasSubstr("No such file or directory")));
}

TEST_F(Materializer, ReportsAFullDisk) {
  if (!fs::exists("/dev/full"))
    GTEST_SKIP() << "no /dev/full here";
  MemorySource source = countingSource();
  fs::create_symlink("/dev/full", path);
  EXPECT_THAT(messageOf(write(loaded, &source)), HasSubstr("No space left on device"));
  EXPECT_FALSE(fs::is_symlink(path));
}

TEST_F(Materializer, LeavesNoFileWhenATensorIsMissing) {
  MemorySource source;
  EXPECT_THAT(messageOf(write(loaded, &source)), HasSubstr("no tensor 'a'"));
  EXPECT_FALSE(fs::exists(path));
}

//===- Memory ---------------------------------------------------------------------------------===//

/// Anonymous memory of this process that is or was resident, in bytes; resets on request.
int64_t statusField(const std::string &field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(field + ":", 0) == 0)
      return std::stoll(line.substr(field.size() + 1)) * 1024;
  return -1;
}

/// One float32 tensor in a sparse file, all zeros.
class SparseSource : public TensorSource {
public:
  static std::unique_ptr<SparseSource> create(const std::string &path, int64_t rows,
                                              int64_t columns) {
    std::ofstream(path).close();
    fs::resize_file(path, rows * columns * 4);
    auto file = MappedFile::open(path);
    if (!file)
      return nullptr;
    auto source = std::make_unique<SparseSource>();
    source->file = *file;
    source->tensor = {Type::F32, {rows, columns}, file->data(), path};
    return source;
  }
  Result<Tensor> find(const std::string &) const override { return *tensor; }
  void release(const Tensor &, uint64_t begin, uint64_t end) const override {
    file->release(begin, end - begin);
  }

private:
  std::optional<MappedFile> file;
  std::optional<Tensor> tensor;
};

TEST_F(Materializer, KeepsMemoryBoundedWhateverTheSizeOfTheCheckpoint) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps freed memory";
#endif
  auto source = SparseSource::create(folder + "/checkpoint", 40960, 2048); // 320 MiB
  ASSERT_TRUE(source);
  // Writing 5 to clear_refs sets the peak back to what is resident now.
  std::ofstream("/proc/self/clear_refs") << "5" << std::endl;
  const int64_t before = statusField("VmHWM");
  if (before < 0)
    GTEST_SKIP() << "no /proc/self/status here";
  MaterializeOptions options;
  options.threads = 2;
  ASSERT_TRUE(write(R"(
    llm.weight @w : tensor<40960x2048xbf16, #llm.packed<panel = 16, interleave = 2>> {
      %0 = llm.load "x" : tensor<40960x2048xf32>
      %1 = llm.cast %0 : (tensor<40960x2048xf32>) -> tensor<40960x2048xbf16>
      %2 = llm.pack %1 : (tensor<40960x2048xbf16>)
          -> tensor<40960x2048xbf16, #llm.packed<panel = 16, interleave = 2>>
      llm.yield %2 : tensor<40960x2048xbf16, #llm.packed<panel = 16, interleave = 2>>
    })",
                    source.get(), options));
  // Even the mapped file's pages count here, as they are released block by block.
  EXPECT_LT(statusField("VmHWM") - before, 64 << 20);
}

/// The layout as `!llm.quantized` documents it, read back number by number.
TEST_F(Materializer, WritesPanelsOfCodesAndScales) {
  constexpr int64_t rows = 5, columns = 96, panel = 4, group = 64, interleave = 8;
  MemorySource source;
  std::vector<float> values(rows * columns);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::cos(static_cast<float>(i)) + 0.3f;
  source.add("w", {rows, columns}, values);
  const std::string text = fmt::format(R"(
    llm.weight @w : tensor<5x96x{0}, #llm.packed<panel = 4, interleave = 8>> {{
      %0 = llm.load "w" : tensor<5x96xf32>
      %1 = llm.quantize %0 : (tensor<5x96xf32>) -> tensor<5x96x{0}>
      %2 = llm.pack %1
          : (tensor<5x96x{0}>) -> tensor<5x96x{0}, #llm.packed<panel = 4, interleave = 8>>
      llm.yield %2 : tensor<5x96x{0}, #llm.packed<panel = 4, interleave = 8>>
    }})",
                                       "!llm.quantized<u4, group = 64, scale = f32>");
  MaterializeOptions options;
  options.blockBytes = 1; // a panel at a time
  ASSERT_TRUE(write(text, &source, options));
  std::vector<uint8_t> bytes = read<uint8_t>("w");
  const int64_t groupBytes = panel * 4 + panel + panel * group / 2;
  ASSERT_EQ(bytes.size(), size_t(2 * 2 * groupBytes));

  auto module = parse(text);
  auto recipe = Recipe::create(onlyWeight(*module), &source);
  ASSERT_TRUE(recipe);
  std::vector<float> expected = recipe->evaluate(1);
  for (int64_t row = 0; row < 2 * panel; ++row)
    for (int64_t column = 0; column < 2 * group; ++column) {
      const uint8_t *at = bytes.data() + (row / panel * 2 + column / group) * groupBytes;
      float scale;
      std::memcpy(&scale, at + row % panel * 4, 4);
      const int zero = at[panel * 4 + row % panel];
      const int64_t k = column % group;
      const uint8_t *word = at + panel * 5 + (k / interleave * panel + row % panel) * 4;
      const int code = word[k % interleave / 2] >> (k % 2 * 4) & 15;
      const float wanted = row < rows && column < columns ? expected[row * columns + column] : 0;
      ASSERT_EQ(scale * static_cast<float>(code - zero), wanted) << row << ", " << column;
    }
}

TEST_F(Materializer, QuantizedWeightsNeedPanels) {
  MemorySource source = countingSource();
  Status status = write(R"(
    llm.weight @w : tensor<3x5x!llm.quantized<i8, group = 0, scale = f32>> {
      %0 = llm.load "a" : tensor<3x5xf32>
      %1 = llm.quantize %0
          : (tensor<3x5xf32>) -> tensor<3x5x!llm.quantized<i8, group = 0, scale = f32>>
      llm.yield %1 : tensor<3x5x!llm.quantized<i8, group = 0, scale = f32>>
    })",
                        &source);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(), "weight @w is quantized, and stored in panels only");
}

} // namespace
} // namespace llmopt::test
