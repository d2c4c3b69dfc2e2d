//===- DeriveSync.cpp - The counters that a persistent step needs -----------------------------===//
//
// Kernels are taken in order. For a kernel, those before it are gone through from the last to the
// first: a tile that conflicts with tiles that are not certain to be done waits for them, and from
// then on is certain of all that these waited for themselves. What an earlier kernel's tiles waited
// for lies before that kernel, so a wait can be implied by waits for later kernels only, and this
// order finds none that another implies.
//
// That is done twice. The first time for tiles: which sets of a kernel's tiles do others wait for?
// Tiles that are in the same of these sets are a chunk. The second time for chunks.
//
//===------------------------------------------------------------------------------------------===//

#include "passes/DeriveSync.h"

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

#include <map>

using namespace mlir;
using llvm::BitVector;

namespace llmopt {

/// One counter for each lane of the warp that waits.
static constexpr size_t mostChunks = 32;

namespace {

/// Tiles of earlier kernels that are certain to be done.
class Coverage {
public:
  explicit Coverage(size_t kernels) : whole(static_cast<unsigned>(kernels)) {}

  bool isWhole(size_t kernel) const { return whole[static_cast<unsigned>(kernel)]; }

  void removeFrom(BitVector &tiles, size_t kernel) const {
    if (isWhole(kernel))
      tiles.reset();
    else if (auto found = parts.find(kernel); found != parts.end())
      tiles.reset(found->second);
  }
  void add(size_t kernel, const BitVector &tiles) {
    if (isWhole(kernel))
      return;
    auto [part, isNew] = parts.insert({kernel, tiles});
    if (!isNew)
      part->second |= tiles;
    if (part->second.all()) {
      whole.set(static_cast<unsigned>(kernel));
      parts.erase(part);
    }
  }
  void add(const Coverage &other) {
    whole |= other.whole;
    for (auto &[kernel, tiles] : other.parts)
      add(kernel, tiles);
    for (auto part = parts.begin(); part != parts.end();)
      part = isWhole(part->first) ? parts.erase(part) : std::next(part);
  }

private:
  BitVector whole;
  std::map<size_t, BitVector> parts;
};

/// Tiles of a kernel that wait for the same.
struct Group {
  BitVector tiles;
  Coverage before;
  std::vector<std::pair<size_t, BitVector>> waits; ///< kernel, its tiles; from late to early
};

/// Which tiles of an earlier kernel a tile of a later one conflicts with.
class Conflicts {
public:
  Conflicts(const TiledStep &step, size_t earlier, size_t later)
      : first(step.kernels[earlier].tiling), common(static_cast<unsigned>(first.tiles)) {
    const TiledKernel &a = step.kernels[later], &b = step.kernels[earlier];
    for (auto [accessA, memoryA] : llvm::zip(a.tiling.accesses, a.memoryOf))
      for (auto [accessB, memoryB] : llvm::zip(b.tiling.accesses, b.memoryOf)) {
        if (!(accessA.writes || accessB.writes) || !step.mayShare(memoryA, memoryB))
          continue;
        bool byColumns = memoryA == memoryB;
        if (accessA.isUniform())
          common |= tilesOf(accessB, accessA.columns.front(), byColumns);
        else
          varying.push_back({&accessA, &accessB, byColumns});
      }
  }

  /// If every tile of the later kernel conflicts with the same tiles: `of(0)`.
  bool isUniform() const { return varying.empty() || common.all(); }

  BitVector of(unsigned tile) const {
    BitVector all = common;
    if (isUniform())
      return all;
    for (const Pair &pair : varying)
      all |= tilesOf(*pair.earlier, pair.later->columnsOf(tile), pair.byColumns);
    return all;
  }

private:
  struct Pair {
    const TileAccess *later, *earlier;
    bool byColumns; ///< else any columns share bytes with any
  };
  const KernelTiling &first;
  BitVector common; ///< what every tile of the later kernel conflicts with
  std::vector<Pair> varying;

  static bool meet(const ColumnRanges &a, const ColumnRanges &b) {
    return llvm::any_of(a, [&](ColumnRange x) {
      return llvm::any_of(b, [&](ColumnRange y) { return x.begin < y.end && y.begin < x.end; });
    });
  }

  BitVector tilesOf(const TileAccess &access, const ColumnRanges &columns, bool byColumns) const {
    BitVector tiles(static_cast<unsigned>(first.tiles));
    for (unsigned tile = 0; tile < tiles.size() && !columns.empty(); ++tile) {
      const ColumnRanges &own = access.columnsOf(tile);
      if (byColumns ? meet(own, columns) : !own.empty())
        tiles.set(tile);
    }
    return tiles;
  }
};

class Derivation {
public:
  explicit Derivation(const TiledStep &step)
      : step(step), waitedFor(step.kernels.size()), chunks(step.kernels.size()) {}

  std::vector<KernelSync> run() {
    for (size_t kernel = 0; kernel < step.kernels.size(); ++kernel)
      groups.push_back(groupsOf(kernel));
    for (size_t kernel = 0; kernel < step.kernels.size(); ++kernel)
      chunks[kernel] = cut(kernel);
    groups.clear();
    for (size_t kernel = 0; kernel < step.kernels.size(); ++kernel)
      groups.push_back(groupsOf(kernel));
    std::vector<KernelSync> result;
    result.reserve(step.kernels.size());
    for (size_t kernel = 0; kernel < step.kernels.size(); ++kernel)
      result.push_back(syncOf(kernel));
    return result;
  }

private:
  const TiledStep &step;
  std::vector<std::vector<Group>> groups; ///< of each kernel so far
  /// Of each kernel the sets of tiles that others wait for.
  std::vector<llvm::SetVector<BitVector>> waitedFor;
  /// Of each kernel the tiles of each chunk; none the first time.
  std::vector<std::vector<BitVector>> chunks;

