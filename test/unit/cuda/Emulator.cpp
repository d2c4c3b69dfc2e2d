//===- Emulator.cpp - A block's threads as fibers ---------------------------------------------===//

#include "test/unit/cuda/emulated.h"

#include <ucontext.h>

#include <deque>
#include <memory>
#include <vector>

namespace llmopt::cuda {

namespace {
enum class Wait { None, Warp, Block, Done };

struct Copy {
  void *to;
  const void *from; ///< null: zeros
};

struct Fiber {
  static constexpr size_t stackBytes = 256 * 1024;
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[stackBytes]};
  Wait wait = Wait::None;
  int parity = 0;
  std::vector<Copy> open;               ///< copies since the last commit
  std::deque<std::vector<Copy>> groups; ///< committed, not made yet
};

struct Warp {
  uint32_t exchanged[2][32 * 8] = {};
};

struct Block {
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  char *shared = nullptr;
  const std::function<void(char *)> *body = nullptr;
  int index = 0;
  int current = 0;
  ucontext_t scheduler;
  std::string error;
};

Block *block = nullptr;

Fiber &self() { return block->fibers[size_t(block->current)]; }

void pause(Wait wait) {
  self().wait = wait;
  ::swapcontext(&self().context, &block->scheduler);
}

void runFiber() {
  (*block->body)(block->shared);
  pause(Wait::Done);
}

void start(Fiber &fiber) {
  fiber.wait = Wait::None;
  fiber.open.clear();
  fiber.groups.clear();
  ::getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = Fiber::stackBytes;
  fiber.context.uc_link = nullptr;
  ::makecontext(&fiber.context, runFiber, 0);
}

/// Releases the fibers [begin, end) if all that are not done wait for `wait`.
bool release(size_t begin, size_t end, Wait wait) {
  bool any = false;
  for (size_t i = begin; i < end; ++i) {
    Wait now = block->fibers[i].wait;
    if (now != wait && now != Wait::Done)
      return false;
    any |= now == wait;
  }
  for (size_t i = begin; any && i < end; ++i)
    if (block->fibers[i].wait == wait)
      block->fibers[i].wait = Wait::None;
  return any;
}

/// Runs the block's fibers until all are done or none can go on.
std::string runBlock() {
  size_t count = block->fibers.size();
  for (;;) {
    for (size_t i = 0; i < count; ++i)
      if (block->fibers[i].wait == Wait::None) {
        block->current = static_cast<int>(i);
        ::swapcontext(&block->scheduler, &block->fibers[i].context);
        if (!block->error.empty())
          return block->error;
      }
    bool released = false;
    for (size_t warp = 0; warp < count; warp += 32)
      released |= release(warp, warp + 32, Wait::Warp);
    if (!released)
      released = release(0, count, Wait::Block);
    if (released)
      continue;
    for (size_t i = 0; i < count; ++i)
      if (block->fibers[i].wait != Wait::Done)
        return "block " + std::to_string(block->index) + ", thread " + std::to_string(i) +
               " waits at a barrier that others do not reach";
    return "";
  }
}

void fail(const std::string &message) {
  block->error = "block " + std::to_string(block->index) + ", thread " +
                 std::to_string(block->current) + ": " + message;
  pause(Wait::Done);
}
} // namespace

std::string emulate(int blocks, int threads, int sharedBytes, bool fallingOrder,
                    const std::function<void(char *shared)> &body) {
  constexpr size_t canary = 1024;
  Block state;
  state.fibers.resize(size_t(threads));
  state.warps.resize(size_t(threads) / 32);
  state.body = &body;
  std::vector<char> memory(size_t(sharedBytes) + canary + 128);
  state.shared =
      reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(memory.data()) + 127) / 128 * 128);
  block = &state;
  std::string error;
  for (int i = 0; i < blocks && error.empty(); ++i) {
    state.index = fallingOrder ? blocks - 1 - i : i;
    std::memset(state.shared, 0xff, size_t(sharedBytes) + canary);
    for (Fiber &fiber : state.fibers)
      start(fiber);
    error = runBlock();
    for (size_t c = 0; c < canary && error.empty(); ++c)
      if (state.shared[size_t(sharedBytes) + c] != char(0xff))
        error = "block " + std::to_string(state.index) + " wrote past its shared memory";
  }
  block = nullptr;
  return error;
}

