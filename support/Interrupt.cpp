// Removing a folder is more than a signal handler may do, so the handler only wakes a thread that
// waits for it.

#include "support/Interrupt.h"

#include <csignal>
#include <filesystem>
#include <mutex>
#include <semaphore.h>
#include <set>
#include <thread>

namespace llmopt {

namespace {
struct Interrupts {
  std::mutex mutex;
  std::multiset<std::string> paths;
  sem_t arrived;
  volatile std::sig_atomic_t signal = 0;
};
} // namespace

/// Never destroyed: the thread may use it until the very end of the process.
static Interrupts &interrupts() {
  static Interrupts &instance = *new Interrupts;
  return instance;
}

static void onSignal(int signal) {
  interrupts().signal = signal;
  ::sem_post(&interrupts().arrived);
}

static void removeAndEnd() {
  while (::sem_wait(&interrupts().arrived) != 0)
    continue;
  // Never unlocked: nothing is created any more.
  interrupts().mutex.lock();
  std::error_code ignored;
  for (const std::string &path : interrupts().paths)
    std::filesystem::remove_all(path, ignored);
  int signal = interrupts().signal;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

static void watchSignals() {
  ::sem_init(&interrupts().arrived, 0, 0);
  std::thread(removeAndEnd).detach();
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now;
    ::sigaction(signal, nullptr, &now);
    if (now.sa_handler != SIG_DFL) // ignored, as by nohup, or somebody else's
      continue;
    now = {};
    now.sa_handler = onSignal;
    now.sa_flags = SA_RESTART;
    ::sigaction(signal, &now, nullptr);
  }
}

RemoveOnInterrupt::RemoveOnInterrupt(std::string path) : path(std::move(path)) {
  static std::once_flag once;
  std::call_once(once, watchSignals);
  std::lock_guard<std::mutex> lock(interrupts().mutex);
  interrupts().paths.insert(this->path);
}

RemoveOnInterrupt::~RemoveOnInterrupt() {
  std::lock_guard<std::mutex> lock(interrupts().mutex);
  interrupts().paths.erase(interrupts().paths.find(path));
}

} // namespace llmopt
