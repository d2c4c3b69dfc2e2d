//===- EmulatedKernel.h - Small kernels on the emulated GPU -----------------------------------===//

#ifndef LLMOPT_TEST_UNIT_CUDA_EMULATED_EMULATEDKERNEL_H
#define LLMOPT_TEST_UNIT_CUDA_EMULATED_EMULATEDKERNEL_H

#include "runtime/devices/cuda_emulated/EmulatedDriver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace llmopt {

/// The headers of codegen/cuda/kernels, as an artifact carries them.
const std::vector<CudaHeader> &kernelHeaders();

/// A kernel `test(int *data)` of the given body, run on integers.
struct EmulatedRun {
  /// Of the kernel; `shared` is its dynamic shared memory. Messages count its lines as body.cu.
  std::string body;
  std::string before = ""; ///< the kernel
  int blocks = 1, threads = 32, sharedBytes = 1024;
  std::vector<int> data = std::vector<int>(256);
  bool writable = true;     ///< data
  bool fixed = false;       ///< data
  bool early = false;       ///< the launch
  bool cooperative = false; ///< the launch
  emulated::EmulatorOptions options = {};
  std::string arch = "sm_80";

  /// Compiles and runs it; `data` is what it left there.
  Status run();
  /// The message of the error; empty if there is none.
  std::string error() {
    Status status = run();
    return status ? "" : status.error().message();
  }
};

} // namespace llmopt

#endif // LLMOPT_TEST_UNIT_CUDA_EMULATED_EMULATEDKERNEL_H
