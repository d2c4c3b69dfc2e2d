//===- Faults.h - Signals of broken kernels, as errors ----------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_FAULTS_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_FAULTS_H

#include <csignal>
#include <cstdint>
#include <memory>

namespace llmopt::emulated {

/// What a processor does not do for a thread.
struct Fault {
  enum class Kind { None, Memory, Arithmetic, Trap } kind = Kind::None;
  uintptr_t address = 0;      ///< that was touched; 0: not known
  const void *code = nullptr; ///< that did it; null: not known
};

/// While this object lives, faults of the host thread that made it call `handler` in place of
/// ending the program; one object per thread. The handler runs on a stack of its own. It may not
/// allocate memory or take locks, and goes on elsewhere; if it returns, the fault is not its own.
/// Such faults, and those of other threads, are given to the handlers of signals that were there
/// before the first object, which are back after the last one.
class FaultGuard {
public:
  using Handler = void (*)(void *context, const Fault &fault);
  FaultGuard(Handler handler, void *context);
  ~FaultGuard();
  FaultGuard(const FaultGuard &) = delete;
  FaultGuard &operator=(const FaultGuard &) = delete;

private:
  static void onSignal(int signal, siginfo_t *facts, void *machineContext);
  static void install();
  static void remove();

  Handler handler;
  void *context;
  std::unique_ptr<char[]> stack; ///< null: the thread has one already
  sigset_t blocked;              ///< by the thread before
};

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_FAULTS_H
