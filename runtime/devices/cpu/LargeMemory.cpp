#include "runtime/devices/cpu/LargeMemory.h"

#include <sys/mman.h>
#include <utility>

namespace llmopt {

static constexpr uint64_t largePage = uint64_t(1) << 21;

Result<LargeMemory> LargeMemory::allocate(uint64_t bytes, const std::string &what) {
  LargeMemory memory;
  if (bytes == 0)
    return memory;
  uint64_t slack = bytes >= largePage ? largePage : 0;
  if (bytes > (uint64_t(1) << 50))
    return makeError("{} would take {} bytes of memory", what, bytes);
  void *address =
      ::mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED)
    return makeError("{} takes {} bytes of memory, which the system does not give", what, bytes);
  memory.mapping = address;
  memory.mappingBytes = bytes + slack;
  memory.size = bytes;
  memory.begin = static_cast<uint8_t *>(address);
  if (slack)
    memory.begin += (largePage - reinterpret_cast<uint64_t>(address) % largePage) % largePage;
  // Advice only: where there are no large pages, small ones serve.
  if (slack)
    ::madvise(memory.begin, bytes, MADV_HUGEPAGE);
  return memory;
}

LargeMemory &LargeMemory::operator=(LargeMemory &&other) noexcept {
  if (this != &other) {
    release();
    mapping = std::exchange(other.mapping, nullptr);
    mappingBytes = std::exchange(other.mappingBytes, 0);
    begin = std::exchange(other.begin, nullptr);
    size = std::exchange(other.size, 0);
  }
  return *this;
}

void LargeMemory::release() {
  if (mapping)
    ::munmap(mapping, mappingBytes);
}

} // namespace llmopt
