#include "runtime/devices/cpu/CpuWeights.h"

#include "runtime/devices/cpu/RandomFill.h"
#include "support/Progress.h"
#include "support/ThreadPool.h"

#include <algorithm>

namespace llmopt {

namespace {
/// Work of a thread: panels of a random weight, or bytes of a mapped one.
struct Piece {
  int64_t weight;
  int64_t begin;
  int64_t end;
  uint64_t bytes;
};
} // namespace

static constexpr int64_t pieceBytes = 4 << 20;

/// Divides [0, count) units of `unitBytes` each into pieces.
static void addPieces(std::vector<Piece> &pieces, int64_t weight, int64_t count,
                      int64_t unitBytes) {
  int64_t step = std::max<int64_t>(1, pieceBytes / std::max<int64_t>(1, unitBytes));
  for (int64_t begin = 0; begin < count; begin += step) {
    int64_t end = std::min(count, begin + step);
    pieces.push_back({weight, begin, end, static_cast<uint64_t>((end - begin) * unitBytes)});
  }
}

/// Reads a byte of every page, so that the first step does not wait for them.
static void touch(const uint8_t *data, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += 4096)
    (void)*static_cast<const volatile uint8_t *>(data + i);
}

Result<CpuWeights> CpuWeights::load(const Artifact &artifact, const DeviceOptions &options) {
  const std::vector<PlanWeight> &plan = artifact.plan.weights;
  CpuWeights result;
  uint64_t randomBytes = 0;
  uint64_t totalBytes = 0;
  for (const PlanWeight &weight : plan) {
    uint64_t bytes = (static_cast<uint64_t>(weight.bytes()) + 4095) / 4096 * 4096;
    totalBytes += bytes;
    if (!weight.random.empty())
      randomBytes += bytes;
  }
  LLMOPT_ASSIGN(result.random, LargeMemory::allocate(randomBytes, "the random weights"));

  std::vector<Piece> pieces;
  uint64_t position = 0;
  for (size_t i = 0; i < plan.size(); ++i) {
    int64_t index = static_cast<int64_t>(i);
    if (plan[i].random.empty()) {
      result.pointers.push_back(artifact.weightData(plan[i]));
      addPieces(pieces, index, plan[i].bytes(), 1);
      continue;
    }
    result.pointers.push_back(result.random.data() + position);
    position += (static_cast<uint64_t>(plan[i].bytes()) + 4095) / 4096 * 4096;
    int64_t panels = randomPanels(plan[i]);
    addPieces(pieces, index, panels, plan[i].bytes() / panels);
  }

  Progress progress("loading " + artifact.path, totalBytes, Progress::Unit::Bytes, options.quiet);
  parallelFor(static_cast<int64_t>(pieces.size()), options.threads, [&](int64_t i) {
    const Piece &piece = pieces[i];
    const PlanWeight &weight = plan[piece.weight];
    const uint8_t *data = result.pointers[piece.weight];
    if (weight.random.empty())
      touch(data, piece.begin, piece.end);
    else
      fillRandomPanels(weight, piece.begin, piece.end, const_cast<uint8_t *>(data));
    progress.advance(piece.bytes);
  });
  return result;
}

} // namespace llmopt
