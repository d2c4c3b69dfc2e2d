//===- Interrupt.h - Temporary files go, even when the program is interrupted -----------------===//

#ifndef LLMOPT_SUPPORT_INTERRUPT_H
#define LLMOPT_SUPPORT_INTERRUPT_H

#include <string>

namespace llmopt {

/// As long as the object lives, `path` (a file, or a folder with all in it) is removed when SIGINT,
/// SIGTERM or SIGHUP ends the program; the signal then does what it would have done.
class RemoveOnInterrupt {
public:
  explicit RemoveOnInterrupt(std::string path);
  ~RemoveOnInterrupt();
  RemoveOnInterrupt(const RemoveOnInterrupt &) = delete;
  RemoveOnInterrupt &operator=(const RemoveOnInterrupt &) = delete;

private:
  std::string path;
};

} // namespace llmopt

#endif // LLMOPT_SUPPORT_INTERRUPT_H
