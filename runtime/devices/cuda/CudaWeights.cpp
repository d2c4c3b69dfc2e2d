#include "runtime/devices/cuda/CudaWeights.h"

#include "runtime/devices/cuda/CudaMemory.h"
#include "support/Progress.h"

#include <algorithm>

namespace llmopt {

/// Bytes of a weight that are uploaded at once.
static constexpr uint64_t pieceBytes = uint64_t(64) << 20;

/// Uploads a weight piece by piece. A piece has been read when upload() returns.
static Status uploadWeight(CudaDriver &driver, const Artifact &artifact, const PlanWeight &weight,
                           CudaAddress to, Progress &progress) {
  const SafetensorsFile &file = *artifact.weights;
  const uint8_t *data = artifact.weightData(weight);
  const uint64_t offset = file.fileOffset(*file.find(weight.name));
  const auto total = static_cast<uint64_t>(weight.bytes());
  for (uint64_t begin = 0; begin < total; begin += pieceBytes) {
    uint64_t bytes = std::min(pieceBytes, total - begin);
    LLMOPT_TRY(driver.upload(to + begin, data + begin, bytes));
    file.mapping().release(offset + begin, bytes);
    progress.advance(bytes);
  }
  return success();
}

static int32_t fillType(ElementType type) {
  return type == ElementType::F32 ? 0 : type == ElementType::F16 ? 1 : 2;
}

Result<const CudaKernel *> loadRandomFill(CudaDriver &driver, const std::string &arch,
                                          const DeviceOptions &options) {
  CudaSource source{"randomFill.cu", randomFillSource, {randomFillKernel}};
  LLMOPT_ASSIGN(auto kernels, driver.load({source}, {}, arch, options.threads, options.quiet));
  return kernels[0][0];
}

Status launchRandomFill(CudaDriver &driver, const CudaKernel &kernel, const RandomFillJob &job,
                        uint64_t bytes) {
  CudaLaunch launch;
  launch.kernel = &kernel;
  launch.threads = randomFillThreads;
  launch.blocks =
      static_cast<uint32_t>(std::clamp<int64_t>(job.rows * job.columns / 2048, 1, 1 << 14));
  uint32_t threads = launch.blocks * launch.threads;
  launch.parameters = {&job, &threads};
  launch.extents.push_back({job.weight, bytes, /*writable=*/true});
  return driver.launch(launch);
}

/// Makes a random weight, a launch per segment.
static Status fillWeight(CudaDriver &driver, const CudaKernel *kernel, const PlanWeight &weight,
                         const CudaExtent &extent) {
  if (weight.packing.panel) // zeros past the end
    LLMOPT_TRY(driver.fill(extent.begin, 0, extent.bytes));
  int64_t firstRow = 0;
  for (const RandomSegment &segment : weight.random) {
    RandomFillJob job{};
    job.weight = extent.begin;
    job.firstRow = firstRow;
    job.rows = segment.rows;
    job.columns = weight.columns;
    job.panel = std::max<int64_t>(1, weight.packing.panel);
    job.interleave = weight.packing.panel ? weight.packing.interleave : 1;
    job.seed = segment.seed;
    job.mean = segment.mean;
    job.scale = segment.scale;
    job.type = fillType(weight.type);
    LLMOPT_TRY(launchRandomFill(driver, *kernel, job, extent.bytes));
    firstRow += segment.rows;
  }
  return success();
}

Result<CudaWeights> CudaWeights::load(CudaDriver &driver, const Artifact &artifact,
                                      const std::string &arch, const DeviceOptions &options) {
  const std::vector<PlanWeight> &plan = artifact.plan.weights;
  uint64_t total = CudaMemory(artifact.plan, artifact.manifest.contextLength).weightBytes();
  CudaWeights weights;
  LLMOPT_ASSIGN(CudaAddress next, driver.allocate(total, "the weights"));
  for (const PlanWeight &weight : plan) {
    auto bytes = static_cast<uint64_t>(weight.bytes());
    weights.extents.push_back({next, bytes, /*writable=*/false, /*fixed=*/true});
    next += (bytes + 255) / 256 * 256;
  }

  const CudaKernel *fill = nullptr;
  if (std::any_of(plan.begin(), plan.end(), [](auto &weight) { return !weight.random.empty(); })) {
    LLMOPT_ASSIGN(fill, loadRandomFill(driver, arch, options));
  }
  Progress progress("loading " + artifact.path, total, Progress::Unit::Bytes, options.quiet);
  for (size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].random.empty())
      LLMOPT_TRY(uploadWeight(driver, artifact, plan[i], weights.extents[i].begin, progress));
    else
      LLMOPT_TRY(fillWeight(driver, fill, plan[i], weights.extents[i]));
  }
  LLMOPT_TRY(driver.synchronize());
  return weights;
}

} // namespace llmopt
