#include "runtime/devices/cuda_emulated/Faults.h"

#include <csignal>
#include <iterator>
#include <mutex>
#include <ucontext.h>

namespace llmopt::emulated {

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE};
static struct sigaction before[std::size(signals)];
static thread_local FaultGuard *guardOfThread = nullptr;

static const void *codeOf(const void *machineContext) {
#if defined(__x86_64__)
  auto *context = static_cast<const ucontext_t *>(machineContext);
  return reinterpret_cast<const void *>(context->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  auto *context = static_cast<const ucontext_t *>(machineContext);
  return reinterpret_cast<const void *>(context->uc_mcontext.pc);
#else
  return machineContext ? nullptr : machineContext;
#endif
}

/// Gives the signal to who had it before.
static void passOn(int signal, siginfo_t *info, void *machineContext) {
  for (size_t i = 0; i < std::size(signals); ++i) {
    if (signals[i] != signal)
      continue;
    if ((before[i].sa_flags & SA_SIGINFO) != 0)
      return before[i].sa_sigaction(signal, info, machineContext);
    if (before[i].sa_handler != SIG_DFL && before[i].sa_handler != SIG_IGN)
      return before[i].sa_handler(signal);
    // The instruction is tried again, and then ends the program.
    ::sigaction(signal, &before[i], nullptr);
  }
}

void FaultGuard::onSignal(int signal, void *info, void *machineContext) {
  auto *facts = static_cast<siginfo_t *>(info);
  // Those that somebody has sent have no positive code.
  if (!guardOfThread || facts->si_code <= 0)
    return passOn(signal, facts, machineContext);
  Fault fault;
  fault.kind = signal == SIGFPE ? Fault::Kind::Arithmetic : Fault::Kind::Memory;
  if (signal != SIGFPE && facts->si_code != SI_KERNEL)
    fault.address = reinterpret_cast<uintptr_t>(facts->si_addr);
  fault.code = codeOf(machineContext);
  guardOfThread->handler(guardOfThread->context, fault);
  passOn(signal, facts, machineContext);
}

void FaultGuard::install() {
  struct sigaction action{};
  action.sa_sigaction = [](int signal, siginfo_t *info, void *machineContext) {
    onSignal(signal, info, machineContext);
  };
  // A handler goes on elsewhere, so the signal is not to be blocked from then on.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (size_t i = 0; i < std::size(signals); ++i)
    ::sigaction(signals[i], &action, &before[i]);
}

FaultGuard::FaultGuard(Handler handler, void *context) : handler(handler), context(context) {
  static std::once_flag once;
  std::call_once(once, install);
  stack_t current{};
  ::sigaltstack(nullptr, &current);
  if ((current.ss_flags & SS_DISABLE) != 0) {
    constexpr size_t bytes = 64 * 1024;
    stack = std::make_unique<char[]>(bytes);
    stack_t own{};
    own.ss_sp = stack.get();
    own.ss_size = bytes;
    ::sigaltstack(&own, nullptr);
  }
  guardOfThread = this;
}

FaultGuard::~FaultGuard() {
  guardOfThread = nullptr;
  if (!stack)
    return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  ::sigaltstack(&none, nullptr);
}

} // namespace llmopt::emulated
