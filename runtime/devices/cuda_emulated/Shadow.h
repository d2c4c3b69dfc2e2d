//===- Shadow.h - Who last touched each byte --------------------------------------------------===//
//
// For every byte of shared memory, and of global memory that a launch may write: its last writer
// and the readers since, as records of Order's stamps. An access is held against them: one that
// neither knows of the other is a race, if one of the two writes.
//
// Guarantees: inside a block the records are exact to the byte and thread, so what is reported is a
// race, and a race between the last write, the reads since and an access is reported. Not known:
// the place of the earlier access, reads before the last write, and which of several lanes of a
// warp read at which of its stamps (the latest is taken for all). Between blocks the last write and
// one reading block are known; after reads by several blocks, a writer that has acquired anything
// from another block is believed.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_SHADOW_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_SHADOW_H

#include "runtime/devices/cuda_emulated/GridOrder.h"
#include "runtime/devices/cuda_emulated/Order.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace llmopt::emulated {

/// A stamp and whose it is, or something special.
class Record {
public:
  Record() = default;
  static Record access(int who, uint32_t stamp) {
    return Record(stamp << whoBits | uint32_t(who + 1));
  }
  /// An asynchronous operation of `who` is going to write.
  static Record pending(int who) { return Record(uint32_t(who + 1)); }
  /// As a reader: no plain read since an atomic operation wrote.
  static Record atomic() { return Record(several - 1); }
  /// As a reader: more than one.
  static Record set(uint32_t index) { return Record(several | index); }

  bool none() const { return bits == 0; }
  bool isPending() const { return bits != 0 && bits >> whoBits == 0; }
  bool isAtomic() const { return bits == several - 1; }
  bool isSet() const { return bits >= several; }
  uint32_t index() const { return bits & ~several; }
  int who() const { return int(bits & ((1u << whoBits) - 1)) - 1; }
  uint32_t stamp() const { return bits >> whoBits; }
  bool operator==(Record other) const { return bits == other.bits; }
  bool operator!=(Record other) const { return bits != other.bits; }

private:
  static constexpr uint32_t whoBits = 11, several = 1u << 31;
  explicit Record(uint32_t bits) : bits(bits) {}
  uint32_t bits = 0;
};

/// Records of consecutive bytes. Global memory has the blocks too, from 1 on, 0 for none.
struct Cells {
  Record *writers;
  Record *readers;
  uint32_t *writerBlocks = nullptr;
  uint32_t *readerBlocks = nullptr;
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

/// Holds accesses of one block against records and updates these.
class RaceDetector {
public:
  enum class Access { Read, Write, Atomic };

  RaceDetector(const Order &order, GridOrder &grid) : order(order), grid(grid) {}
  void startBlock(int block, int threads);

  /// `address` is of the first byte. Shared memory that nobody wrote may not be read; global memory
  /// was there before the launch.
  Conflict check(Access access, int thread, Cells cells, size_t bytes, const void *address);
  /// For the start of an asynchronous write: as a write, but leaves the bytes pending.
  Conflict open(int thread, Cells cells, size_t bytes);
  /// The bytes are written, by `who`, a thread or an agent.
  void close(int who, uint32_t stamp, Cells cells, size_t bytes);

  /// After a barrier of the block, before its stamps begin anew (Order::rebase): what the barrier
  /// has ordered is of stamp 1 from now on.
  void rebase(Cells cells, size_t bytes);
  void rebaseSets();

private:
  /// Several readers: per warp, which lanes, and the latest stamp.
  struct ReadSet {
    uint32_t bytes = 0; ///< that refer to it
    uint32_t latest = 0;
    std::array<uint32_t, 32> stamps, lanes;
  };

  Conflict checkRun(Access access, int thread, Cells cells, size_t bytes, const void *address);
  Conflict checkReaders(int thread, Record readers) const;
  bool knowsAll(int thread, const ReadSet &set, int &unknown) const;
  Record addReader(int thread, Record readers, uint32_t bytes);
  uint32_t newSet();
  void drop(Record readers, uint32_t bytes);

  const Order &order;
  GridOrder &grid;
  uint32_t block = 0; ///< from 1 on
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
  /// Records of pageBytes each, of this launch.
  void forEachPage(const std::function<void(Cells)> &visit);

private:
  struct Page {
    uint64_t launch = 0;
    Record writers[pageBytes], readers[pageBytes];
    uint32_t writerBlocks[pageBytes], readerBlocks[pageBytes];
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
