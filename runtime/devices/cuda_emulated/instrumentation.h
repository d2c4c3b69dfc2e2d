//===- instrumentation.h - Every load and store of a kernel is announced ----------------------===//
//
// GCC and Clang call these functions at every load and store of code that they compile with
// -fsanitize=thread, and at every misaligned one with -fsanitize=alignment. No sanitizer's library
// is linked: the functions are these. To be included once in a module.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_INSTRUMENTATION_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_INSTRUMENTATION_H

#include "runtime/devices/cuda_emulated/Machine.h"

#define LLMOPT_HOOK                                                                                \
  extern "C" LLMOPT_UNCHECKED __attribute__((visibility("hidden"), used, noinline))

namespace llmopt::emulated {
LLMOPT_UNCHECKED __attribute__((always_inline)) inline void
announce(const void *address, size_t bytes, bool isWrite, const void *caller) {
  Machine *now = machine;
  if (!now || reinterpret_cast<uintptr_t>(address) - now->stackBegin < now->stackBytes)
    return;
  now->access(address, bytes, isWrite, caller);
}
} // namespace llmopt::emulated

#define LLMOPT_ACCESS_HOOK(name, bytes, isWrite)                                                   \
  LLMOPT_HOOK void name(void *address) {                                                           \
    llmopt::emulated::announce(address, bytes, isWrite, __builtin_return_address(0));              \
  }
#define LLMOPT_ACCESS_HOOKS(bytes)                                                                 \
  LLMOPT_ACCESS_HOOK(__tsan_read##bytes, bytes, false)                                             \
  LLMOPT_ACCESS_HOOK(__tsan_write##bytes, bytes, true)                                             \
  LLMOPT_ACCESS_HOOK(__tsan_volatile_read##bytes, bytes, false)                                    \
  LLMOPT_ACCESS_HOOK(__tsan_volatile_write##bytes, bytes, true)                                    \
  LLMOPT_ACCESS_HOOK(__tsan_unaligned_read##bytes, bytes, false)                                   \
  LLMOPT_ACCESS_HOOK(__tsan_unaligned_write##bytes, bytes, true)                                   \
  LLMOPT_ACCESS_HOOK(__tsan_unaligned_volatile_read##bytes, bytes, false)                          \
  LLMOPT_ACCESS_HOOK(__tsan_unaligned_volatile_write##bytes, bytes, true)                          \
  LLMOPT_HOOK void __tsan_read_write##bytes(void *address) {                                       \
    llmopt::emulated::announce(address, bytes, false, __builtin_return_address(0));                \
    llmopt::emulated::announce(address, bytes, true, __builtin_return_address(0));                 \
  }
LLMOPT_ACCESS_HOOKS(1)
LLMOPT_ACCESS_HOOKS(2)
LLMOPT_ACCESS_HOOKS(4)
LLMOPT_ACCESS_HOOKS(8)
LLMOPT_ACCESS_HOOKS(16)

LLMOPT_HOOK void __tsan_read_range(void *address, size_t bytes) {
  llmopt::emulated::announce(address, bytes, false, __builtin_return_address(0));
}
LLMOPT_HOOK void __tsan_write_range(void *address, size_t bytes) {
  llmopt::emulated::announce(address, bytes, true, __builtin_return_address(0));
}
LLMOPT_HOOK void *__tsan_memcpy(void *to, const void *from, size_t bytes) {
  llmopt::emulated::announce(from, bytes, false, __builtin_return_address(0));
  llmopt::emulated::announce(to, bytes, true, __builtin_return_address(0));
  return __builtin_memcpy(to, from, bytes);
}
LLMOPT_HOOK void *__tsan_memmove(void *to, const void *from, size_t bytes) {
  llmopt::emulated::announce(from, bytes, false, __builtin_return_address(0));
  llmopt::emulated::announce(to, bytes, true, __builtin_return_address(0));
  return __builtin_memmove(to, from, bytes);
}
LLMOPT_HOOK void *__tsan_memset(void *to, int value, size_t bytes) {
  llmopt::emulated::announce(to, bytes, true, __builtin_return_address(0));
  return __builtin_memset(to, value, bytes);
}

LLMOPT_HOOK void __tsan_init() {}
LLMOPT_HOOK void __tsan_func_entry(void *) {}
LLMOPT_HOOK void __tsan_func_exit() {}
LLMOPT_HOOK void __tsan_vptr_update(void **, void *) {}
LLMOPT_HOOK void __tsan_vptr_read(void **) {}

// What -fsanitize=alignment calls; the data as in the compilers' ubsan/ubsan_handlers.h.
namespace llmopt::emulated {
struct MisalignedAccess {
  const char *file;
  uint32_t line, column;
  const void *type;
  unsigned char logAlignment;
  unsigned char kind;
};
} // namespace llmopt::emulated
LLMOPT_HOOK void __ubsan_handle_type_mismatch_v1(llmopt::emulated::MisalignedAccess *data,
                                                 uintptr_t address) {
  if (llmopt::emulated::machine)
    llmopt::emulated::machine->misaligned(reinterpret_cast<const void *>(address),
                                          size_t(1) << data->logAlignment, data->file,
                                          int(data->line));
}

namespace llmopt::emulated {
struct WrongAssumption {
  struct {
    const char *file;
    uint32_t line, column;
  } place, assumption;
  const void *type;
};
} // namespace llmopt::emulated
LLMOPT_HOOK void __ubsan_handle_alignment_assumption(llmopt::emulated::WrongAssumption *data,
                                                     uintptr_t address, uintptr_t alignment,
                                                     uintptr_t offset) {
  if (llmopt::emulated::machine)
    llmopt::emulated::machine->misaligned(reinterpret_cast<const void *>(address - offset),
                                          alignment, data->place.file, int(data->place.line));
}

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_INSTRUMENTATION_H
