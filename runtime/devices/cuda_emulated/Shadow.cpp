#include "runtime/devices/cuda_emulated/Shadow.h"

#include <algorithm>
#include <cstring>

namespace llmopt::emulated {

void RaceDetector::startLaunch(bool newTogether) {
  together = newTogether;
  startBlock();
}

void RaceDetector::startBlock() {
  sets.clear();
  freeSets.clear();
}

void RaceDetector::enterBlock(int index, int threads, const Order &newOrder,
                              const GridOrder &newGrid) {
  block = index;
  warps = size_t(threads + 31) / 32;
  order = &newOrder;
  grid = &newGrid;
}

/// Are all of `count` records alike?
static bool alike(const Record *records, size_t count) {
  bool same = true;
  for (size_t i = 1; i < count; ++i)
    same &= records[i] == records[0];
  return same;
}

/// The number of leading bytes whose records are alike.
static size_t runLength(const Cells &cells, size_t bytes) {
  if (alike(cells.writers, bytes) && alike(cells.readers, bytes))
    return bytes;
  size_t n = 1;
  while (n < bytes && cells.writers[n] == cells.writers[0] && cells.readers[n] == cells.readers[0])
    ++n;
  return n;
}

static Cells advance(Cells cells, size_t bytes) {
  cells.writers += bytes;
  cells.readers += bytes;
  return cells;
}

Conflict RaceDetector::check(Access access, int thread, Cells cells, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    size_t run = runLength(cells, bytes - done);
    Conflict conflict = checkRun(access, thread, cells, run);
    if (conflict) {
      conflict.byte = done;
      return conflict;
    }
    cells = advance(cells, run);
    done += run;
  }
  return {};
}

/// Is the thread told of this access, by its block or through others?
bool RaceDetector::knows(int thread, Record other) const {
  return (other.block() == block && order->knows(thread, other.who(), other.stamp())) ||
         grid->knows(thread, other.block(), other.who(), other.stamp());
}

/// Bytes whose records are alike.
Conflict RaceDetector::checkRun(Access access, int thread, Cells cells, size_t bytes) {
  Record writer = cells.writers[0], readers = cells.readers[0];
  auto race = [&](Record other, bool wrote) {
    return Conflict{Conflict::Kind::Race, 0, wrote, other.who(),
                    other.block() == block ? -1 : other.block()};
  };

  // Against the last write.
  if (writer.none()) {
    if (!cells.global && access != Access::Write)
      return {Conflict::Kind::Unwritten};
  } else if (writer.isPending()) {
    return {Conflict::Kind::Pending, 0, true, writer.who()};
  } else if (access == Access::Atomic && readers.isAtomic()) {
    // Atomic operations do not race with each other.
  } else if (!knows(thread, writer)) {
    bool seen = readers.isAtomic() && writer.block() != block &&
                grid->observed(thread, writer.block(), writer.who(), writer.stamp());
    if (!seen)
      return race(writer, true);
  }

  // What a thread has made and then uses atomically, an mbarrier, others may use only if they know
  // that it was made: its plain write stays on record.
  if (access == Access::Atomic && !cells.global && readers.none() && writer.who() == thread)
    return {};

  Record own = Record::access(block, thread, order->clock(thread));
  if (access == Access::Read) {
    if (readers != own)
      std::fill_n(cells.readers, bytes, addReader(thread, readers, uint32_t(bytes)));
    return {};
  }

  // Against the reads since.
  if (!readers.none() && !readers.isAtomic()) {
    Conflict conflict = checkReaders(thread, readers);
    if (conflict)
      return conflict;
    drop(readers, uint32_t(bytes));
  }
  std::fill_n(cells.writers, bytes, own);
  std::fill_n(cells.readers, bytes, access == Access::Atomic ? Record::atomic() : Record());
  return {};
}

Conflict RaceDetector::open(int thread, Cells cells, size_t bytes) {
  Conflict conflict = check(Access::Write, thread, cells, bytes);
  if (!conflict)
    std::fill_n(cells.writers, bytes, Record::pending(block, thread));
  return conflict;
}

void RaceDetector::close(int who, uint32_t stamp, Cells cells, size_t bytes) {
  std::fill_n(cells.writers, bytes, Record::access(block, who, stamp));
}

//===------------------------------------------------------------------------------------------===//
// Readers
//===------------------------------------------------------------------------------------------===//

