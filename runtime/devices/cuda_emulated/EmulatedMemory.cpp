// What a kernel does to memory: checked accesses, asynchronous copies, and their order.

#include "runtime/devices/cuda_emulated/EmulatedMachine.h"

#include <cstring>

namespace llmopt::emulated {

void EmulatedMachine::checkAlignment(const void *address, size_t alignment, Site site) {
  if (reinterpret_cast<uintptr_t>(address) % alignment == 0)
    return;
  std::string where = checks ? memory.describe(address) : "an address";
  failWith(fmt::format("{} is not aligned to {} bytes", where, alignment), placeOf(site));
}

void EmulatedMachine::read(const void *from, size_t bytes, size_t alignment, Site site) {
  checkAlignment(from, alignment, site);
  if (!checks || thread < 0)
    return;
  Inside guard(*this);
  check(memory.access(Access::Read, thread, from, bytes), site);
}

void EmulatedMachine::write(void *to, size_t bytes, size_t alignment, Site site) {
  checkAlignment(to, alignment, site);
  if (!checks || thread < 0)
    return;
  Inside guard(*this);
  check(memory.access(Access::Write, thread, to, bytes), site);
}

/// What the emulator may need of a thread's stack.
constexpr uintptr_t ownStackBytes = 32 * 1024;

void EmulatedMachine::access(const void *address, size_t bytes, bool isWrite, const void *caller) {
  if (inside || !checks || thread < 0)
    return;
  Inside guard(*this);
  // What follows needs some of the thread's stack, and not in the middle of an allocation.
  const char here = 0;
  if (reinterpret_cast<uintptr_t>(&here) - stackBegin < ownStackBytes)
    failWith(stackOverflow(), launch->place ? launch->place(caller) : "");
  bool fine = memory.access(isWrite ? Access::Write : Access::Read, thread, address, bytes);
  if (memory.order().isExhausted())
    check(fine, Site{});
  if (!fine)
    failWith(memory.problem(), launch->place ? launch->place(caller) : "");
}

void EmulatedMachine::misaligned(const void *address, size_t alignment, const char *file,
                                 int line) {
  if (!inside)
    checkAlignment(address, alignment, {file, line, 0});
}

void EmulatedMachine::atomic(void *address, size_t bytes, Site site) {
  checkAlignment(address, bytes, site);
  if (!checks)
    return;
  Inside guard(*this);
  check(memory.access(Access::Atomic, thread, address, bytes), site);
}

void EmulatedMachine::openWrite(void *to, size_t bytes, size_t alignment, Site site) {
  checkAlignment(to, alignment, site);
  Inside guard(*this);
  if (checks)
    check(memory.openWrite(thread, to, bytes), site);
  std::memset(to, 0xff, bytes);
}

void EmulatedMachine::closeWrite(void *to, size_t bytes, const void *object) {
  if (!checks)
    return;
  Inside guard(*this);
  int who = thread;
  uint32_t stamp = 0;
  if (object) {
    who = memory.order().agentOf(object);
    if (who < 0)
      failWith("more asynchronous objects in a block than the emulator can follow", "");
    stamp = memory.order().step(who, object);
  } else {
    stamp = memory.order().clock(thread);
  }
  check(memory.closeWrite(who, stamp, to, bytes), Site{});
}

void EmulatedMachine::openRead(const void *from, size_t bytes, size_t alignment, Site site) {
  checkAlignment(from, alignment, site);
  if (!checks)
    return;
  Inside guard(*this);
  check(memory.openRead(thread, from, bytes), site);
}

void EmulatedMachine::closeRead(const void *from, size_t bytes) {
  if (!checks)
    return;
  Inside guard(*this);
  check(memory.closeRead(thread, from, bytes), Site{});
}

//===------------------------------------------------------------------------------------------===//
// Copies
//===------------------------------------------------------------------------------------------===//

void EmulatedMachine::copyAsync(void *shared, const void *global, int bytes, int zeros, Site site) {
  checkAlignment(shared, size_t(bytes), site);
  checkAlignment(global, size_t(bytes), site);
  Inside guard(*this);
  if (checks) {
    if (zeros < bytes)
      check(memory.access(Access::Read, thread, global, size_t(bytes - zeros)), site);
    check(memory.openWrite(thread, shared, size_t(bytes)), site);
  }
  std::memset(shared, 0xff, size_t(bytes));
  now->copies[size_t(thread)].list.push_back(
      {static_cast<char *>(shared), static_cast<const char *>(global), bytes, zeros});
}

void EmulatedMachine::commitCopies() {
  Inside guard(*this);
  Copies &own = now->copies[size_t(thread)];
  own.groups.push_back(own.list.size());
}

void EmulatedMachine::waitCopies(int pending) {
  Inside guard(*this);
  Copies &own = now->copies[size_t(thread)];
  while (own.groups.size() - own.firstGroup > size_t(pending))
    makeCopies(own.groups[own.firstGroup++]);
  if (own.firstGroup == own.groups.size() && own.first == own.list.size())
    own.clear();
}

/// Makes the current thread's copies up to `end`.
void EmulatedMachine::makeCopies(size_t end) {
  Copies &own = now->copies[size_t(thread)];
  uint32_t stamp = checks ? memory.order().clock(thread) : 0;
  for (; own.first < end; ++own.first)
    makeCopy(own.list[own.first], thread, stamp);
}

void EmulatedMachine::makeCopy(const Copy &copy, int who, uint32_t stamp) {
  if (checks)
    check(memory.closeWrite(who, stamp, copy.to, size_t(copy.bytes)), Site{});
  std::memcpy(copy.to, copy.from, size_t(copy.bytes - copy.zeros));
  std::memset(copy.to + copy.bytes - copy.zeros, 0, size_t(copy.zeros));
}

void EmulatedMachine::deferCopies(const void *queue, const void *object, Operation run,
                                  const void *closure, size_t bytes) {
  Inside guard(*this);
  Copies &own = now->copies[size_t(thread)];
  // The copies move to the operation, which lives in `moved` until it has run.
  now->moved.push_back({object, run, {}, {own.list.begin() + long(own.first), own.list.end()}});
  now->moved.back().closure.resize((bytes + 7) / 8);
  std::memcpy(now->moved.back().closure.data(), closure, bytes);
  own.clear();
  struct {
    EmulatedMachine *machine;
    MovedCopies *moved;
  } both{this, &now->moved.back()};
  now->scheduler.defer(
      queue,
      [](void *argument) {
        auto *call = static_cast<decltype(both) *>(argument);
        call->machine->makeMoved(*call->moved);
      },
      &both, sizeof both);
}

void EmulatedMachine::makeMoved(MovedCopies &own) {
  int who = -1;
  uint32_t stamp = 0;
  if (checks) {
    who = memory.order().agentOf(own.object);
    if (who < 0)
      failWith("more asynchronous objects in a block than the emulator can follow", "");
    stamp = memory.order().step(who, own.object);
  }
  for (const Copy &copy : own.copies)
    makeCopy(copy, who, stamp);
  own.run(own.closure.data());
}

//===------------------------------------------------------------------------------------------===//
// Order
//===------------------------------------------------------------------------------------------===//

void EmulatedMachine::release(const void *object) {
  if (!checks || thread < 0) // an asynchronous operation has told it by closeWrite()
    return;
  Inside guard(*this);
  memory.release(thread, object);
}

void EmulatedMachine::acquire(const void *object) {
  if (!checks)
    return;
  Inside guard(*this);
  memory.acquire(thread, object);
}

void EmulatedMachine::forget(const void *object) {
  if (!checks)
    return;
  Inside guard(*this);
  memory.forget(object);
}

void EmulatedMachine::fenceAsyncSide() {
  if (!checks)
    return;
  Inside guard(*this);
  memory.fenceAsyncSide(thread);
}

void EmulatedMachine::waitForProducers() {
  if (!checks)
    return;
  Inside guard(*this);
  memory.waitForProducers(thread);
}

void EmulatedMachine::fence(bool device) {
  if (!checks || !device)
    return;
  Inside guard(*this);
  memory.fence(thread);
}

} // namespace llmopt::emulated
