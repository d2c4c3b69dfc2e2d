#include "runtime/devices/cuda_emulated/Shadow.h"

#include <algorithm>
#include <cstring>

namespace llmopt::emulated {

/// A block that stands for several that read.
constexpr uint32_t severalBlocks = 0xffffffffu;

void RaceDetector::startBlock(int index, int threads) {
  block = uint32_t(index) + 1;
  warps = size_t(threads + 31) / 32;
  sets.clear();
  freeSets.clear();
}

/// Are all of `count` values alike?
template <class T> static bool alike(const T *values, size_t count) {
  static_assert(sizeof(T) == 4, "two of them are compared at once");
  uint32_t first;
  std::memcpy(&first, values, 4);
  uint64_t both = first | uint64_t(first) << 32, differences = 0;
  size_t i = 0;
  for (; i + 2 <= count; i += 2) {
    uint64_t two;
    std::memcpy(&two, values + i, 8);
    differences |= two ^ both;
  }
  if (i < count) {
    uint32_t last;
    std::memcpy(&last, values + i, 4);
    differences |= last ^ first;
  }
  return differences == 0;
}

/// The number of leading bytes whose records are alike.
static size_t runLength(const Cells &cells, size_t bytes) {
  bool global = cells.writerBlocks != nullptr;
  if (alike(cells.writers, bytes) && alike(cells.readers, bytes) &&
      (!global || (alike(cells.writerBlocks, bytes) && alike(cells.readerBlocks, bytes))))
    return bytes;
  size_t n = 1;
  while (n < bytes && cells.writers[n] == cells.writers[0] &&
         cells.readers[n] == cells.readers[0] &&
         (!global || (cells.writerBlocks[n] == cells.writerBlocks[0] &&
                      cells.readerBlocks[n] == cells.readerBlocks[0])))
    ++n;
  return n;
}

static Cells advance(Cells cells, size_t bytes) {
  cells.writers += bytes;
  cells.readers += bytes;
  if (cells.writerBlocks) {
    cells.writerBlocks += bytes;
    cells.readerBlocks += bytes;
  }
  return cells;
}

Conflict RaceDetector::check(Access access, int thread, Cells cells, size_t bytes,
                             const void *address) {
  for (size_t done = 0; done < bytes;) {
    size_t run = runLength(cells, bytes - done);
    Conflict conflict =
        checkRun(access, thread, cells, run, static_cast<const char *>(address) + done);
    if (conflict) {
      conflict.byte = done;
      return conflict;
    }
    cells = advance(cells, run);
    done += run;
  }
  return {};
}

/// Bytes whose records are alike.
Conflict RaceDetector::checkRun(Access access, int thread, Cells cells, size_t bytes,
                                const void *address) {
  Record writer = cells.writers[0], readers = cells.readers[0];
  bool global = cells.writerBlocks != nullptr;
  uint32_t writerBlock = global ? cells.writerBlocks[0] : block;
  uint32_t readerBlock = global ? cells.readerBlocks[0] : block;

  // Against the last write.
  if (writer.none()) {
    if (!global && access != Access::Write)
      return {Conflict::Kind::Unwritten};
  } else if (writer.isPending()) {
    return {Conflict::Kind::Pending, 0, true, writer.who()};
  } else if (access == Access::Atomic && readers.isAtomic()) {
    // Atomic operations do not race with each other.
  } else if (writerBlock == block) {
    if (!order.knows(thread, writer.who(), writer.stamp()))
      return {Conflict::Kind::Race, 0, true, writer.who()};
  } else {
    int other = int(writerBlock) - 1;
    bool known = readers.isAtomic() ? grid.observed(thread, other, address)
                                    : grid.knows(thread, other, writer.who(), writer.stamp());
    if (!known)
      return {Conflict::Kind::Race, 0, true, writer.who(), other};
  }

  // What a thread has made and then uses atomically, an mbarrier, others may use only if they know
  // that it was made: its plain write stays on record.
  if (access == Access::Atomic && !global && readers.none() && writer.who() == thread)
    return {};

  Record own = Record::access(thread, order.clock(thread));
  if (access == Access::Read) {
    if (readers == own)
      return {};
    if (readerBlock == block || readerBlock == 0 || readers.none() || readers.isAtomic()) {
      Record now = addReader(thread, readers, uint32_t(bytes));
      std::fill_n(cells.readers, bytes, now);
      if (global)
        std::fill_n(cells.readerBlocks, bytes, block);
    } else if (readerBlock != severalBlocks) {
      std::fill_n(cells.readers, bytes, own);
      std::fill_n(cells.readerBlocks, bytes, severalBlocks);
    }
    return {};
  }

  // Against the reads since.
  if (!readers.none() && !readers.isAtomic()) {
    if (readerBlock == block) {
      Conflict conflict = checkReaders(thread, readers);
      if (conflict)
        return conflict;
      drop(readers, uint32_t(bytes));
    } else if (readerBlock == severalBlocks || readers.isSet()) {
      if (!grid.knowsAny(thread))
        return {Conflict::Kind::Race, 0, false, -1,
                readerBlock == severalBlocks ? -1 : int(readerBlock) - 1};
    } else if (!grid.knows(thread, int(readerBlock) - 1, readers.who(), readers.stamp())) {
      return {Conflict::Kind::Race, 0, false, readers.who(), int(readerBlock) - 1};
    }
  }
  std::fill_n(cells.writers, bytes, own);
  std::fill_n(cells.readers, bytes, access == Access::Atomic ? Record::atomic() : Record());
  if (global) {
    std::fill_n(cells.writerBlocks, bytes, block);
    std::fill_n(cells.readerBlocks, bytes, 0);
  }
  return {};
}

Conflict RaceDetector::open(int thread, Cells cells, size_t bytes) {
  Conflict conflict = check(Access::Write, thread, cells, bytes, nullptr);
  if (!conflict)
    std::fill_n(cells.writers, bytes, Record::pending(thread));
  return conflict;
}

void RaceDetector::close(int who, uint32_t stamp, Cells cells, size_t bytes) {
  std::fill_n(cells.writers, bytes, Record::access(who, stamp));
}

void RaceDetector::rebase(Cells cells, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    Record &writer = cells.writers[i], &readers = cells.readers[i];
    bool ownWrite = !cells.writerBlocks || cells.writerBlocks[i] == block;
    if (ownWrite && !writer.none() && !writer.isPending() &&
        order.knows(0, writer.who(), writer.stamp()))
      writer = Record::access(0, 1);
    if (!readers.isAtomic() && (!cells.readerBlocks || cells.readerBlocks[i] == block))
      readers = Record();
  }
}

