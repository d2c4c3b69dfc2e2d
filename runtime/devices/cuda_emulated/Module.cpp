#include "runtime/devices/cuda_emulated/module.h"
#include "runtime/devices/cuda_emulated/ModuleCompiler.h"
#include "support/Process.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <link.h>

namespace llmopt::emulated {

namespace fs = std::filesystem;

Result<std::shared_ptr<TemporaryFolder>> TemporaryFolder::create() {
  std::error_code code;
  fs::path parent = fs::temp_directory_path(code);
  if (code)
    return makeError("no folder for temporary files: {}", code.message());
  std::string name = (parent / "llmopt-emulated-XXXXXX").string();
  if (!::mkdtemp(name.data()))
    return makeError("cannot make a folder in {}: {}", parent.string(), std::strerror(errno));
  return std::shared_ptr<TemporaryFolder>(new TemporaryFolder(name));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code code;
  fs::remove_all(name, code);
}

Result<std::unique_ptr<Module>> Module::load(const std::string &path,
                                             std::shared_ptr<TemporaryFolder> folder) {
  std::unique_ptr<Module> module(new Module());
  module->path = path;
  module->folder = std::move(folder);
  module->handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module->handle)
    return makeError("cannot load {}: {}", path, ::dlerror());
  module->exported =
      static_cast<const ModuleEntry *>(::dlsym(module->handle, "llmoptEmulatedModule"));
  if (!module->exported)
    return makeError("{} is not a module of the emulator", path);
  module->findMemory();
  return module;
}

Module::~Module() {
  if (handle)
    ::dlclose(handle);
}

const KernelEntry *Module::find(const std::string &kernel) const {
  for (size_t i = 0; i < exported->kernelCount; ++i)
    if (kernel == exported->kernels[i].name)
      return &exported->kernels[i];
  return nullptr;
}

void Module::findMemory() {
  link_map *map = nullptr;
  if (::dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
    return;
  base = map->l_addr;
  ::dl_iterate_phdr(
      [](dl_phdr_info *info, size_t, void *argument) {
        auto *self = static_cast<Module *>(argument);
        if (info->dlpi_addr != self->base)
          return 0;
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto &segment = info->dlpi_phdr[i];
          if (segment.p_type != PT_LOAD)
            continue;
          bool writable = (segment.p_flags & PF_W) != 0;
          self->ranges.push_back({self->base + segment.p_vaddr, segment.p_memsz, writable,
                                  /*fixed=*/!writable,
                                  writable ? "the module's variables" : "the module's constants"});
        }
        return 1;
      },
      this);
}

std::string Module::place(const void *code) const {
  auto program = findProgram("addr2line", "");
  if (!program)
    return "";
  // A call returns behind itself.
  uintptr_t offset = reinterpret_cast<uintptr_t>(code) - base - 1;
  auto output = runProgram({*program, "-e", path, fmt::format("{:#x}", offset)}, "/");
  if (!output || output->find('?') != std::string::npos)
    return "";
  std::string place = output->substr(0, output->find_first_of(" \n"));
  return place.substr(place.rfind('/') + 1);
}

} // namespace llmopt::emulated
