#include "runtime/devices/cuda_emulated/ModuleCompiler.h"

#include "runtime/artifact/Checksum.h"
#include "runtime/devices/cuda_emulated/EmbeddedHeaders.h"
#include "support/Files.h"
#include "support/Process.h"
#include "support/Progress.h"
#include "support/ThreadPool.h"

#include <filesystem>
#include <mutex>
#include <optional>
#include <regex>
#include <sstream>

namespace llmopt::emulated {

namespace fs = std::filesystem;

namespace {
/// How modules are compiled.
struct Toolchain {
  std::string compiler;
  std::string version; ///< what the compiler says of itself
  std::vector<std::string> options;
};

/// A source on its way.
struct Job {
  const CudaSource *source;
  std::string wrapper; ///< the file that the compiler is given
  std::string key;
};
} // namespace

static Result<Toolchain> findToolchain(const std::string &arch, bool checks) {
  Toolchain tools;
  LLMOPT_ASSIGN(tools.compiler,
                findCompiler("install a C++ compiler or set CXX: the emulated GPU compiles the "
                             "artifact's source when it is loaded"));
  LLMOPT_ASSIGN(tools.version, runProgram({tools.compiler, "--version"}, "/"));
  bool clang = tools.version.find("clang") != std::string::npos;
  // -g1 is for the places in messages. Stores stay where the source has them: no loop becomes a
  // call of memset, no two elements are joined.
  tools.options = {"-std=c++20", // places have columns
                   "-g1",
                   "-gdwarf-4", // addr2line 2.40 takes DWARF 5's first file for others
                   "-fPIC",
                   "-fvisibility=hidden",
                   "-ffp-contract=off",
                   "-fno-strict-aliasing",
                   "-fno-exceptions",
                   "-fstack-clash-protection", // a stack that is too small is found
                   "-fno-tree-vectorize",
                   "-w",
                   "-I.",
                   "-Iruntime/devices/cuda_emulated"};
  tools.options.push_back(checks ? "-O1" : "-O2");
  if (!clang)
    for (const char *option : {"-fno-gnu-unique", "-fno-tree-loop-distribute-patterns"})
      tools.options.push_back(option);
  if (checks)
    // Only the calls: no sanitizer is linked (instrumentation.h).
    for (const char *option :
         {"-fsanitize=thread", "-fsanitize=alignment", "-DLLMOPT_EMULATED_INSTRUMENTATION"})
      tools.options.push_back(option);
  // A read before a write of the same place finds what nobody has written.
  if (checks && clang)
    for (const char *option : {"-mllvm", "-tsan-instrument-read-before-write=1"})
      tools.options.push_back(option);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("fma"))
    tools.options.push_back("-mfma");
#endif
  // "sm_90a": what only this architecture has is there too.
  std::smatch match;
  if (!std::regex_match(arch, match, std::regex("sm_([0-9]{2,3})(a?)")))
    return makeError("unknown architecture '{}'", arch);
  tools.options.push_back("-D__CUDA_ARCH__=" + match[1].str() + "0");
  if (match[2].length() > 0)
    tools.options.push_back("-D__CUDA_ARCH_FEAT_SM" + match[1].str() + "_ALL");
  return tools;
}

static Status writeBelow(const std::string &folder, const std::string &name,
                         const std::string &content) {
  fs::path path = fs::path(folder) / name;
  std::error_code code;
  fs::create_directories(path.parent_path(), code);
  return writeFile(path.string(), content);
}

/// The names under which a source declares the dynamic shared memory of a block.
static std::vector<std::string> sharedNames(const std::string &source) {
  static const std::regex declaration(
      R"(extern\s+__shared__\s+(?:__align__\s*\([^)]*\)\s*)?[\w:\s]*?(\w+)\s*\[\s*\])");
  std::vector<std::string> names;
  for (std::sregex_iterator found(source.begin(), source.end(), declaration), end; found != end;
       ++found)
    if (std::find(names.begin(), names.end(), (*found)[1].str()) == names.end())
      names.push_back((*found)[1].str());
  return names;
}

/// Refuses what would be a variable of each thread's own: __shared__ without extern.
static Status checkShared(const std::string &name, const std::string &content) {
  static const std::regex own(R"((^|[^\w])(extern\s+)?__shared__)");
  size_t line = 0;
  std::istringstream lines(content);
  for (std::string text; std::getline(lines, text);) {
    ++line;
    std::string code = text.substr(0, text.find("//"));
    for (std::sregex_iterator found(code.begin(), code.end(), own), end; found != end; ++found)
      if (!(*found)[2].matched)
        return makeError("{}:{}: a __shared__ variable that is not extern: the emulated GPU has "
                         "dynamic shared memory only",
                         name, line);
  }
  return success();
}

static std::string wrap(const CudaSource &source) {
  std::string text = "#include \"runtime/devices/cuda_emulated/language.h\"\n";
  text += fmt::format("#include \"{}\"\n", source.name);
  text += "#ifdef LLMOPT_EMULATED_INSTRUMENTATION\n"
          "#include \"runtime/devices/cuda_emulated/instrumentation.h\"\n#endif\n"
          "#define LLMOPT_EMULATED_KERNELS(kernel)";
  for (const std::string &kernel : source.kernels)
    text += fmt::format(" kernel({})", kernel);
  text += "\n#include \"runtime/devices/cuda_emulated/module.h\"\n";
  for (const std::string &name : sharedNames(source.content))
    text +=
        fmt::format("asm(\".globl {0}\\n.hidden {0}\\n.set {0}, llmoptEmulatedShared\");\n", name);
  return text;
}

