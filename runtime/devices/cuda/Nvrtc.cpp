#include "runtime/devices/cuda/Nvrtc.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

namespace llmopt {

namespace fs = std::filesystem;

//===------------------------------------------------------------------------------------------===//
// The library
//===------------------------------------------------------------------------------------------===//

namespace {
/// nvrtcResult; 0 is success.
using Code = int;
using Program = void *;
} // namespace

struct Nvrtc::Library {
  ~Library() {
    if (handle)
      ::dlclose(handle);
  }

  std::string path;
  void *handle = nullptr;
  int major = 0, minor = 0;

  Code (*version)(int *, int *) = nullptr;
  const char *(*errorString)(Code) = nullptr;
  Code (*createProgram)(Program *, const char *source, const char *name, int headerCount,
                        const char *const *headers, const char *const *names) = nullptr;
  Code (*destroyProgram)(Program *) = nullptr;
  Code (*compileProgram)(Program, int optionCount, const char *const *options) = nullptr;
  Code (*logSize)(Program, size_t *) = nullptr;
  Code (*log)(Program, char *) = nullptr;
  Code (*cubinSize)(Program, size_t *) = nullptr;
  Code (*cubin)(Program, char *) = nullptr;
};

Result<Nvrtc> Nvrtc::load(const std::string &path) {
  auto library = std::make_shared<Library>();
  library->path = path;
  library->handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library->handle)
    return makeError("cannot open {}: {}", path, ::dlerror());
  const char *missing = nullptr;
  auto find = [&](const char *name, auto &function) {
    void *symbol = ::dlsym(library->handle, name);
    if (!symbol)
      missing = name;
    function = reinterpret_cast<std::decay_t<decltype(function)>>(symbol);
  };
  find("nvrtcVersion", library->version);
  find("nvrtcGetErrorString", library->errorString);
  find("nvrtcCreateProgram", library->createProgram);
  find("nvrtcDestroyProgram", library->destroyProgram);
  find("nvrtcCompileProgram", library->compileProgram);
  find("nvrtcGetProgramLogSize", library->logSize);
  find("nvrtcGetProgramLog", library->log);
  find("nvrtcGetCUBINSize", library->cubinSize);
  find("nvrtcGetCUBIN", library->cubin);
  if (missing)
    return makeError("{} lacks {}: llmopt needs NVRTC 12 or later", path, missing);
  library->version(&library->major, &library->minor);
  if (library->major < 12)
    return makeError("{} is NVRTC {}.{}: llmopt needs 12 or later", path, library->major,
                     library->minor);
  return Nvrtc(std::move(library));
}

const std::string &Nvrtc::path() const { return library->path; }
int Nvrtc::majorVersion() const { return library->major; }
int Nvrtc::minorVersion() const { return library->minor; }

//===------------------------------------------------------------------------------------------===//
// Where it may be
//===------------------------------------------------------------------------------------------===//

/// libnvrtc.so in a folder, or the newest libnvrtc.so.N.
static std::optional<std::string> libraryIn(const fs::path &folder) {
  std::error_code code;
  std::vector<std::string> found;
  for (const auto &entry : fs::directory_iterator(folder, code)) {
    std::string name = entry.path().filename().string();
    bool alternative = name.find(".alt.") != std::string::npos;
    if (name.rfind("libnvrtc.so", 0) == 0 && !alternative)
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
static std::vector<fs::path> candidateFolders(const std::vector<std::string> &wheels) {
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
    folders.push_back(folder / "nvidia" / "cuda_nvrtc" / "lib");
    for (const fs::path &bundle : entriesOf(folder / "nvidia", "cu1"))
      folders.push_back(bundle / "lib");
  }
  return folders;
}

Result<Nvrtc> Nvrtc::open(const std::vector<std::string> &wheels) {
  if (const char *named = std::getenv("LLMOPT_NVRTC"); named && *named) {
    std::error_code code;
    if (!fs::is_directory(named, code))
      return load(named);
    if (auto path = libraryIn(named))
      return load(*path);
    return makeError("LLMOPT_NVRTC names {}, which has no libnvrtc.so", named);
  }
  for (const fs::path &folder : candidateFolders(wheels))
    if (auto path = libraryIn(folder))
      return load(*path);
  for (const char *name : {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"})
    if (auto loaded = load(name))
      return loaded;
  return makeError("NVRTC (libnvrtc.so) is not below CUDA_HOME or /usr/local/cuda, in no Python "
                   "package nvidia-cuda-nvrtc, and the loader does not know it");
}

//===------------------------------------------------------------------------------------------===//
// Compilation
//===------------------------------------------------------------------------------------------===//

/// NVRTC has no C library; these are the types that the kernel interface is written in.
static const char *const stdintHeader = R"(#pragma once
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
)";

/// The first line that tells an error.
static std::string firstError(const std::string &log) {
  for (size_t begin = 0; begin < log.size();) {
    size_t end = std::min(log.find('\n', begin), log.size());
    std::string line = log.substr(begin, end - begin);
    if (line.find("error") != std::string::npos)
      return line;
    begin = end + 1;
  }
  return "it does not say why";
}

Result<CudaImage> Nvrtc::compile(const std::string &name, const std::string &source,
                                 const std::vector<CudaHeader> &headers,
                                 const CudaCompileOptions &options) const {
  std::vector<const char *> contents = {stdintHeader}, names = {"stdint.h"};
  for (const CudaHeader &header : headers) {
    contents.push_back(header.content.c_str());
    names.push_back(header.name.c_str());
    // NVRTC takes names literally; neighbours in a folder include each other without it.
    if (size_t slash = header.name.rfind('/'); slash != std::string::npos) {
      contents.push_back(header.content.c_str());
      names.push_back(header.name.c_str() + slash + 1);
    }
  }
  Program program = nullptr;
  Code code = library->createProgram(&program, source.c_str(), name.c_str(),
                                     static_cast<int>(names.size()), contents.data(), names.data());
  if (code != 0)
    return makeError("NVRTC cannot begin to compile {}: {}", name, library->errorString(code));
  auto destroy = [&](Program *doomed) { library->destroyProgram(doomed); };
  std::unique_ptr<Program, decltype(destroy)> owner(&program, destroy);

  std::string arch = "--gpu-architecture=" + options.arch;
  std::vector<const char *> flags = {arch.c_str(), "--std=c++17"};
  if (options.reportResources)
    flags.push_back("--ptxas-options=-v");
  code = library->compileProgram(program, static_cast<int>(flags.size()), flags.data());

  CudaImage image;
  size_t size = 0;
  if (library->logSize(program, &size) == 0 && size > 1) {
    image.log.resize(size);
    library->log(program, image.log.data());
    image.log.resize(size - 1); // without the terminating zero
  }
  if (code != 0)
    return makeError("{} does not compile for {}: {}{}{}", name, options.arch,
                     image.log.empty() ? library->errorString(code) : firstError(image.log),
                     image.log.empty() ? "" : "\n", image.log);
  code = library->cubinSize(program, &size);
  if (code == 0) {
    image.cubin.resize(size);
    code = library->cubin(program, image.cubin.data());
  }
  if (code != 0)
    return makeError("NVRTC made no machine code of {} for {}: {}", name, options.arch,
                     library->errorString(code));
  return image;
}

} // namespace llmopt
