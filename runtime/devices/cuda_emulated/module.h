//===- module.h - How the runtime finds the kernels of a module -------------------------------===//
//
// Included after a kernel's source, with LLMOPT_EMULATED_KERNELS(LLMOPT_EMULATED_KERNEL) a list of
// LLMOPT_EMULATED_KERNEL(name) for each of its kernels; and by the runtime, without.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_MODULE_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_MODULE_H

#include "runtime/devices/cuda_emulated/Machine.h"

#include <cstddef>
#include <type_traits>
#include <utility>

namespace llmopt::emulated {

struct KernelEntry {
  const char *name;
  /// Calls the kernel with the values that these point to.
  void (*call)(const void *const *parameters);
  size_t parameterCount;
  const size_t *parameterBytes;
};

/// What a module exports, as llmoptEmulatedModule.
struct ModuleEntry {
  Machine **machine;
  char *shared; ///< the dynamic shared memory of a block
  size_t sharedCapacity;
  const KernelEntry *kernels;
  size_t kernelCount;
};

/// Shared memory of a block of the largest card, and as much again as a guard needs.
constexpr size_t sharedCapacity = 228 * 1024 + 1024;

} // namespace llmopt::emulated

#ifdef LLMOPT_EMULATED_KERNELS

namespace llmopt::emulated {
template <auto Function> struct KernelCall;
template <class... Parameters, void (*Function)(Parameters...)> struct KernelCall<Function> {
  static constexpr size_t count = sizeof...(Parameters);
  static constexpr size_t bytes[] = {sizeof(Parameters)..., 0};

  template <size_t... I>
  LLMOPT_UNCHECKED static void call(const void *const *parameters, std::index_sequence<I...>) {
    Function(*static_cast<const std::remove_cv_t<Parameters> *>(parameters[I])...);
  }
  LLMOPT_UNCHECKED static void call(const void *const *parameters) {
    call(parameters, std::index_sequence_for<Parameters...>());
  }
};
} // namespace llmopt::emulated

extern "C" {
alignas(1024) __attribute__((
    visibility("hidden"))) char llmoptEmulatedShared[llmopt::emulated::sharedCapacity];

#define LLMOPT_EMULATED_KERNEL(name)                                                               \
  {#name, llmopt::emulated::KernelCall<name>::call, llmopt::emulated::KernelCall<name>::count,     \
   llmopt::emulated::KernelCall<name>::bytes},
static const llmopt::emulated::KernelEntry llmoptEmulatedKernels[] = {
    LLMOPT_EMULATED_KERNELS(LLMOPT_EMULATED_KERNEL)};

extern __attribute__((visibility("default")))
const llmopt::emulated::ModuleEntry llmoptEmulatedModule;
const llmopt::emulated::ModuleEntry llmoptEmulatedModule = {
    &llmopt::emulated::machine, llmoptEmulatedShared, sizeof llmoptEmulatedShared,
    llmoptEmulatedKernels, sizeof llmoptEmulatedKernels / sizeof *llmoptEmulatedKernels};
}

#endif // LLMOPT_EMULATED_KERNELS

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_MODULE_H
