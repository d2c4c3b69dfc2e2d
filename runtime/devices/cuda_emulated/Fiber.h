//===- Fiber.h - Stacks and switches between them ---------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_FIBER_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_FIBER_H

#include <cstddef>
#include <cstdint>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace llmopt::emulated {

/// A flow of control with a stack of its own. A fiber that is not running can be started anew at
/// any time; what was on its stack is forgotten, no destructor runs.
class Fiber {
public:
  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber &) = delete;
  Fiber &operator=(const Fiber &) = delete;

  /// Gives this object a stack, unless it has one. False if there is no memory for it. Without it
  /// the object stands for the flow of control that switches to others first.
  bool allocate();
  /// The next switch to this fiber calls entry(argument), which must not return. `number` spreads
  /// the stacks of many fibers over the cache.
  void start(void (*entry)(void *argument), void *argument, int number);
  /// Goes on with `to`; returns when somebody switches back here.
  void switchTo(Fiber &to);

  uintptr_t begin() const { return reinterpret_cast<uintptr_t>(stack); }
  static constexpr size_t bytes = 256 * 1024;
  /// Below the stack, that nobody may touch.
  static constexpr size_t guardBytes = 4096;

private:
  void prepare(char *top, void (*entry)(void *argument), void *argument);

  char *stack = nullptr;
#if defined(__x86_64__)
  void *stackPointer = nullptr;
#else
  static void enter(unsigned high, unsigned low);
  ucontext_t context;
  void (*entry)(void *) = nullptr;
  void *argument = nullptr;
#endif
};

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_FIBER_H
