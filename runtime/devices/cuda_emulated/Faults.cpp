#include "runtime/devices/cuda_emulated/Faults.h"

#include <csignal>
#include <iterator>
#include <mutex>
#include <ucontext.h>

namespace llmopt::emulated {

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static struct sigaction before[std::size(signals)];
static std::mutex guardsInUse;
static int guardCount = 0; ///< of all threads
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
    bool sent = info->si_code <= 0;
    if (sent && before[i].sa_handler == SIG_IGN)
      return;
    // Ends the program, now or when the instruction is tried again.
    ::signal(signal, SIG_DFL);
    if (sent)
      ::raise(signal);
  }
}

void FaultGuard::onSignal(int signal, siginfo_t *facts, void *machineContext) {
  // Those that somebody has sent have no positive code.
  if (!guardOfThread || facts->si_code <= 0)
    return passOn(signal, facts, machineContext);
  Fault fault;
  fault.kind = signal == SIGFPE   ? Fault::Kind::Arithmetic
               : signal == SIGILL ? Fault::Kind::Trap
                                  : Fault::Kind::Memory;
  if (fault.kind == Fault::Kind::Memory && facts->si_code != SI_KERNEL)
    fault.address = reinterpret_cast<uintptr_t>(facts->si_addr);
  fault.code = codeOf(machineContext);
  guardOfThread->handler(guardOfThread->context, fault);
  passOn(signal, facts, machineContext);
}

void FaultGuard::install() {
  struct sigaction action{};
  action.sa_sigaction = onSignal;
  // A handler goes on elsewhere, so the signal is not to be blocked from then on.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (size_t i = 0; i < std::size(signals); ++i)
    ::sigaction(signals[i], &action, &before[i]);
}

/// What the program has changed meanwhile stays.
void FaultGuard::remove() {
  for (size_t i = 0; i < std::size(signals); ++i) {
    struct sigaction now{};
    ::sigaction(signals[i], nullptr, &now);
    if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == onSignal)
      ::sigaction(signals[i], &before[i], nullptr);
  }
}

FaultGuard::FaultGuard(Handler handler, void *context) : handler(handler), context(context) {
  {
    std::lock_guard<std::mutex> lock(guardsInUse);
    if (guardCount++ == 0)
      install();
  }
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
  // A fault while its signal is blocked would end the program.
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (int signal : signals)
    ::sigaddset(&wanted, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &wanted, &blocked);
}

FaultGuard::~FaultGuard() {
  ::pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
  guardOfThread = nullptr;
  if (stack) {
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    ::sigaltstack(&none, nullptr);
  }
  std::lock_guard<std::mutex> lock(guardsInUse);
  if (--guardCount == 0)
    remove();
}

} // namespace llmopt::emulated
