//===- VerifyLaunch.cpp - Check that a persistent step can neither deadlock nor race ----------===//
//
// That a chunk is done implies that the chunks which its tiles waited for are. So for each wait
// set, in the order of kernels, the chunks that are certain to be done are a bit set: a union of
// those of earlier sets. What remains to check is a set's tiles against the chunks that are not in
// it, and of those only what all their tiles together touch.
//
//===------------------------------------------------------------------------------------------===//

#include "passes/VerifyLaunch.h"

#include "passes/Passes.h"
#include "passes/Phase.h"

#include "llvm/ADT/BitVector.h"

#include <map>

using namespace mlir;
using llvm::BitVector;

namespace llmopt {

#define GEN_PASS_DEF_VERIFYLAUNCH
#include "passes/Passes.h.inc"

namespace {

//===------------------------------------------------------------------------------------------===//
// What some tiles touch together
//===------------------------------------------------------------------------------------------===//

/// Sorts ranges and joins those that meet.
void join(std::vector<ColumnRange> &ranges) {
  llvm::sort(ranges, [](ColumnRange a, ColumnRange b) { return a.begin < b.begin; });
  size_t last = 0;
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].begin <= ranges[last].end)
      ranges[last].end = std::max(ranges[last].end, ranges[i].end);
    else
      ranges[++last] = ranges[i];
  if (!ranges.empty())
    ranges.resize(last + 1);
}

/// Columns that both have; nothing if there are none.
std::optional<ColumnRange> common(llvm::ArrayRef<ColumnRange> a, llvm::ArrayRef<ColumnRange> b) {
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    ColumnRange both = {std::max(a[i].begin, b[j].begin), std::min(a[i].end, b[j].end)};
    if (both.begin < both.end)
      return both;
    a[i].end < b[j].end ? ++i : ++j;
  }
  return std::nullopt;
}

/// Of each memory the columns that are touched, and those that are written.
struct Footprint {
  struct Columns {
    std::vector<ColumnRange> touched, written;
  };
  std::map<size_t, Columns> memories;

  void add(const TiledKernel &kernel, int64_t tile) {
    for (auto [access, memory] : llvm::zip(kernel.tiling.accesses, kernel.memoryOf)) {
      const ColumnRanges &columns = access.columnsOf(tile);
      if (columns.empty())
        continue;
      Columns &here = memories[memory];
      here.touched.insert(here.touched.end(), columns.begin(), columns.end());
      if (access.writes)
        here.written.insert(here.written.end(), columns.begin(), columns.end());
    }
  }
  void finish() {
    for (auto &[memory, columns] : memories) {
      join(columns.touched);
      join(columns.written);
    }
  }
};

/// Bytes that two sets of tiles touch, one of them to write.
struct Conflict {
  size_t earlierMemory, laterMemory;
  ColumnRange columns; ///< if that is one memory
  bool laterWrites;
};

std::optional<Conflict> findConflict(const TiledStep &step, const Footprint &earlier,
                                     const Footprint &later) {
  for (auto &[a, before] : earlier.memories)
    for (auto &[b, after] : later.memories) {
      if (!step.mayShare(a, b))
        continue;
      if (a != b) {
        if (!before.written.empty() || !after.written.empty())
          return Conflict{a, b, {}, !after.written.empty()};
        continue;
      }
      if (auto columns = common(before.touched, after.written))
        return Conflict{a, b, *columns, true};
      if (auto columns = common(before.written, after.touched))
        return Conflict{a, b, *columns, false};
    }
  return std::nullopt;
}

/// "columns 0 to 63 of result 0 of 'linear' (kernel 3)"
std::string describe(const TiledStep &step, const Conflict &conflict) {
  const std::string &name = step.memories[conflict.earlierMemory].name;
  if (conflict.earlierMemory != conflict.laterMemory)
    return fmt::format("{}, which shares bytes with {}", name,
                       step.memories[conflict.laterMemory].name);
  return fmt::format("columns {} to {} of {}", conflict.columns.begin, conflict.columns.end - 1,
                     name);
}

/// "tile 3 of 'linear' (kernel 3)", "tiles 0 to 7 of ...": the first and the last of some.
std::string describe(const TiledKernel &kernel, const BitVector &tiles) {
  int first = tiles.find_first(), last = tiles.find_last();
  if (first == last)
    return fmt::format("tile {} of {}", first, kernel.name());
  return fmt::format("tiles {} to {} of {}", first, last, kernel.name());
}

