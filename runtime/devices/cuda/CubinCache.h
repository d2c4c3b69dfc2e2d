//===- CubinCache.h - Kernels that were compiled before ---------------------------------------===//
//
// Machine code on disk, in $XDG_CACHE_HOME/llmopt/cubins or ~/.cache/llmopt/cubins, by what it was
// made from: source, headers, options and the compiler's version. The cache only saves time: where
// it cannot be read or written, it is done without, and an entry that was damaged counts as none.
// Several programs may use it at once.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_CUBINCACHE_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_CUBINCACHE_H

#include "runtime/devices/cuda/Driver.h"

#include <optional>
#include <string>
#include <vector>

namespace llmopt {

class CubinCache {
public:
  /// In the folder that the environment says; without HOME there is none.
  CubinCache();
  explicit CubinCache(std::string folder) : folder(std::move(folder)) {}

  std::optional<std::string> find(const std::string &key) const;
  void keep(const std::string &key, const std::string &cubin) const;

private:
  std::string folder;
};

/// Names what a compilation is made from: everything that its result depends on.
std::string cubinKey(const CudaSource &source, const std::vector<CudaHeader> &headers,
                     const std::string &arch, const Nvrtc &nvrtc);

/// Machine code of each source, from the cache or compiled, `threads` at once.
Result<std::vector<std::string>> compileCubins(const std::vector<CudaSource> &sources,
                                               const std::vector<CudaHeader> &headers,
                                               const std::string &arch, const Nvrtc &nvrtc,
                                               const CubinCache &cache, int threads, bool quiet);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_CUBINCACHE_H