//===------------------------------------------------------------------------------------------===//
// The cache
//===------------------------------------------------------------------------------------------===//

/// Empty if there is no place for it.
static std::string cacheFolder() {
  std::string folder = userCacheFolder("emulated");
  std::error_code code;
  if (!folder.empty())
    fs::create_directories(folder, code);
  return code ? "" : folder;
}

/// Entries end with a checksum of what is before; the loader does not mind.
static bool isWhole(const std::string &path) {
  auto content = readFile(path);
  constexpr size_t digits = 16;
  return content && content->size() > digits &&
         checksumText(content->data(), content->size() - digits) ==
             content->substr(content->size() - digits);
}

/// Keeps a module; false if that is not possible.
static bool keep(const std::string &module, const std::string &path) {
  auto content = readFile(module);
  return content && writeFile(path, *content + checksumText(content->data(), content->size()));
}

//===------------------------------------------------------------------------------------------===//
// Compilation
//===------------------------------------------------------------------------------------------===//

/// `folder`/KEY.so, from sources that lie in it.
static Status compileOne(const Toolchain &tools, const Job &job, const std::string &folder) {
  std::string wrapper = job.key + ".cpp", object = job.key + ".o", module = job.key + ".so";
  LLMOPT_TRY(writeBelow(folder, wrapper, job.wrapper));
  std::vector<std::string> command = {tools.compiler};
  command.insert(command.end(), tools.options.begin(), tools.options.end());
  for (const std::string &word : {std::string("-c"), std::string("-o"), object, wrapper})
    command.push_back(word);
  auto compiled = runProgram(command, folder);
  if (compiled)
    compiled = runProgram(
        {tools.compiler, "-shared", "-Wl,-Bsymbolic", "-Wl,-z,defs", "-o", module, object, "-lm"},
        folder);
  if (!compiled)
    return makeError("{} does not compile for the emulated GPU: {}", job.source->name,
                     compiled.error().message());
  return success();
}

/// All that a module depends on.
static std::string keyOf(const Toolchain &tools, const std::string &headers, const Job &job) {
  std::string text = tools.compiler + '\n' + tools.version;
  for (const std::string &option : tools.options)
    text += option + '\n';
  text += headers + '\0' + job.source->name + '\0' + job.source->content + '\0' + job.wrapper;
  return checksumText(text.data(), text.size());
}

Result<std::vector<std::unique_ptr<Module>>> compileModules(const std::vector<CudaSource> &sources,
                                                            const std::vector<CudaHeader> &headers,
                                                            const std::string &arch, bool checks,
                                                            int threads, bool quiet) {
  LLMOPT_ASSIGN(Toolchain tools, findToolchain(arch, checks));
  for (const CudaHeader &header : headers)
    LLMOPT_TRY(checkShared(header.name, header.content));
  for (const CudaSource &source : sources)
    LLMOPT_TRY(checkShared(source.name, source.content));
  std::string allHeaders;
  for (const CudaHeader &header : headers)
    allHeaders += header.name + '\0' + header.content + '\0';
  for (const EmbeddedFile &header : emulatorHeaders())
    allHeaders += header.name + '\0' + header.content + '\0';

  std::vector<Job> jobs;
  for (const CudaSource &source : sources) {
    Job job{&source, wrap(source), ""};
    job.key = keyOf(tools, allHeaders, job);
    jobs.push_back(std::move(job));
  }

  std::string cache = cacheFolder();
  std::vector<std::unique_ptr<Module>> modules(jobs.size());
  std::vector<size_t> missing;
  for (size_t i = 0; i < jobs.size(); ++i) {
    std::string path = cache + "/" + jobs[i].key + ".so";
    if (!cache.empty() && isWhole(path))
      if (auto module = Module::load(path, nullptr))
        modules[i] = std::move(*module);
    if (!modules[i])
      missing.push_back(i);
  }
  if (missing.empty())
    return modules;

  LLMOPT_ASSIGN(auto folder, TemporaryFolder::create());
  for (const CudaHeader &header : headers)
    LLMOPT_TRY(writeBelow(folder->path(), header.name, header.content));
  for (const EmbeddedFile &header : emulatorHeaders())
    LLMOPT_TRY(writeBelow(folder->path(), header.name, header.content));
  for (size_t i : missing)
    LLMOPT_TRY(writeBelow(folder->path(), jobs[i].source->name, jobs[i].source->content));
  Progress progress("Compiling kernels for the emulated GPU", missing.size(), Progress::Unit::Count,
                    quiet);
  std::mutex mutex;
  std::optional<Error> problem;
  parallelFor(static_cast<int64_t>(missing.size()), threads, [&](int64_t i) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      if (problem)
        return;
    }
    Status status = compileOne(tools, jobs[missing[size_t(i)]], folder->path());
    std::lock_guard<std::mutex> lock(mutex);
    if (!status && !problem)
      problem = status.error();
    progress.advance(1);
  });
  if (problem)
    return *problem;
  for (size_t i : missing) {
    std::string path = folder->path() + "/" + jobs[i].key + ".so";
    std::string kept = cache + "/" + jobs[i].key + ".so";
    bool isKept = !cache.empty() && keep(path, kept);
    LLMOPT_ASSIGN(modules[i], Module::load(isKept ? kept : path, isKept ? nullptr : folder));
  }
  return modules;
}

} // namespace llmopt::emulated
