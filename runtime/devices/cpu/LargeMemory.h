//===- LargeMemory.h - Memory in large pages, zeroed ------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CPU_LARGEMEMORY_H
#define LLMOPT_RUNTIME_DEVICES_CPU_LARGEMEMORY_H

#include "support/Error.h"

#include <cstdint>
#include <string>

namespace llmopt {

/// An owned range of zeroed memory, aligned to 4 KiB, and to 2 MiB with large pages where it has as
/// many. The system commits it as it is touched.
class LargeMemory {
public:
  /// `what` is for the message: "a cache of 64 pages".
  static Result<LargeMemory> allocate(uint64_t bytes, const std::string &what);
  LargeMemory() = default;
  LargeMemory(LargeMemory &&other) noexcept { *this = std::move(other); }
  LargeMemory &operator=(LargeMemory &&other) noexcept;
  ~LargeMemory() { release(); }

  uint8_t *data() const { return begin; }
  uint64_t bytes() const { return size; }

private:
  void release();

  void *mapping = nullptr;
  uint64_t mappingBytes = 0;
  uint8_t *begin = nullptr;
  uint64_t size = 0;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CPU_LARGEMEMORY_H
