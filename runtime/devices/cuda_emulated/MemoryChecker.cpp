#include "runtime/devices/cuda_emulated/MemoryChecker.h"

#include <algorithm>
#include <cstring>

namespace llmopt::emulated {

void MemoryChecker::startLaunch(const GridLaunch &newLaunch) {
  launch = &newLaunch;
  sharedBegin = reinterpret_cast<uintptr_t>(newLaunch.shared);
  ranges.clear();
  recent = nullptr;
  for (const MemoryRange &range : newLaunch.memory)
    if (range.bytes > 0)
      ranges.push_back(&range);
  std::sort(ranges.begin(), ranges.end(),
            [](const MemoryRange *a, const MemoryRange *b) { return a->begin < b->begin; });
  overlapping = std::adjacent_find(ranges.begin(), ranges.end(),
                                   [](const MemoryRange *a, const MemoryRange *b) {
                                     return b->begin - a->begin < a->bytes;
                                   }) != ranges.end();
  counters.startLaunch();
  races.startLaunch(newLaunch.cooperative);
  global.startLaunch();
  anyWaited = false;
}

void MemoryChecker::startBlock(int block, BlockMemory &memory) {
  auto bytes = size_t(launch->sharedBytes);
  for (std::vector<Record> *records : {&memory.writers, &memory.readers}) {
    records->resize(bytes);
    std::memset(static_cast<void *>(records->data()), 0, bytes * sizeof(Record));
  }
  size_t pieces = launch->sharedCapacity / 16 + 1;
  if (memory.openReads.size() != pieces || memory.openReadCount > 0)
    memory.openReads.assign(pieces, 0);
  memory.openReadCount = 0;
  memory.fences.assign(size_t(launch->threads), {});
  memory.waits.assign(size_t(launch->threads), 0);
  memory.order.start(launch->threads);
  memory.grid.startBlock(block, memory.order, counters, launch->threads);
  if (!launch->cooperative)
    races.startBlock();
}

void MemoryChecker::enterBlock(int block, BlockMemory &memory) {
  own = &memory;
  races.enterBlock(block, launch->threads, memory.order, memory.grid);
}

void MemoryChecker::syncBlock() {
  own->grid.syncBlock();
  own->order.syncBlock();
}

void MemoryChecker::syncFirst(int count) {
  own->grid.syncFirst(count);
  own->order.syncFirst(count);
}

void MemoryChecker::syncLanes(int warp, uint32_t mask) {
  own->grid.syncLanes(warp, mask);
  own->order.syncLanes(warp, mask);
}

void MemoryChecker::syncThreads(const std::vector<uint32_t> &masks) {
  own->grid.syncThreads(masks);
  own->order.syncThreads(masks);
}

void MemoryChecker::release(int thread, const void *object) {
  own->grid.release(thread, object);
  own->order.release(thread, object);
}

void MemoryChecker::acquire(int thread, const void *object) {
  own->grid.acquire(thread, object);
  own->order.acquire(thread, object);
}

void MemoryChecker::forget(const void *object) {
  own->grid.forget(object);
  own->order.forget(object);
}

bool MemoryChecker::access(Access access, int thread, const void *address, size_t bytes) {
  uintptr_t offset = reinterpret_cast<uintptr_t>(address) - sharedBegin;
  if (offset < launch->sharedCapacity)
    return checkShared(access, thread, offset, bytes);
  return checkGlobal(access, thread, reinterpret_cast<uintptr_t>(address), bytes);
}

//===------------------------------------------------------------------------------------------===//
// Shared memory
//===------------------------------------------------------------------------------------------===//

bool MemoryChecker::sharedBounds(Access access, const void *address, size_t bytes) {
  uintptr_t offset = reinterpret_cast<uintptr_t>(address) - sharedBegin;
  if (offset < size_t(launch->sharedBytes) && bytes <= size_t(launch->sharedBytes) - offset)
    return true;
  if (!inShared(address))
    return fail(access, address, bytes, "where shared memory was expected");
  return fail(access, address, bytes, fmt::format("beyond its {} bytes", launch->sharedBytes));
}

bool MemoryChecker::checkShared(Access access, int thread, uintptr_t offset, size_t bytes) {
  const char *address = launch->shared + offset;
  if (offset + bytes > size_t(launch->sharedBytes))
    return sharedBounds(access, address, bytes);
  if (own->openReadCount > 0 && access != Access::Read && !checkOpenReads(offset, bytes))
    return fail(access, address, bytes, "which an asynchronous operation is still going to read");
  Conflict conflict = races.check(access, thread, sharedCells(offset), bytes);
  return !conflict || reportConflict(access, address, bytes, conflict);
}

bool MemoryChecker::openWrite(int thread, const void *to, size_t bytes) {
  if (!sharedBounds(Access::Write, to, bytes))
    return false;
  uintptr_t offset = reinterpret_cast<uintptr_t>(to) - sharedBegin;
  if (own->openReadCount > 0 && !checkOpenReads(offset, bytes))
    return fail(Access::Write, to, bytes, "which an asynchronous operation is still going to read");
  Conflict conflict = races.open(thread, sharedCells(offset), bytes);
  return !conflict || reportConflict(Access::Write, to, bytes, conflict);
}

bool MemoryChecker::closeWrite(int who, uint32_t stamp, const void *to, size_t bytes) {
  if (!sharedBounds(Access::Write, to, bytes))
    return false;
  races.close(who, stamp, sharedCells(reinterpret_cast<uintptr_t>(to) - sharedBegin), bytes);
  return true;
}

bool MemoryChecker::openRead(int thread, const void *from, size_t bytes) {
  if (!sharedBounds(Access::Read, from, bytes) || !access(Access::Read, thread, from, bytes))
    return false;
  uintptr_t offset = reinterpret_cast<uintptr_t>(from) - sharedBegin;
  int writer = 0;
  if (!isFenced(thread, offset, bytes, writer))
    return fail(Access::Read, from, bytes,
                fmt::format("by an asynchronous operation, but thread {} wrote it without "
                            "fenceAsyncSide() afterwards",
                            writer));
  for (uintptr_t i = offset / 16; i <= (offset + bytes - 1) / 16; ++i)
    ++own->openReads[i];
  ++own->openReadCount;
  return true;
}

bool MemoryChecker::closeRead(int thread, const void *from, size_t bytes) {
  uintptr_t offset = reinterpret_cast<uintptr_t>(from) - sharedBegin;
  for (uintptr_t i = offset / 16; i <= (offset + bytes - 1) / 16; ++i)
    --own->openReads[i];
  --own->openReadCount;
  return access(Access::Read, thread, from, bytes);
}

bool MemoryChecker::checkOpenReads(uintptr_t offset, size_t bytes) {
  for (uintptr_t i = offset / 16; i <= (offset + bytes - 1) / 16; ++i)
    if (own->openReads[i] > 0)
      return false;
  return true;
}

void MemoryChecker::fenceAsyncSide(int thread) {
  Order &order = own->order;
  own->fences[size_t(thread)] = {order.clock(thread), order.blockFloor(),
                                 thread < order.firstCount() ? order.firstFloor() : 0};
  order.advance(thread);
}

/// Is there a fence between what threads wrote and `thread`, in the writer or in `thread`? Known of
/// the latter is only what barriers of the block had ordered before it.
bool MemoryChecker::isFenced(int thread, uintptr_t offset, size_t bytes, int &writer) const {
  const BlockMemory::Fence &fence = own->fences[size_t(thread)];
  for (uintptr_t i = offset; i < offset + bytes; ++i) {
    Record record = own->writers[i];
    if (record.who() >= launch->threads ||
        record.stamp() <= own->fences[size_t(record.who())].stamp ||
        record.stamp() <= fence.floor ||
        (record.who() < own->order.firstCount() && record.stamp() <= fence.firstFloor))
      continue;
    writer = record.who();
    return false;
  }
  return true;
}

//===------------------------------------------------------------------------------------------===//
// Global memory
//===------------------------------------------------------------------------------------------===//

void MemoryChecker::waitForProducers(int thread) {
  // What was told after the first wait holds after another one too.
  if (own->waits[size_t(thread)] == 0)
    own->waits[size_t(thread)] = own->order.clock(thread);
  anyWaited = true;
}

/// Has the thread waited for the kernels ahead, or does it come after one that has?
bool MemoryChecker::mayTouchProducts(int thread) {
  if (!launch->early || own->waits[size_t(thread)] != 0)
    return true;
  for (int other = 0; other < launch->threads; ++other)
    if (own->waits[size_t(other)] != 0 &&
        own->order.knows(thread, other, own->waits[size_t(other)])) {
      own->waits[size_t(thread)] = own->order.clock(thread);
      return true;
    }
  return false;
}

/// The last range that begins at or before an address and has it, or null.
const MemoryRange *MemoryChecker::rangeOf(uintptr_t address) const {
  if (recent && address - recent->begin < recent->bytes && (recent->writable || !overlapping))
    return recent;
  auto after =
      std::upper_bound(ranges.begin(), ranges.end(), address,
                       [](uintptr_t at, const MemoryRange *range) { return at < range->begin; });
  // Ranges may overlap; one that may be written is preferred.
  const MemoryRange *found = nullptr;
  while (after != ranges.begin() && !(found && found->writable)) {
    const MemoryRange *range = *--after;
    if (address - range->begin < range->bytes && (!found || range->writable))
      found = range;
  }
  return recent = found;
}

bool MemoryChecker::checkGlobal(Access access, int thread, uintptr_t address, size_t bytes) {
  const void *pointer = reinterpret_cast<const void *>(address);
  if (launch->bounded) {
    const MemoryRange *range = rangeOf(address);
    if (!range)
      return fail(access, pointer, bytes, "which is no memory that the launch may touch");
    if (bytes > range->bytes - (address - range->begin))
      return fail(access, pointer, bytes, fmt::format("beyond its {} bytes", range->bytes));
    if (!range->fixed && !mayTouchProducts(thread))
      return fail(access, pointer, bytes,
                  "before it waits for the kernels ahead (gate.wait), which may still use it");
    if (!range->writable) {
      if (access != Access::Read)
        return fail(access, pointer, bytes, "which may only be read");
      return true;
    }
  }
  if (access != Access::Read)
    own->grid.wrote(thread);
  while (bytes > 0) {
    size_t part =
        std::min<size_t>(bytes, GlobalShadow::pageBytes - address % GlobalShadow::pageBytes);
    pointer = reinterpret_cast<const void *>(address);
    Conflict conflict = races.check(access, thread, global.at(address), part);
    if (conflict)
      return reportConflict(access, pointer, part, conflict);
    address += part;
    bytes -= part;
  }
  return true;
}

//===------------------------------------------------------------------------------------------===//
// Words
//===------------------------------------------------------------------------------------------===//

bool MemoryChecker::fail(Access access, const void *address, size_t bytes,
                         const std::string &what) {
  const char *verbs[] = {"reads", "writes", "changes"};
  text = fmt::format("{} {} byte{} at {}, {}", verbs[static_cast<int>(access)], bytes,
                     bytes == 1 ? "" : "s", describe(address), what);
  return false;
}

std::string MemoryChecker::describe(const void *address) const {
  auto at = reinterpret_cast<uintptr_t>(address);
  if (inShared(address))
    return fmt::format("byte {} of shared memory", at - sharedBegin);
  if (const MemoryRange *range = rangeOf(at))
    return fmt::format("byte {} of {}", at - range->begin, range->name);
  const MemoryRange *nearest = nullptr;
  uintptr_t nearestDistance = uintptr_t(1) << 30;
  for (const MemoryRange *range : ranges) {
    uintptr_t distance = at < range->begin ? range->begin - at : at - (range->begin + range->bytes);
    if (distance < nearestDistance) {
      nearest = range;
      nearestDistance = distance;
    }
  }
  if (!nearest)
    return fmt::format("address {:#x}", at);
  if (at < nearest->begin)
    return fmt::format("{} bytes before {}", nearestDistance, nearest->name);
  return fmt::format("byte {} of {}, which has {}", at - nearest->begin, nearest->name,
                     nearest->bytes);
}

std::string MemoryChecker::describe(const Conflict &conflict) const {
  std::string other = conflict.otherThread < 0 ? "another thread"
                      : conflict.otherThread >= launch->threads
                          ? "an asynchronous operation"
                          : fmt::format("thread {}", conflict.otherThread);
  if (conflict.otherBlock >= 0)
    other += fmt::format(" of block {}", conflict.otherBlock);
  else if (conflict.otherThread < 0)
    other += " of another block";
  switch (conflict.kind) {
  case Conflict::Kind::None:
    break;
  case Conflict::Kind::Unwritten:
    return "which nobody has written";
  case Conflict::Kind::Pending:
    return fmt::format("which an asynchronous operation of {} is still going to write", other);
  case Conflict::Kind::Race:
    return fmt::format("which {} {} and nothing orders the two: a race", other,
                       conflict.otherWrote ? "wrote" : "read");
  }
  return "";
}

bool MemoryChecker::reportConflict(Access access, const void *address, size_t bytes,
                                   const Conflict &conflict) {
  return fail(access, static_cast<const char *>(address) + conflict.byte, bytes - conflict.byte,
              describe(conflict));
}

} // namespace llmopt::emulated
