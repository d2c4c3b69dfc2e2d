//===- Libraries.h - NVIDIA's libraries, found and opened at run time -------------------------===//
//
// Nothing is linked and nothing of the toolkit is needed to build: each library is opened with
// dlopen where a machine has it.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_LIBRARIES_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_LIBRARIES_H

#include "support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace llmopt {

/// An open library; copies share it, the last one closes it.
class SharedLibrary {
public:
  static Result<SharedLibrary> open(const std::string &path);

  const std::string &path() const { return name; }

  /// Sets a function pointer; false if there is no such function.
  template <typename Function> bool find(const char *symbol, Function &function) const {
    function = reinterpret_cast<Function>(address(symbol));
    return function != nullptr;
  }

private:
  SharedLibrary() = default;
  void *address(const char *symbol) const;

  std::string name;
  std::shared_ptr<void> handle;
};

/// How a library of the toolkit is named and where else it may be.
struct ToolkitLibrary {
  const char *title;       ///< "NVRTC"
  const char *file;        ///< "libnvrtc.so"
  const char *environment; ///< a variable that names the file or its folder, then none else
  const char *wheel;       ///< folder below nvidia/ in a folder of Python packages, "cuda_nvrtc"
  const char *package;     ///< "nvidia-cuda-nvrtc", for the message
};

/// Opens a library of the toolkit: where the environment says, below CUDA_HOME and CUDA_PATH, in
/// the toolkit's usual folder, in wheels below `wheels` (folders that hold `nvidia/`) and the usual
/// folders of Python packages, and where the loader looks. The error lists the places.
Result<SharedLibrary> openToolkitLibrary(const ToolkitLibrary &library,
                                         const std::vector<std::string> &wheels = {});

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_LIBRARIES_H
