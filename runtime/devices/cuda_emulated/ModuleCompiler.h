//===- ModuleCompiler.h - CUDA source to a module of the host ---------------------------------===//
//
// By the system's C++ compiler, $CXX or else c++, with the emulator's headers, which the runtime
// carries. Modules are kept in $XDG_CACHE_HOME/llmopt/emulated, or ~/.cache/llmopt/emulated, by
// what they are made from: source, headers, options and compiler. The cache only saves time: one
// that cannot be read or written is done without, a damaged entry is made again.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_MODULECOMPILER_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_MODULECOMPILER_H

#include "runtime/devices/cuda/Driver.h"
#include "runtime/devices/cuda_emulated/Emulator.h"

namespace llmopt::emulated {

struct ModuleEntry;
struct KernelEntry;

/// A folder that goes with the last who needs it.
class TemporaryFolder {
public:
  static Result<std::shared_ptr<TemporaryFolder>> create();
  ~TemporaryFolder();
  const std::string &path() const { return name; }

private:
  explicit TemporaryFolder(std::string name) : name(std::move(name)) {}
  std::string name;
};

/// A shared object, loaded.
class Module {
public:
  /// `folder` is what the file lies in, if that is not to stay.
  static Result<std::unique_ptr<Module>> load(const std::string &path,
                                              std::shared_ptr<TemporaryFolder> folder);
  ~Module();
  Module(const Module &) = delete;
  Module &operator=(const Module &) = delete;

  const ModuleEntry &entry() const { return *exported; }
  /// Null if there is none of this name.
  const KernelEntry *find(const std::string &kernel) const;
  /// Its variables and constants.
  const std::vector<MemoryRange> &memory() const { return ranges; }
  /// "gemm.cuh:12", as far as addr2line can tell; else empty.
  std::string place(const void *code) const;

private:
  Module() = default;
  void findMemory();

  std::string path;
  std::shared_ptr<TemporaryFolder> folder;
  void *handle = nullptr;
  uintptr_t base = 0;
  const ModuleEntry *exported = nullptr;
  std::vector<MemoryRange> ranges;
};

/// Compiles sources, `threads` at once; a module for each.
Result<std::vector<std::unique_ptr<Module>>> compileModules(const std::vector<CudaSource> &sources,
                                                            const std::vector<CudaHeader> &headers,
                                                            const std::string &arch, bool checks,
                                                            int threads, bool quiet);

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_MODULECOMPILER_H