//===------------------------------------------------------------------------------------------===//
// The checks
//===------------------------------------------------------------------------------------------===//

class LaunchVerifier {
public:
  LaunchVerifier(const TiledStep &step, llvm::ArrayRef<KernelSync> syncs)
      : step(step), syncs(syncs) {}

  LogicalResult run() {
    for (size_t kernel = 0; kernel < step.kernels.size(); ++kernel) {
      firstChunk.push_back(chunkCount);
      chunkCount += static_cast<size_t>(syncs[kernel].chunks());
    }
    for (size_t kernel = 0; kernel < step.kernels.size(); ++kernel)
      if (failed(checkTiles(kernel)) || failed(checkWaits(kernel)) || failed(checkAlone(kernel)))
        return failure();
    // Until here what a set waits for may lie anywhere; from here on it lies before.
    for (size_t kernel = 0; kernel < step.kernels.size(); ++kernel)
      if (failed(checkOrder(kernel)))
        return failure();
    return mlir::success();
  }

private:
  const TiledStep &step;
  llvm::ArrayRef<KernelSync> syncs; ///< of each kernel
  /// Chunks are numbered through the step: of each kernel its first.
  std::vector<size_t> firstChunk;
  size_t chunkCount = 0;
  /// Of each chunk so far: the kernel, its tiles, what they touch, and the chunks that are done if
  /// it is, itself among them.
  struct Chunk {
    size_t kernel;
    BitVector tiles;
    Footprint footprint;
    BitVector done;
  };
  std::vector<Chunk> chunks;

  InFlightDiagnostic error(size_t kernel) {
    return KernelOp(step.kernels[kernel].op).emitOpError()
           << "in steps of up to " << syncs[kernel].maxRows << " rows, ";
  }

  /// "8 tiles for each row and part"
  static std::string describePeriod(int64_t tiles, bool perRow, bool splits) {
    return fmt::format("{} tiles{}{}", tiles, perRow ? " for each row" : "",
                       splits ? " and part" : "");
  }

  /// The sync is about the kernel's tiles, and every chunk has some.
  LogicalResult checkTiles(size_t kernel) {
    const KernelTiling &tiling = step.kernels[kernel].tiling;
    const KernelSync &sync = syncs[kernel];
    if (sync.tiles() != tiling.tiles || sync.perRow != tiling.perRow ||
        sync.splits != tiling.splits)
      return error(kernel) << step.kernels[kernel].name() << " has a period of "
                           << describePeriod(tiling.tiles, tiling.perRow, tiling.splits)
                           << ", its sync of "
                           << describePeriod(sync.tiles(), sync.perRow, sync.splits);
    BitVector used(static_cast<unsigned>(sync.chunks()));
    for (int64_t chunk : sync.chunkOf)
      used.set(static_cast<unsigned>(chunk));
    if (used.all())
      return mlir::success();
    return error(kernel) << step.kernels[kernel].name() << " has no tile of its chunk "
                         << used.find_first_unset();
  }

  /// No deadlock: all that is waited for lies in earlier kernels, and will be signalled.
  LogicalResult checkWaits(size_t kernel) {
    for (const std::vector<ChunkWait> &set : syncs[kernel].waits)
      for (ChunkWait wait : set) {
        if (wait.kernel < 0 || wait.kernel >= static_cast<int64_t>(kernel))
          return error(kernel) << step.kernels[kernel].name() << " waits for kernel " << wait.kernel
                               << ", which is none before it: the step would not end";
        const KernelSync &other = syncs[static_cast<size_t>(wait.kernel)];
        if (wait.chunk < 0 || wait.chunk >= other.chunks())
          return error(kernel) << step.kernels[kernel].name() << " waits for chunk " << wait.chunk
                               << " of " << step.kernels[static_cast<size_t>(wait.kernel)].name()
                               << ", which has " << other.chunks() << ": the step would not end";
      }
    return mlir::success();
  }