int threadIndex() { return block->current; }
int blockIndex() { return block->index; }
void syncThreads() { pause(Wait::Block); }
void syncWarp() { pause(Wait::Warp); }

const uint32_t *exchange(const void *value, int words) {
  Fiber &fiber = self();
  fiber.parity = 1 - fiber.parity;
  // The buffer before is still being read by lanes that have not come here.
  uint32_t *buffer = block->warps[size_t(block->current) / 32].exchanged[fiber.parity];
  std::memcpy(buffer + block->current % 32 * 8, value, size_t(words) * 4);
  syncWarp();
  return buffer;
}

void copyAsync(void *shared, const void *global, bool valid) {
  if (reinterpret_cast<uintptr_t>(shared) % 16 || reinterpret_cast<uintptr_t>(global) % 16)
    return fail("an asynchronous copy is not aligned");
  self().open.push_back({shared, valid ? global : nullptr});
}

void commitCopies() {
  self().groups.push_back(std::move(self().open));
  self().open.clear();
}

void waitCopies(int pending) {
  auto &groups = self().groups;
  for (; groups.size() > size_t(pending); groups.pop_front())
    for (const Copy &copy : groups.front()) {
      if (copy.from)
        std::memcpy(copy.to, copy.from, 16);
      else
        std::memset(copy.to, 0, 16);
    }
}

/// Element (row, column) of matrix m, whose rows' addresses the lanes have exchanged.
static uint16_t matrixElement(const uint32_t *addresses, int m, int row, int column) {
  const char *from;
  std::memcpy(&from, addresses + (m * 8 + row) * 8, sizeof(from));
  uint16_t bits;
  std::memcpy(&bits, from + column * 2, 2);
  return bits;
}

void loadMatrices(unsigned (&to)[4], const void *shared) {
  if (reinterpret_cast<uintptr_t>(shared) % 16)
    return fail("a row of a matrix is not aligned");
  const uint32_t *addresses = exchange(&shared, 2);
  int g = threadIndex() % 32 / 4, t = threadIndex() % 4;
  for (int m = 0; m < 4; ++m)
    to[m] = matrixElement(addresses, m, g, 2 * t) |
            unsigned(matrixElement(addresses, m, g, 2 * t + 1)) << 16;
}

void loadMatricesTransposed(unsigned (&to)[4], const void *shared) {
  if (reinterpret_cast<uintptr_t>(shared) % 16)
    return fail("a row of a matrix is not aligned");
  const uint32_t *addresses = exchange(&shared, 2);
  int g = threadIndex() % 32 / 4, t = threadIndex() % 4;
  for (int m = 0; m < 4; ++m)
    to[m] = matrixElement(addresses, m, 2 * t, g) |
            unsigned(matrixElement(addresses, m, 2 * t + 1, g)) << 16;
}

void multiplyPairs(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                   float (*toFloat)(uint16_t)) {
  unsigned own[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  const uint32_t *registers = exchange(own, 6);
  auto element = [&](int lane, int index, int k) {
    return toFloat(uint16_t(registers[lane * 8 + index] >> (k % 2 * 16)));
  };
  int g = threadIndex() % 32 / 4, t = threadIndex() % 4;
  for (int i = 0; i < 4; ++i) {
    int row = g + i / 2 * 8, column = 2 * t + i % 2;
    for (int k = 0; k < 16; ++k)
      sums[i] += element(row % 8 * 4 + k % 8 / 2, row / 8 + k / 8 * 2, k) *
                 element(column * 4 + k % 8 / 2, 4 + k / 8, k);
  }
}

} // namespace llmopt::cuda
