//===- Shadow.h - Who last touched each byte --------------------------------------------------===//
//
// For every byte of shared memory, and of global memory that a launch may write: its last writer
// and the readers since, as records of Order's stamps. An access is held against them: one that
// neither knows of the other is a race, if one of the two writes.
//
// Guarantees: inside a block, and between the blocks of a cooperative launch, the records are exact
// to the byte and thread, so what is reported is a race, and a race between the last write, the
// reads since and an access is reported. Not known: the place of the earlier access, reads before
// the last write, and which of several lanes of a warp read at which of its stamps (the latest is
// taken for all). Between blocks of other launches the last write and one reading block are known;
// after reads by several blocks, a writer that has acquired anything from another block is
// believed.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_SHADOW_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_SHADOW_H

#include "runtime/devices/cuda_emulated/GridOrder.h"
#include "runtime/devices/cuda_emulated/Order.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace llmopt::emulated {

/// A stamp and whose it is, or something special.
class Record {
public:
  static constexpr int maxBlocks = (1 << 21) - 2;

  Record() = default;
  static Record access(int block, int who, uint32_t stamp) {
    return Record(uint64_t(stamp) << stampShift | uint64_t(block + 1) << whoBits |
                  uint64_t(who + 1));
  }
  /// An asynchronous operation of `who` is going to write.
  static Record pending(int block, int who) { return access(block, who, 0); }
  /// As a reader: no plain read since an atomic operation wrote.
  static Record atomic() { return Record(~uint64_t(0)); }
  /// As a reader: threads of more than one block.
  static Record manyBlocks() { return Record(~uint64_t(1)); }
  /// As a reader: more than one thread, found at `index` while `block` runs.
  static Record set(int block, uint32_t index) {
    return Record(several | uint64_t(index) << stampShift | uint64_t(block + 1) << whoBits);
  }

  bool none() const { return bits == 0; }
  bool isPending() const { return bits != 0 && bits >> stampShift == 0; }
  bool isAtomic() const { return *this == atomic(); }
  bool isManyBlocks() const { return *this == manyBlocks(); }
  bool isSet() const { return bits >= several && !isAtomic() && !isManyBlocks(); }
  uint32_t index() const { return uint32_t((bits & ~several) >> stampShift); }
  int block() const { return int(bits >> whoBits & ((1u << blockBits) - 1)) - 1; }
  int who() const { return int(bits & ((1u << whoBits) - 1)) - 1; }
  uint32_t stamp() const { return uint32_t(bits >> stampShift); }
  bool operator==(Record other) const { return bits == other.bits; }
  bool operator!=(Record other) const { return bits != other.bits; }

private:
  static constexpr uint32_t whoBits = 11, blockBits = 21, stampShift = whoBits + blockBits;
  static constexpr uint64_t several = uint64_t(1) << 63;
  explicit Record(uint64_t bits) : bits(bits) {}
  uint64_t bits = 0;
};

/// Records of consecutive bytes.
struct Cells {
  Record *writers;
  Record *readers;
  bool global;
};

/// Why an access may not be.
struct Conflict {
  enum class Kind { None, Unwritten, Pending, Race } kind = Kind::None;
  size_t byte = 0;         ///< the first one concerned
  bool otherWrote = false; ///< Race: the earlier access; else it read
  int otherThread = -1; ///< of Pending and Race; an agent's is not below the threads'; -1: several
  int otherBlock = -1;  ///< of a race between blocks

  explicit operator bool() const { return kind != Kind::None; }
};

/// Holds accesses of the running block against records and updates these.
class RaceDetector {
public:
  enum class Access { Read, Write, Atomic };

  /// `together`: blocks of the launch live at once.
  void startLaunch(bool together);
  void startBlock();
  /// This block runs from now on.
  void enterBlock(int block, int threads, const Order &order, const GridOrder &grid);

  /// Shared memory that nobody wrote may not be read; global memory was there before the launch.
  Conflict check(Access access, int thread, Cells cells, size_t bytes);
  /// For the start of an asynchronous write: as a write, but leaves the bytes pending.
  Conflict open(int thread, Cells cells, size_t bytes);
  /// The bytes are written, by `who`, a thread or an agent.
  void close(int who, uint32_t stamp, Cells cells, size_t bytes);

private:
  /// Several readers: per block and warp which lanes, and the latest stamp.
  struct BlockReads {
    int block = 0;
    std::array<uint32_t, 32> stamps = {}, lanes = {};
  };
  struct ReadSet {
    uint32_t bytes = 0; ///< that refer to it
    std::vector<BlockReads> blocks;

    BlockReads &of(int block);
    void add(int block, int who, uint32_t stamp);
  };

  bool knows(int thread, Record other) const;
  Conflict checkRun(Access access, int thread, Cells cells, size_t bytes);
  Conflict checkReaders(int thread, Record readers) const;
  bool knowsAll(int thread, const BlockReads &reads, int &unknown) const;
  bool knowsAll(int thread, const ReadSet &set) const;
  Record addReader(int thread, Record readers, uint32_t bytes);
  uint32_t newSet();
  void drop(Record readers, uint32_t bytes);

  const Order *order = nullptr;
  const GridOrder *grid = nullptr;
  bool together = false;
  int block = 0;
  size_t warps = 0;
  std::vector<ReadSet> sets;
  std::vector<uint32_t> freeSets;
};

/// Records of global memory, made where they are needed; those of an earlier launch are none.
class GlobalShadow {
public:
  static constexpr uintptr_t pageBytes = 1024;

  void startLaunch() { ++launch; }
  /// Of bytes up to the end of the page.
  Cells at(uintptr_t address);

private:
  struct Page {
    uint64_t launch = 0;
    Record writers[pageBytes], readers[pageBytes];
  };
  Page &find(uintptr_t number);

  uint64_t launch = 0;
  std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages;
  struct Recent {
    uintptr_t number = 0;
    Page *page = nullptr;
  };
  std::array<Recent, 256> recent;
};

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_SHADOW_H
