#include "runtime/devices/cpu/ThreadTeam.h"

#include "support/ThreadPool.h"

#include <climits>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace llmopt {

/// Spins of a team that has its cores for itself: tens of microseconds on the CPUs of these years.
static constexpr int patientSpins = 4000;
/// Spins of a team with more threads than cores: the one waited for may need this core.
static constexpr int hastySpins = 20;

static void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

//===- WaitWord -------------------------------------------------------------------------------===//

// A sleeper counts itself before the kernel compares the word; the waker changes the word before it
// looks at the count. Both sequentially consistent, so one of them sees the other.

void WaitWord::advance() {
  value.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers.load(std::memory_order_seq_cst) != 0)
    ::syscall(SYS_futex, &value, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void WaitWord::waitWhile(uint32_t old, int spins) {
  for (int i = 0; i < spins; ++i) {
    if (load() != old)
      return;
    relax();
  }
  while (load() == old) {
    sleepers.fetch_add(1, std::memory_order_seq_cst);
    ::syscall(SYS_futex, &value, FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
    sleepers.fetch_sub(1, std::memory_order_seq_cst);
  }
}

//===- ThreadTeam -----------------------------------------------------------------------------===//

static std::vector<int> allowedCores() {
  cpu_set_t set;
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &set))
        cores.push_back(core);
  return cores;
}

namespace {
/// Keeps the calling thread on one core for a scope. Not being allowed to is no error.
class CoreScope {
public:
  explicit CoreScope(const std::vector<int> &cores) {
    if (cores.empty() || ::sched_getaffinity(0, sizeof before, &before) != 0)
      return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cores[0], &set);
    pinned = ::sched_setaffinity(0, sizeof set, &set) == 0;
  }
  ~CoreScope() {
    if (pinned)
      ::sched_setaffinity(0, sizeof before, &before);
  }

private:
  cpu_set_t before;
  bool pinned = false;
};
} // namespace

ThreadTeam::ThreadTeam(int threads) : threads(threads) {
  std::vector<int> allowed = allowedCores();
  spins = threads <= availableThreads() ? patientSpins : hastySpins;
  if (threads > 1 && static_cast<size_t>(threads) == allowed.size())
    cores = std::move(allowed);
}

Result<std::unique_ptr<ThreadTeam>> ThreadTeam::create(int threads) {
  if (threads < 1 || threads > 1024)
    return makeError("{} threads: from 1 to 1024 are possible", threads);
  std::unique_ptr<ThreadTeam> team(new ThreadTeam(threads));
  LLMOPT_TRY(team->start());
  return team;
}

Status ThreadTeam::start() {
  for (int thread = 1; thread < threads; ++thread) {
    try {
      workers.emplace_back([this, thread] { work(thread); });
    } catch (const std::system_error &error) {
      return makeError("cannot start thread {} of {}: {}", thread + 1, threads, error.what());
    }
  }
  return success();
}

ThreadTeam::~ThreadTeam() {
  stopping = true;
  region.advance();
  for (std::thread &worker : workers)
    worker.join();
}

void ThreadTeam::work(int thread) {
  if (!cores.empty()) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cores[thread], &set);
    ::sched_setaffinity(0, sizeof set, &set);
  }
  for (uint32_t seen = 0;; ++seen) {
    region.waitWhile(seen, spins);
    if (stopping)
      return;
    (*body)(thread);
    barrier(thread);
  }
}

void ThreadTeam::run(const std::function<void(int)> &newBody) {
  CoreScope scope(cores);
  body = &newBody;
  region.advance();
  newBody(0);
  barrier(0);
}

void ThreadTeam::barrier(int) {
  if (threads == 1)
    return;
  uint32_t current = phase.load();
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) {
    arrived.store(0, std::memory_order_relaxed);
    phase.advance();
    return;
  }
  phase.waitWhile(current, spins);
}

} // namespace llmopt