void RaceDetector::rebaseSets() {
  sets.clear();
  freeSets.clear();
}

//===------------------------------------------------------------------------------------------===//
// Readers
//===------------------------------------------------------------------------------------------===//

Conflict RaceDetector::checkReaders(int thread, Record readers) const {
  if (!readers.isSet()) {
    if (!order.knows(thread, readers.who(), readers.stamp()))
      return {Conflict::Kind::Race, 0, false, readers.who()};
    return {};
  }
  int unknown = -1;
  if (!knowsAll(thread, sets[readers.index()], unknown))
    return {Conflict::Kind::Race, 0, false, unknown};
  return {};
}

bool RaceDetector::knowsAll(int thread, const ReadSet &set, int &unknown) const {
  if (set.latest <= order.blockFloor())
    return true;
  for (size_t warp = 0; warp < warps; ++warp)
    for (uint32_t lanes = set.lanes[warp]; lanes != 0; lanes &= lanes - 1) {
      int reader = static_cast<int>(warp) * 32 + __builtin_ctz(lanes);
      if (!order.knows(thread, reader, set.stamps[warp])) {
        unknown = reader;
        return false;
      }
    }
  return true;
}

Record RaceDetector::addReader(int thread, Record readers, uint32_t bytes) {
  uint32_t stamp = order.clock(thread);
  Record own = Record::access(thread, stamp);
  if (readers.none() || readers.isAtomic())
    return own;
  if (!readers.isSet() && order.knows(thread, readers.who(), readers.stamp()))
    return own;
  size_t warp = size_t(thread) / 32;
  uint32_t lane = 1u << thread % 32;
  uint32_t index = 0;
  if (readers.isSet()) {
    index = readers.index();
    if (sets[index].latest <= order.blockFloor()) {
      drop(readers, bytes);
      return own;
    }
    if (sets[index].lanes[warp] & lane && sets[index].stamps[warp] >= stamp)
      return readers;
    if (sets[index].bytes != bytes) {
      sets[index].bytes -= bytes;
      uint32_t copy = newSet();
      sets[copy] = sets[index];
      index = copy;
    }
  } else {
    index = newSet();
    ReadSet &set = sets[index];
    std::fill_n(set.stamps.begin(), warps, 0);
    std::fill_n(set.lanes.begin(), warps, 0);
    set.latest = readers.stamp();
    set.stamps[size_t(readers.who()) / 32] = readers.stamp();
    set.lanes[size_t(readers.who()) / 32] = 1u << readers.who() % 32;
  }
  ReadSet &set = sets[index];
  set.bytes = bytes;
  set.latest = std::max(set.latest, stamp);
  set.stamps[warp] = std::max(set.stamps[warp], stamp);
  set.lanes[warp] |= lane;
  return Record::set(index);
}

uint32_t RaceDetector::newSet() {
  if (freeSets.empty()) {
    sets.emplace_back();
    return uint32_t(sets.size() - 1);
  }
  uint32_t index = freeSets.back();
  freeSets.pop_back();
  return index;
}

void RaceDetector::drop(Record readers, uint32_t bytes) {
  if (!readers.isSet())
    return;
  ReadSet &set = sets[readers.index()];
  set.bytes -= bytes;
  if (set.bytes == 0)
    freeSets.push_back(readers.index());
}

//===------------------------------------------------------------------------------------------===//
// Global memory
//===------------------------------------------------------------------------------------------===//

Cells GlobalShadow::at(uintptr_t address) {
  uintptr_t number = address / pageBytes;
  Recent &slot = recent[number % recent.size()];
  if (!slot.page || slot.number != number)
    slot = {number, &find(number)};
  Page &page = *slot.page;
  if (page.launch != launch) {
    page.launch = launch;
    std::memset(static_cast<void *>(page.writers), 0, sizeof page.writers);
    std::memset(static_cast<void *>(page.readers), 0, sizeof page.readers);
    std::memset(page.writerBlocks, 0, sizeof page.writerBlocks);
    std::memset(page.readerBlocks, 0, sizeof page.readerBlocks);
  }
  uintptr_t byte = address % pageBytes;
  return {page.writers + byte, page.readers + byte, page.writerBlocks + byte,
          page.readerBlocks + byte};
}

void GlobalShadow::forEachPage(const std::function<void(Cells)> &visit) {
  for (auto &[number, page] : pages)
    if (page->launch == launch)
      visit({page->writers, page->readers, page->writerBlocks, page->readerBlocks});
}

GlobalShadow::Page &GlobalShadow::find(uintptr_t number) {
  std::unique_ptr<Page> &page = pages[number];
  if (!page)
    page = std::make_unique<Page>();
  return *page;
}

} // namespace llmopt::emulated