RaceDetector::BlockReads &RaceDetector::ReadSet::of(int block) {
  for (BlockReads &each : blocks)
    if (each.block == block)
      return each;
  blocks.emplace_back().block = block;
  return blocks.back();
}

void RaceDetector::ReadSet::add(int block, int who, uint32_t stamp) {
  BlockReads &reads = of(block);
  size_t warp = size_t(who) / 32;
  reads.stamps[warp] = std::max(reads.stamps[warp], stamp);
  reads.lanes[warp] |= 1u << who % 32;
}

Conflict RaceDetector::checkReaders(int thread, Record readers) const {
  auto race = [&](int who, int other) {
    return Conflict{Conflict::Kind::Race, 0, false, who, other == block ? -1 : other};
  };
  // Of these no more is known than whether there were several blocks.
  bool lost = readers.isManyBlocks() || (readers.isSet() && !together && readers.block() != block);
  if (lost) {
    if (grid->knowsAny(thread))
      return {};
    return race(-1, readers.isManyBlocks() ? -1 : readers.block());
  }
  if (!readers.isSet())
    return knows(thread, readers) ? Conflict{} : race(readers.who(), readers.block());
  for (const BlockReads &reads : sets[readers.index()].blocks) {
    int unknown = -1;
    if (!knowsAll(thread, reads, unknown))
      return race(unknown, reads.block);
  }
  return {};
}

bool RaceDetector::knowsAll(int thread, const BlockReads &reads, int &unknown) const {
  for (size_t warp = 0; warp < warps; ++warp) {
    uint32_t lanes = reads.lanes[warp], stamp = reads.stamps[warp];
    int first = static_cast<int>(warp) * 32;
    if (lanes == 0 ||
        (reads.block == block && stamp <= order->floorOf(thread, static_cast<int>(warp))) ||
        grid->knows(thread, reads.block, first, first + 32, stamp))
      continue;
    for (; lanes != 0; lanes &= lanes - 1) {
      int reader = first + __builtin_ctz(lanes);
      if (!knows(thread, Record::access(reads.block, reader, stamp))) {
        unknown = reader;
        return false;
      }
    }
  }
  return true;
}

bool RaceDetector::knowsAll(int thread, const ReadSet &set) const {
  int unknown = -1;
  return std::all_of(set.blocks.begin(), set.blocks.end(),
                     [&](const BlockReads &reads) { return knowsAll(thread, reads, unknown); });
}

/// The readers, and the thread as well: alone, if it knows of all others.
Record RaceDetector::addReader(int thread, Record readers, uint32_t bytes) {
  uint32_t stamp = order->clock(thread);
  Record own = Record::access(block, thread, stamp);
  if (readers.none() || readers.isAtomic())
    return own;
  if (readers.isManyBlocks() || (!together && readers.block() != block))
    return Record::manyBlocks();
  uint32_t index = 0;
  if (readers.isSet()) {
    index = readers.index();
    ReadSet &set = sets[index];
    BlockReads &reads = set.of(block);
    size_t warp = size_t(thread) / 32;
    if (reads.lanes[warp] >> thread % 32 & 1 && reads.stamps[warp] >= stamp)
      return readers;
    if (reads.lanes[warp] == 0 || reads.stamps[warp] < stamp) {
      if (knowsAll(thread, set)) {
        drop(readers, bytes);
        return own;
      }
    }
    if (set.bytes != bytes) {
      set.bytes -= bytes;
      uint32_t copy = newSet();
      sets[copy].blocks = sets[index].blocks;
      index = copy;
    }
  } else {
    if (knows(thread, readers))
      return own;
    index = newSet();
    sets[index].blocks.clear();
    sets[index].add(readers.block(), readers.who(), readers.stamp());
  }
  sets[index].bytes = bytes;
  sets[index].add(block, thread, stamp);
  return Record::set(block, index);
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
  if (!readers.isSet() || (!together && readers.block() != block))
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
  }
  uintptr_t byte = address % pageBytes;
  return {page.writers + byte, page.readers + byte, /*global=*/true};
}

GlobalShadow::Page &GlobalShadow::find(uintptr_t number) {
  std::unique_ptr<Page> &page = pages[number];
  if (!page)
    page = std::make_unique<Page>();
  return *page;
}

} // namespace llmopt::emulated