  /// No two tiles of the kernel race: nothing orders them. Of rows, which repeat the tiles, each
  /// has bytes of its own in one memory, but not in memories that overlap.
  LogicalResult checkAlone(size_t index) {
    const TiledKernel &kernel = step.kernels[index];
    const auto &accesses = kernel.tiling.accesses;
    for (size_t i = 0; i < accesses.size(); ++i)
      for (size_t j = 0; j < accesses.size(); ++j) {
        size_t a = kernel.memoryOf[i], b = kernel.memoryOf[j];
        if (!accesses[i].writes || !step.mayShare(a, b))
          continue;
        if (a != b)
          return error(index) << kernel.name() << " writes " << step.memories[a].name
                              << ", which shares bytes with " << step.memories[b].name
                              << " that it also touches";
        if (std::optional<int64_t> column = sharedColumn(kernel.tiling, accesses[i], accesses[j]))
          return error(index) << "two tiles of " << kernel.name() << " touch column " << *column
                              << " of " << step.memories[a].name << ", one to write it";
      }
    return mlir::success();
  }

  /// A column that a tile writes by one access and another tile touches by the other.
  static std::optional<int64_t> sharedColumn(const KernelTiling &tiling, const TileAccess &writes,
                                             const TileAccess &touches) {
    struct Owned {
      ColumnRange columns;
      int64_t tile;
    };
    std::vector<Owned> all;
    auto add = [&](const TileAccess &access) {
      for (int64_t tile = 0; tile < tiling.tiles; ++tile)
        for (ColumnRange range : access.columnsOf(tile))
          all.push_back({range, tile});
    };
    add(writes);
    if (&touches != &writes)
      add(touches);
    llvm::sort(all, [](const Owned &a, const Owned &b) {
      return std::make_pair(a.columns.begin, a.tile) < std::make_pair(b.columns.begin, b.tile);
    });
    // Ranges of one tile may meet each other; the furthest so far is all that can reach the next.
    for (size_t i = 1, furthest = 0; i < all.size(); ++i) {
      if (all[i].columns.begin < all[furthest].columns.end && all[i].tile != all[furthest].tile)
        return all[i].columns.begin;
      if (all[i].columns.end > all[furthest].columns.end)
        furthest = i;
    }
    return std::nullopt;
  }

  /// No tile of the kernel races with one of an earlier kernel.
  LogicalResult checkOrder(size_t index) {
    const TiledKernel &kernel = step.kernels[index];
    const KernelSync &sync = syncs[index];
    std::vector<BitVector> done; // Of each wait set.
    for (const std::vector<ChunkWait> &set : sync.waits) {
      done.emplace_back(static_cast<unsigned>(chunkCount));
      for (ChunkWait wait : set)
        done.back() |=
            chunks[firstChunk[static_cast<size_t>(wait.kernel)] + static_cast<size_t>(wait.chunk)]
                .done;
    }
    std::vector<Footprint> footprints(sync.waits.size());
    for (int64_t tile = 0; tile < sync.tiles(); ++tile)
      footprints[setOf(sync, tile)].add(kernel, tile);
    for (auto [footprint, before] : llvm::zip(footprints, done)) {
      footprint.finish();
      for (size_t chunk = 0; chunk < chunks.size(); ++chunk)
        if (!before.test(static_cast<unsigned>(chunk)))
          if (auto conflict = findConflict(step, chunks[chunk].footprint, footprint))
            return reportRace(index, static_cast<size_t>(&footprint - footprints.data()),
                              chunks[chunk], *conflict);
    }
    addChunks(index, done);
    return mlir::success();
  }

  void addChunks(size_t index, const std::vector<BitVector> &done) {
    const KernelSync &sync = syncs[index];
    size_t first = chunks.size(), count = static_cast<size_t>(sync.chunks());
    chunks.resize(first + count, {index, BitVector(static_cast<unsigned>(sync.tiles())),
                                  Footprint(), BitVector(static_cast<unsigned>(chunkCount))});
    std::vector<BitVector> setsOf(count, BitVector(static_cast<unsigned>(done.size())));
    for (int64_t tile = 0; tile < sync.tiles(); ++tile) {
      auto chunk = static_cast<size_t>(sync.chunkOf[static_cast<size_t>(tile)]);
      chunks[first + chunk].tiles.set(static_cast<unsigned>(tile));
      chunks[first + chunk].footprint.add(step.kernels[index], tile);
      setsOf[chunk].set(static_cast<unsigned>(setOf(sync, tile)));
    }
    for (size_t chunk = 0; chunk < count; ++chunk) {
      Chunk &added = chunks[first + chunk];
      added.footprint.finish();
      added.done.set(static_cast<unsigned>(first + chunk));
      for (unsigned set : setsOf[chunk].set_bits())
        added.done |= done[set];
    }
  }

