#include "runtime/devices/cuda/Libraries.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

namespace llmopt {

namespace fs = std::filesystem;

Result<SharedLibrary> SharedLibrary::open(const std::string &path) {
  void *handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return makeError("cannot open {}: {}", path, ::dlerror());
  SharedLibrary library;
  library.name = path;
  library.handle = std::shared_ptr<void>(handle, [](void *open) { ::dlclose(open); });
  return library;
}

void *SharedLibrary::address(const char *symbol) const { return ::dlsym(handle.get(), symbol); }

/// libNAME.so in a folder, or the newest libNAME.so.N.
static std::optional<std::string> libraryIn(const fs::path &folder, const std::string &file) {
  std::error_code code;
  std::vector<std::string> found;
  for (const auto &entry : fs::directory_iterator(folder, code)) {
    std::string name = entry.path().filename().string();
    bool alternative = name.find(".alt.") != std::string::npos;
    if (name.rfind(file, 0) == 0 && !alternative)
      found.push_back(name);
  }
  if (found.empty())
    return std::nullopt;
  // The shortest name is the link without a version.
  std::sort(found.begin(), found.end(), [](const std::string &a, const std::string &b) {
    return a.size() != b.size() ? a.size() < b.size() : a > b;
  });
  return (folder / found.front()).string();
}

/// Entries of a folder whose names begin with `prefix`.
static std::vector<fs::path> entriesOf(const fs::path &folder, const std::string &prefix) {
  std::error_code code;
  std::vector<fs::path> found;
  for (const auto &entry : fs::directory_iterator(folder, code))
    if (entry.path().filename().string().rfind(prefix, 0) == 0)
      found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

/// Folders that hold Python packages.
static std::vector<fs::path> packageFolders() {
  std::vector<fs::path> roots;
  if (const char *environment = std::getenv("VIRTUAL_ENV"))
    roots.push_back(fs::path(environment) / "lib");
  if (const char *home = std::getenv("HOME"))
    roots.push_back(fs::path(home) / ".local" / "lib");
  roots.push_back("/usr/local/lib");
  roots.push_back("/usr/lib");
  std::vector<fs::path> folders;
  for (const fs::path &root : roots)
    for (const fs::path &python : entriesOf(root, "python3"))
      for (const char *packages : {"site-packages", "dist-packages"})
        folders.push_back(python / packages);
  return folders;
}

/// Folders that may hold the library, in the order of preference.
static std::vector<fs::path> candidateFolders(const char *wheel,
                                              const std::vector<std::string> &wheels) {
  std::vector<fs::path> folders;
  std::vector<fs::path> toolkits;
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char *value = std::getenv(variable); value && *value)
      toolkits.push_back(value);
  toolkits.push_back("/usr/local/cuda");
  for (const fs::path &toolkit : toolkits)
    for (const char *part : {"lib64", "lib", "targets/x86_64-linux/lib"})
      folders.push_back(toolkit / part);
  std::vector<fs::path> packages(wheels.begin(), wheels.end());
  for (const fs::path &folder : packageFolders())
    packages.push_back(folder);
  for (const fs::path &folder : packages) {
    folders.push_back(folder / "nvidia" / wheel / "lib");
    for (const fs::path &bundle : entriesOf(folder / "nvidia", "cu1"))
      folders.push_back(bundle / "lib");
  }
  return folders;
}

Result<SharedLibrary> openToolkitLibrary(const ToolkitLibrary &library,
                                         const std::vector<std::string> &wheels) {
  if (const char *named = std::getenv(library.environment); named && *named) {
    std::error_code code;
    if (!fs::is_directory(named, code))
      return SharedLibrary::open(named);
    if (auto path = libraryIn(named, library.file))
      return SharedLibrary::open(*path);
    return makeError("{} names {}, which has no {}", library.environment, named, library.file);
  }
  for (const fs::path &folder : candidateFolders(library.wheel, wheels))
    if (auto path = libraryIn(folder, library.file))
      return SharedLibrary::open(*path);
  for (const char *version : {".13", ".12", ""})
    if (auto opened = SharedLibrary::open(std::string(library.file) + version))
      return opened;
  return makeError(
      "{} ({}) is not below CUDA_HOME or /usr/local/cuda, in no Python package {}, and "
      "the loader does not know it",
      library.title, library.file, library.package);
}

} // namespace llmopt
