#include "runtime/devices/cuda/Nvrtc.h"

#include "runtime/devices/cuda/Libraries.h"

#include <algorithm>

namespace llmopt {

//===------------------------------------------------------------------------------------------===//
// The library
//===------------------------------------------------------------------------------------------===//

namespace {
/// nvrtcResult; 0 is success.
using Code = int;
using Program = void *;
} // namespace

struct Nvrtc::Library {
  SharedLibrary file;
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
  Code (*ptxSize)(Program, size_t *) = nullptr;
  Code (*ptx)(Program, char *) = nullptr;
};

static const ToolkitLibrary nvrtcLibrary = {"NVRTC", "libnvrtc.so", "LLMOPT_NVRTC", "cuda_nvrtc",
                                            "nvidia-cuda-nvrtc"};

Result<Nvrtc> Nvrtc::open(const std::vector<std::string> &wheels) {
  LLMOPT_ASSIGN(SharedLibrary opened, openToolkitLibrary(nvrtcLibrary, wheels));
  auto library = std::make_shared<Library>(Library{opened});
  const std::string &path = opened.path();
  const char *missing = nullptr;
  auto find = [&](const char *name, auto &function) {
    if (!opened.find(name, function))
      missing = name;
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
  find("nvrtcGetPTXSize", library->ptxSize);
  find("nvrtcGetPTX", library->ptx);
  if (missing)
    return makeError("{} lacks {}: llmopt needs NVRTC 12 or later", path, missing);
  library->version(&library->major, &library->minor);
  if (library->major < 12)
    return makeError("{} is NVRTC {}.{}: llmopt needs 12 or later", path, library->major,
                     library->minor);
  return Nvrtc(std::move(library));
}

const std::string &Nvrtc::path() const { return library->file.path(); }
int Nvrtc::majorVersion() const { return library->major; }
int Nvrtc::minorVersion() const { return library->minor; }

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
  std::vector<const char *> flags = {arch.c_str()};
  flags.insert(flags.end(), std::begin(standingOptions), std::end(standingOptions));
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
  if (options.reportResources && library->ptxSize(program, &size) == 0 && size > 1) {
    image.ptx.resize(size);
    library->ptx(program, image.ptx.data());
    image.ptx.resize(size - 1); // without the terminating zero
  }
  return image;
}

} // namespace llmopt
