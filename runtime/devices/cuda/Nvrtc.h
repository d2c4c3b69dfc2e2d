//===- Nvrtc.h - CUDA source to machine code, at run time -------------------------------------===//
//
// NVIDIA's run-time compiler, opened with dlopen: nothing is linked and no GPU is needed. Kernels
// need no header of the toolkit, so the library alone (of the toolkit, or of the Python wheel
// nvidia-cuda-nvrtc) is enough.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_NVRTC_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_NVRTC_H

#include "support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace llmopt {

/// A header by the name that #include gives it, "kernels/linear.cuh".
struct CudaHeader {
  std::string name;
  std::string content;
};

/// Machine code for one architecture.
struct CudaImage {
  std::string cubin;
  /// What the compiler said: warnings, and with `reportResources` registers and spills per kernel.
  std::string log;
  std::string ptx; ///< with `reportResources`: what the machine code was made of
};

struct CudaCompileOptions {
  std::string arch; ///< "sm_80", "sm_90a"
  bool reportResources = false;
};

/// The library, open. Copies share it; compile() may be called by several threads at once.
class Nvrtc {
public:
  /// See openToolkitLibrary; the environment's variable is LLMOPT_NVRTC.
  static Result<Nvrtc> open(const std::vector<std::string> &wheels = {});

  const std::string &path() const;
  /// 12.8 is {12, 8}.
  int majorVersion() const;
  int minorVersion() const;

  /// `name` is for messages. Headers are found by their names and without their folder; <stdint.h>
  /// is provided. An error holds the first line of the compiler's log that tells one, and the
  /// whole log after it.
  Result<CudaImage> compile(const std::string &name, const std::string &source,
                            const std::vector<CudaHeader> &headers,
                            const CudaCompileOptions &options) const;

  /// What compile() tells the compiler beside the architecture. Where a multiplication and an
  /// addition are to be one, the source says so: else the same line could round differently in two
  /// kernels, by what is inlined around it.
  static constexpr const char *standingOptions[] = {"--std=c++17", "--fmad=false"};

private:
  struct Library;
  explicit Nvrtc(std::shared_ptr<const Library> library) : library(std::move(library)) {}

  std::shared_ptr<const Library> library;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_NVRTC_H
