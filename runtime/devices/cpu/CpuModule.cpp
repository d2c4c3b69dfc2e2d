#include "runtime/devices/cpu/CpuModule.h"

#include <dlfcn.h>

namespace llmopt {

Result<CpuModule> CpuModule::load(const Artifact &artifact) {
  std::string path = artifact.path + "/model.so";
  if (!artifact.manifest.files.count("model.so"))
    return makeError("{}: file 'model.so' is not listed in its manifest", artifact.path);
  void *opened = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!opened) {
    const char *reason = ::dlerror();
    return makeError("cannot load {}: {}", path, reason ? reason : "unknown reason");
  }
  CpuModule module;
  module.handle = std::shared_ptr<void>(opened, [](void *handle) { ::dlclose(handle); });

  auto abi = reinterpret_cast<int32_t (*)()>(::dlsym(opened, "llmopt_kernel_abi"));
  if (!abi)
    return makeError("{} has no function 'llmopt_kernel_abi'", path);
  if (abi() != LLMOPT_KERNEL_ABI)
    return makeError("{} was compiled for kernel interface {}, this program has {}", path, abi(),
                     LLMOPT_KERNEL_ABI);
  for (const PlanLaunch &launch : artifact.plan.launches) {
    void *kernel = ::dlsym(opened, launch.kernel.c_str());
    if (!kernel)
      return makeError("{} has no kernel '{}'", path, launch.kernel);
    module.kernels.push_back(reinterpret_cast<LlmoptKernel>(kernel));
  }
  return module;
}

} // namespace llmopt