  static size_t setOf(const KernelSync &sync, int64_t tile) {
    return static_cast<size_t>(sync.waitOf[static_cast<size_t>(tile)]);
  }

  LogicalResult reportRace(size_t index, size_t set, const Chunk &earlier,
                           const Conflict &conflict) {
    const TiledKernel &kernel = step.kernels[index];
    BitVector tiles(static_cast<unsigned>(syncs[index].tiles()));
    for (unsigned tile = 0; tile < tiles.size(); ++tile)
      if (setOf(syncs[index], tile) == set && touches(kernel, tile, conflict.laterMemory, conflict))
        tiles.set(tile);
    BitVector others(earlier.tiles.size());
    for (unsigned tile : earlier.tiles.set_bits())
      if (touches(step.kernels[earlier.kernel], tile, conflict.earlierMemory, conflict))
        others.set(tile);
    return error(index) << describe(kernel, tiles)
                        << (conflict.laterWrites ? " may write " : " may read ")
                        << describe(step, conflict) << ", before "
                        << describe(step.kernels[earlier.kernel], others)
                        << (tiles.count() + others.count() > 2 ? " are" : " is") << " done with it";
  }

  static bool touches(const TiledKernel &kernel, int64_t tile, size_t memory,
                      const Conflict &conflict) {
    bool byColumns = conflict.earlierMemory == conflict.laterMemory;
    for (auto [access, of] : llvm::zip(kernel.tiling.accesses, kernel.memoryOf))
      if (of == memory && (byColumns ? common(access.columnsOf(tile), conflict.columns).has_value()
                                     : !access.columnsOf(tile).empty()))
        return true;
    return false;
  }
};
} // namespace

LogicalResult verifySync(const TiledStep &step, llvm::ArrayRef<KernelSync> syncs) {
  return LaunchVerifier(step, syncs).run();
}

LogicalResult verifyLaunch(func::FuncOp step) {
  std::vector<KernelOp> kernels;
  std::vector<std::vector<KernelSync>> syncs;
  for (auto kernel : step.getBody().front().getOps<KernelOp>()) {
    auto sync = readSync(kernel);
    if (failed(sync))
      return failure();
    auto sameRows = [](const KernelSync &a, const KernelSync &b) { return a.maxRows == b.maxRows; };
    if (!syncs.empty() &&
        !std::equal(sync->begin(), sync->end(), syncs[0].begin(), syncs[0].end(), sameRows))
      return kernel.emitOpError() << "'" << kernel.getName()
                                  << "' has a sync for other numbers of rows than the first kernel";
    kernels.push_back(kernel);
    syncs.push_back(std::move(*sync));
  }
  std::vector<int64_t> tiledFor;
  TiledStep tiled;
  for (size_t bucket = 0; !syncs.empty() && bucket < syncs[0].size(); ++bucket) {
    auto columns = tileColumns(step, syncs[0][bucket].maxRows);
    if (failed(columns))
      return failure();
    if (*columns != tiledFor) {
      auto next = tileStep(step, *columns);
      if (failed(next))
        return failure();
      tiled = std::move(*next);
      tiledFor = std::move(*columns);
    }
    std::vector<KernelSync> ofBucket;
    ofBucket.reserve(syncs.size());
    for (std::vector<KernelSync> &sync : syncs)
      ofBucket.push_back(std::move(sync[bucket]));
    if (failed(verifySync(tiled, ofBucket)))
      return failure();
  }
  return mlir::success();
}

namespace {
class VerifyLaunchPass : public impl::VerifyLaunchBase<VerifyLaunchPass> {
  using VerifyLaunchBase::VerifyLaunchBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto step = requirePhase(module, placedPhase);
    if (failed(step))
      return signalPassFailure();
    auto launch = module->getAttrOfType<StringAttr>(LLMDialect::launchAttrName);
    if (!launch || launch.getValue() != "persistent") {
      module.emitError() << "the module's step is not persistent";
      return signalPassFailure();
    }
    if (failed(verifyLaunch(*step)))
      signalPassFailure();
  }
};
} // namespace

} // namespace llmopt
