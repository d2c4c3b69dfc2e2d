#include "support/Progress.h"

#include <fmt/format.h>

#include <cstdio>
#include <unistd.h>

namespace llmopt {

using Clock = std::chrono::steady_clock;

Progress::Progress(std::string label, uint64_t total, Unit unit, bool quiet)
    : label(std::move(label)), total(total), unit(unit), quiet(quiet),
      terminal(::isatty(STDERR_FILENO) != 0), start(Clock::now()), lastShown(start) {}

Progress::~Progress() {
  if (shown)
    show(/*last=*/true);
}

void Progress::advance(uint64_t amount) {
  std::lock_guard<std::mutex> lock(mutex);
  done += amount;
  if (quiet)
    return;
  // A terminal line may move often; a log gets a line every three seconds.
  auto interval = std::chrono::milliseconds(shown && terminal ? 200 : terminal ? 1000 : 3000);
  if (Clock::now() - lastShown >= interval)
    show(/*last=*/false);
}

void Progress::show(bool last) {
  lastShown = Clock::now();
  shown = true;
  double percent = total ? 100.0 * static_cast<double>(done) / static_cast<double>(total) : 100.0;
  std::string amount = unit == Unit::Bytes
                           ? fmt::format("{:.1f} of {:.1f} MB", static_cast<double>(done) / 1e6,
                                         static_cast<double>(total) / 1e6)
                           : fmt::format("{} of {}", done, total);
  fmt::print(stderr, "{}{}: {} ({:.0f} %){}", terminal ? "\r" : "", label, amount, percent,
             terminal ? (last ? "\n" : "") : "\n");
  std::fflush(stderr);
}

} // namespace llmopt
