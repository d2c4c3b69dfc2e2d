#include "runtime/devices/cpu/CpuWeights.h"

#include "runtime/devices/cpu/RandomFill.h"
#include "support/Progress.h"
#include "support/ThreadPool.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

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

/// Copies a piece out of the file, whose pages are not needed then.
static void copyPiece(const Artifact &artifact, const PlanWeight &weight, const Piece &piece,
                      uint8_t *data) {
  const SafetensorsFile &file = *artifact.weights;
  std::memcpy(data + piece.begin, artifact.weightData(weight) + piece.begin, piece.bytes);
  file.mapping().release(
      file.fileOffset(*file.find(weight.name)) + static_cast<uint64_t>(piece.begin), piece.bytes);
}

/// Reads a byte of every page, so that the first step does not wait for them.
static void touch(const uint8_t *data, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += 4096)
    (void)*static_cast<const volatile uint8_t *>(data + i);
}

/// Bytes that can be had without swapping; 0 if the system does not tell.
static uint64_t availableMemory() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    unsigned long long kilobytes;
    if (std::sscanf(line.c_str(), "MemAvailable: %llu kB", &kilobytes) == 1)
      return kilobytes * 1024;
  }
  return 0;
}

/// Bytes of a weight's place in memory.
static uint64_t placeBytes(const PlanWeight &weight) {
  return (static_cast<uint64_t>(weight.bytes()) + 4095) / 4096 * 4096;
}

Result<CpuWeights> CpuWeights::load(const Artifact &artifact, const DeviceOptions &options) {
  const std::vector<PlanWeight> &plan = artifact.plan.weights;
  uint64_t randomBytes = 0;
  uint64_t totalBytes = 0;
  for (const PlanWeight &weight : plan) {
    totalBytes += placeBytes(weight);
    if (!weight.random.empty())
      randomBytes += placeBytes(weight);
  }
  // A tenth is left for the cache, the arena and others.
  bool copies = totalBytes < availableMemory() / 10 * 9;
  CpuWeights result;
  LLMOPT_ASSIGN(result.memory,
                LargeMemory::allocate(copies ? totalBytes : randomBytes, "holding the weights"));

  std::vector<Piece> pieces;
  uint64_t position = 0;
  for (size_t i = 0; i < plan.size(); ++i) {
    bool random = !plan[i].random.empty();
    int64_t units = random ? randomPanels(plan[i]) : plan[i].bytes();
    addPieces(pieces, static_cast<int64_t>(i), units, plan[i].bytes() / units);
    if (!random && !copies) {
      result.pointers.push_back(artifact.weightData(plan[i]));
      continue;
    }
    result.pointers.push_back(result.memory.data() + position);
    position += placeBytes(plan[i]);
  }

  Progress progress("loading " + artifact.path, totalBytes, Progress::Unit::Bytes, options.quiet);
  parallelFor(static_cast<int64_t>(pieces.size()), options.threads, [&](int64_t i) {
    const Piece &piece = pieces[i];
    const PlanWeight &weight = plan[piece.weight];
    auto *data = const_cast<uint8_t *>(result.pointers[piece.weight]);
    if (!weight.random.empty())
      fillRandomPanels(weight, piece.begin, piece.end, data);
    else if (copies)
      copyPiece(artifact, weight, piece, data);
    else
      touch(data, piece.begin, piece.end);
    progress.advance(piece.bytes);
  });
  return result;
}

} // namespace llmopt