  unsigned tilesOf(size_t kernel) const {
    return static_cast<unsigned>(step.kernels[kernel].tiling.tiles);
  }

  std::vector<Group> groupsOf(size_t kernel) {
    std::vector<Group> all = {
        {BitVector(tilesOf(kernel), true), Coverage(step.kernels.size()), {}}};
    for (size_t earlier = kernel; earlier-- > 0;) {
      if (llvm::all_of(all, [&](Group &group) { return group.before.isWhole(earlier); }))
        continue;
      Conflicts conflicts(step, earlier, kernel);
      std::vector<Group> next;
      for (Group &group : all)
        divide(group, earlier, conflicts, next);
      all = std::move(next);
    }
    return all;
  }

  /// Divides a group by what its tiles have to wait for of an earlier kernel.
  void divide(Group &group, size_t earlier, const Conflicts &conflicts, std::vector<Group> &to) {
    if (group.before.isWhole(earlier)) {
      to.push_back(std::move(group));
      return;
    }
    llvm::MapVector<BitVector, BitVector> tilesOfWait;
    auto add = [&](const BitVector &conflicting, const BitVector &tiles) {
      BitVector wait = waitFor(conflicting, group.before, earlier);
      auto [entry, isNew] = tilesOfWait.insert({std::move(wait), tiles});
      if (!isNew)
        entry->second |= tiles;
    };
    if (conflicts.isUniform()) {
      add(conflicts.of(0), group.tiles);
    } else {
      llvm::MapVector<BitVector, BitVector> tilesOfConflict;
      for (unsigned tile : group.tiles.set_bits()) {
        auto entry = tilesOfConflict.insert({conflicts.of(tile), BitVector(group.tiles.size())});
        entry.first->second.set(tile);
      }
      for (auto &[conflicting, tiles] : tilesOfConflict)
        add(conflicting, tiles);
    }
    for (auto &[wait, tiles] : tilesOfWait) {
      Group part = {tiles, group.before, group.waits};
      if (wait.any()) {
        waitedFor[earlier].insert(wait);
        part.waits.push_back({earlier, wait});
        part.before.add(earlier, wait);
        for (const Group &other : groups[earlier])
          if (other.tiles.anyCommon(wait))
            part.before.add(other.before);
      }
      to.push_back(std::move(part));
    }
  }

  /// The tiles to wait for: those that are not certain to be done, rounded up to chunks.
  BitVector waitFor(const BitVector &conflicting, const Coverage &before, size_t earlier) const {
    BitVector open = conflicting;
    before.removeFrom(open, earlier);
    if (chunks[earlier].empty() || open.none())
      return open;
    BitVector rounded(open.size());
    for (const BitVector &chunk : chunks[earlier])
      if (chunk.anyCommon(open))
        rounded |= chunk;
    return rounded;
  }

  /// Tiles of the same sets are a chunk; if that makes too many, neighbours are joined.
  std::vector<BitVector> cut(size_t kernel) const {
    llvm::MapVector<BitVector, BitVector> tilesOfClass;
    const auto &sets = waitedFor[kernel];
    for (unsigned tile = 0; tile < tilesOf(kernel); ++tile) {
      BitVector in(static_cast<unsigned>(sets.size()) + 1); // An empty one is no key.
      for (auto [index, set] : llvm::enumerate(sets))
        if (set.test(tile))
          in.set(static_cast<unsigned>(index));
      auto entry = tilesOfClass.insert({std::move(in), BitVector(tilesOf(kernel))});
      entry.first->second.set(tile);
    }
    size_t count = std::min(tilesOfClass.size(), mostChunks);
    std::vector<BitVector> result(count, BitVector(tilesOf(kernel)));
    for (auto [index, entry] : llvm::enumerate(tilesOfClass))
      result[index * count / tilesOfClass.size()] |= entry.second;
    return result;
  }

  KernelSync syncOf(size_t kernel) const {
    KernelSync sync;
    const KernelTiling &tiling = step.kernels[kernel].tiling;
    sync.perRow = tiling.perRow;
    sync.splits = tiling.splits;
    sync.chunkOf.resize(tilesOf(kernel));
    for (auto [chunk, tiles] : llvm::enumerate(chunks[kernel]))
      for (unsigned tile : tiles.set_bits())
        sync.chunkOf[tile] = static_cast<int64_t>(chunk);
    sync.waitOf.resize(tilesOf(kernel));
    std::vector<const Group *> ordered;
    for (const Group &group : groups[kernel])
      ordered.push_back(&group);
    llvm::sort(ordered, [](const Group *a, const Group *b) {
      return a->tiles.find_first() < b->tiles.find_first();
    });
    for (auto [index, group] : llvm::enumerate(ordered)) {
      for (unsigned tile : group->tiles.set_bits())
        sync.waitOf[tile] = static_cast<int64_t>(index);
      sync.waits.push_back(waitsOf(*group));
    }
    return sync;
  }

  std::vector<ChunkWait> waitsOf(const Group &group) const {
    std::vector<ChunkWait> waits;
    for (auto &[kernel, tiles] : group.waits)
      for (auto [index, chunk] : llvm::enumerate(chunks[kernel]))
        if (chunk.anyCommon(tiles))
          waits.push_back({static_cast<int64_t>(kernel), static_cast<int64_t>(index)});
    return waits;
  }
};
} // namespace

std::vector<KernelSync> deriveSync(const TiledStep &step) { return Derivation(step).run(); }

} // namespace llmopt
