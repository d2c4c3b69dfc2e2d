#include "runtime/devices/cuda_emulated/Fiber.h"

#include <sys/mman.h>

// AddressSanitizer has to know on which stack it is.
#if defined(__SANITIZE_ADDRESS__)
#define LLMOPT_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LLMOPT_ADDRESS_SANITIZER
#endif
#endif
#ifdef LLMOPT_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace llmopt::emulated {

#if defined(__x86_64__)

// swapcontext() would ask the system to swap signal masks, at each switch.
asm(R"(
.pushsection .text
.p2align 4
.type llmopt_switch_fiber, @function
llmopt_switch_fiber:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size llmopt_switch_fiber, .-llmopt_switch_fiber
.type llmopt_enter_fiber, @function
llmopt_enter_fiber:
  movq %r12, %rdi
  callq *%r13
  ud2
.size llmopt_enter_fiber, .-llmopt_enter_fiber
.popsection
)");
extern "C" __attribute__((visibility("hidden"))) void llmopt_switch_fiber(void **from, void *to);
extern "C" __attribute__((visibility("hidden"))) void llmopt_enter_fiber();

void Fiber::prepare(char *top, void (*entry)(void *), void *argument) {
  // What a switch pops: r15, r14, r13, r12, rbx, rbp, and where it returns to. A call wants the
  // stack aligned to 16 bytes.
  void **frame = reinterpret_cast<void **>(top) - 9;
  for (int i = 0; i < 9; ++i)
    frame[i] = nullptr;
  frame[2] = reinterpret_cast<void *>(entry);
  frame[3] = argument;
  frame[6] = reinterpret_cast<void *>(llmopt_enter_fiber);
  stackPointer = frame;
}

void Fiber::switchTo(Fiber &to) { llmopt_switch_fiber(&stackPointer, to.stackPointer); }

#else

void Fiber::enter(unsigned high, unsigned low) {
  auto *self = reinterpret_cast<Fiber *>(uintptr_t(high) << 32 | low);
  self->entry(self->argument);
}

void Fiber::prepare(char *top, void (*newEntry)(void *), void *newArgument) {
  entry = newEntry;
  argument = newArgument;
  ::getcontext(&context);
  context.uc_stack.ss_sp = stack;
  context.uc_stack.ss_size = static_cast<size_t>(top - stack);
  context.uc_link = nullptr;
  auto self = reinterpret_cast<uintptr_t>(this);
  ::makecontext(&context, reinterpret_cast<void (*)()>(enter), 2, unsigned(self >> 32),
                unsigned(self));
}

void Fiber::switchTo(Fiber &to) { ::swapcontext(&context, &to.context); }

#endif

Fiber::~Fiber() {
  if (stack)
    ::munmap(stack - guardBytes, guardBytes + bytes);
}

bool Fiber::allocate() {
  if (stack)
    return true;
  void *memory = ::mmap(nullptr, guardBytes + bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return false;
  ::mprotect(memory, guardBytes, PROT_NONE);
  stack = static_cast<char *>(memory) + guardBytes;
  return true;
}

void Fiber::start(void (*entry)(void *argument), void *argument, int number) {
#ifdef LLMOPT_ADDRESS_SANITIZER
  ASAN_UNPOISON_MEMORY_REGION(stack, bytes);
#endif
  // Tops at the same place of their pages would all compete for the same lines of the cache.
  prepare(stack + bytes - size_t(number) % 16 * 256, entry, argument);
}

} // namespace llmopt::emulated
