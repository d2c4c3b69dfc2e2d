#include "runtime/devices/cuda/CudaLimits.h"

#include "runtime/devices/cuda/CudaWeights.h"
#include "runtime/devices/cuda/ReadKernel.h"

#include <algorithm>

namespace llmopt {

//===- Measuring ------------------------------------------------------------------------------===//

namespace {
class CudaLimits final : public DeviceLimits {
public:
  CudaLimits(CudaDriver &driver, CudaProduct::Type type, const CudaKernel &read,
             const CudaKernel &fill)
      : driver(driver), type(type), read(read), fill(fill) {}

  Result<double> readBandwidth() override;
  Result<double> arithmeticPeak() override;
  std::string arithmetic() const override;

private:
  static constexpr int passes = 5;

  int64_t size() const { return type == CudaProduct::Type::F32 ? 4096 : 8192; }
  uint64_t elementBytes() const { return type == CudaProduct::Type::F32 ? 4 : 2; }
  /// Runs `measure` with random values in so many bytes of the card.
  Result<double> withValues(uint64_t bytes,
                            const std::function<Result<double>(CudaAddress)> &measure);
  /// The least seconds of some passes, after one to warm up.
  Result<double> bestSeconds(const std::function<Status()> &queue);

  CudaDriver &driver;
  CudaProduct::Type type;
  const CudaKernel &read;
  const CudaKernel &fill;
};
} // namespace

Result<double> CudaLimits::withValues(uint64_t bytes,
                                      const std::function<Result<double>(CudaAddress)> &measure) {
  LLMOPT_ASSIGN(uint64_t free, driver.freeBytes());
  if (free < bytes)
    return makeError("measuring the {} takes {} bytes of its memory, {} are free",
                     driver.card().name, bytes, free);
  LLMOPT_ASSIGN(CudaAddress memory, driver.allocate(bytes, "measuring the card"));
  RandomFillJob job{};
  job.weight = memory;
  job.columns = 4096;
  job.rows = static_cast<int64_t>(bytes / elementBytes()) / job.columns;
  job.panel = job.interleave = 1;
  job.seed = 1;
  job.scale = 1;
  job.type = type == CudaProduct::Type::F32 ? 0 : type == CudaProduct::Type::F16 ? 1 : 2;
  Status filled = launchRandomFill(driver, fill, job, bytes);
  Result<double> result = filled ? measure(memory) : filled.error();
  driver.free(memory);
  return result;
}

Result<double> CudaLimits::bestSeconds(const std::function<Status()> &queue) {
  LLMOPT_TRY(queue());
  for (int pass = 0; pass < passes; ++pass) {
    LLMOPT_TRY(driver.mark());
    LLMOPT_TRY(queue());
    LLMOPT_TRY(driver.mark());
  }
  LLMOPT_ASSIGN(std::vector<double> marks, driver.takeMarks());
  double best = marks[1] - marks[0];
  for (size_t pass = 1; pass < passes; ++pass)
    best = std::min(best, marks[2 * pass + 1] - marks[2 * pass]);
  return best;
}

/// Over a gigabyte, many times what a card's caches hold.
Result<double> CudaLimits::readBandwidth() {
  CudaLaunch launch;
  launch.kernel = &read;
  launch.threads = readThreads;
  launch.blocks = static_cast<uint32_t>(driver.card().multiprocessors) * readBlocks;
  uint64_t round = uint64_t(launch.blocks) * readThreads * 8;
  uint64_t pieces = ((uint64_t(1) << 30) / 16 + round - 1) / round * round;
  uint64_t bytes = pieces * 16;
  return withValues(bytes + 256, [&](CudaAddress memory) -> Result<double> {
    CudaAddress sink = memory + bytes;
    launch.parameters = {&memory, &pieces, &sink};
    launch.extents = {{memory, bytes, /*writable=*/false}, {sink, 4, /*writable=*/true}};
    LLMOPT_ASSIGN(double seconds, bestSeconds([&] { return driver.launch(launch); }));
    return static_cast<double>(bytes) / seconds;
  });
}

Result<double> CudaLimits::arithmeticPeak() {
  const int64_t n = size();
  const uint64_t bytes = static_cast<uint64_t>(n * n) * elementBytes();
  return withValues(3 * bytes, [&](CudaAddress memory) -> Result<double> {
    CudaProduct product;
    product.rows = product.columns = product.depth = product.strideB = n;
    product.inputs = product.output = type;
    product.a = memory;
    product.b = memory + bytes;
    product.c = memory + 2 * bytes;
    LLMOPT_ASSIGN(double seconds, bestSeconds([&] { return driver.multiply(product); }));
    return 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n) / seconds;
  });
}

std::string CudaLimits::arithmetic() const {
  const char *name = type == CudaProduct::Type::F32   ? "float32"
                     : type == CudaProduct::Type::F16 ? "float16"
                                                      : "bfloat16";
  return fmt::format("cuBLASLt's product of {0} x {0} {1} matrices", size(), name);
}

Result<std::unique_ptr<DeviceLimits>> openCudaLimits(CudaDriver &driver, const std::string &arch,
                                                     const std::string &precision,
                                                     const DeviceOptions &options) {
  CudaSource source{"readAll.cu", readSource, {readKernel}};
  LLMOPT_ASSIGN(auto kernels, driver.load({source}, {}, arch, options.threads, options.quiet));
  LLMOPT_ASSIGN(const CudaKernel *fill, loadRandomFill(driver, arch, options));
  CudaProduct::Type type = precision.rfind("bf16", 0) == 0 ? CudaProduct::Type::BF16
                           : precision.rfind("16", 0) == 0 ? CudaProduct::Type::F16
                                                           : CudaProduct::Type::F32;
  return std::unique_ptr<DeviceLimits>(
      std::make_unique<CudaLimits>(driver, type, *kernels[0][0], *fill));
}

} // namespace llmopt
