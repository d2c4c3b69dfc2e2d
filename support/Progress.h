//===- Progress.h - A line on standard error for work that takes a while ----------------------===//

#ifndef LLMOPT_SUPPORT_PROGRESS_H
#define LLMOPT_SUPPORT_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace llmopt {

/// Shows "label: 12.3 of 40.0 MB (31 %)" on standard error, rewritten in place on a terminal and a
/// line every few seconds elsewhere. Nothing is shown for work of under a second. Thread-safe.
class Progress {
public:
  enum class Unit { Count, Bytes };
  Progress(std::string label, uint64_t total, Unit unit, bool quiet);
  ~Progress();

  void advance(uint64_t amount);

private:
  void show(bool last);

  const std::string label;
  const uint64_t total;
  const Unit unit;
  const bool quiet;
  const bool terminal;
  std::mutex mutex;
  uint64_t done = 0;
  bool shown = false;
  std::chrono::steady_clock::time_point start;
  std::chrono::steady_clock::time_point lastShown;
};

} // namespace llmopt

#endif // LLMOPT_SUPPORT_PROGRESS_H
