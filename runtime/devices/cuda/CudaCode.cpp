#include "runtime/devices/cuda/CudaCode.h"

#include "support/Files.h"

#include <charconv>
#include <set>

namespace llmopt {

static const char samplingName[] = "sampling";

//===- The architecture -----------------------------------------------------------------------===//

Result<std::string> cudaArchitecture(const Artifact &artifact, const CudaCard &card) {
  const std::string &arch = artifact.manifest.arch;
  int number = 0;
  const char *end = arch.data() + arch.size();
  bool good = arch.rfind("sm_", 0) == 0;
  auto [rest, code] = std::from_chars(arch.data() + (good ? 3 : 0), end, number);
  bool exact = rest + 1 == end && *rest == 'a';
  if (!good || code != std::errc() || number < 10 || number > 999 || (rest != end && !exact))
    return makeError("{} was compiled for '{}', which is no architecture of CUDA", artifact.path,
                     arch);
  int have = card.major * 10 + card.minor;
  if (exact ? have == number : have >= number)
    return exact ? arch : fmt::format("sm_{}", have);
  std::string advice =
      have >= 80 ? fmt::format("; compile it with --arch sm_{}", have == 90 ? "90a" : "80") : "";
  return makeError("{} was compiled for {}, which runs on cards of compute capability {}.{}{}; the "
                   "{} has {}.{}{}",
                   artifact.path, arch, number / 10, number % 10, exact ? " only" : " and above",
                   card.name, card.major, card.minor, advice);
}

//===- Sources --------------------------------------------------------------------------------===//

static Result<std::string> readListed(const Artifact &artifact, const std::string &name) {
  if (!artifact.manifest.files.count(name))
    return makeError("{}: file '{}' is not listed in its manifest", artifact.path, name);
  return readFile(artifact.path + "/" + name);
}

namespace {
/// What to load from a source file.
struct Wanted {
  std::set<std::string> functions;
  std::string macros; ///< that make functions other instances than they were compiled with
};
} // namespace

/// By the name of the kernel that the source file is of.
static Result<std::map<std::string, Wanted>> functionsOf(const Artifact &artifact,
                                                         const CudaPlan &plan) {
  std::map<std::string, Wanted> functions;
  std::map<std::string, std::string> owners;
  auto add = [&](const std::string &kernel, const CudaGrid &grid) -> Status {
    Wanted &wanted = functions[kernel];
    if (wanted.functions.insert(grid.function).second && grid.tuned)
      wanted.macros += grid.schedule.macros(grid.function);
    const std::string &owner = owners.emplace(grid.function, kernel).first->second;
    if (owner != kernel)
      return makeError("{}: function '{}' belongs to kernels '{}' and '{}'", artifact.path,
                       grid.function, owner, kernel);
    return success();
  };
  for (size_t i = 0; i < plan.launches.size(); ++i)
    for (const CudaRowVariant &variant : plan.launches[i])
      for (const CudaCall &call : variant.calls)
        if (const auto *grid = std::get_if<CudaGrid>(&call))
          LLMOPT_TRY(add(artifact.plan.launches[i].kernel, *grid));
  for (const StepFunction &step : plan.steps) {
    CudaGrid grid;
    grid.function = step.function;
    LLMOPT_TRY(add(step.function, grid));
  }
  if (plan.sampling) {
    LLMOPT_TRY(add(samplingName, plan.sampling->sample));
    LLMOPT_TRY(add(samplingName, plan.sampling->advance));
  }
  return functions;
}

static Status checkShared(const Artifact &artifact, const CudaPlan &plan, const CudaCard &card) {
  auto check = [&](const std::string &function, uint32_t sharedBytes) -> Status {
    if (sharedBytes > card.sharedBytes)
      return makeError("{}: function '{}' takes {} bytes of shared memory, a block of the {} has "
                       "{}",
                       artifact.path, function, sharedBytes, card.name, card.sharedBytes);
    return success();
  };
  for (const StepFunction &step : plan.steps)
    LLMOPT_TRY(check(step.function, step.sharedBytes));
  for (const auto &variants : plan.launches)
    for (const CudaRowVariant &variant : variants)
      for (const CudaCall &call : variant.calls)
        if (const auto *grid = std::get_if<CudaGrid>(&call))
          LLMOPT_TRY(check(grid->function, grid->sharedBytes));
  return success();
}

Result<CudaSources> CudaSources::read(const Artifact &artifact, const CudaPlan &plan) {
  LLMOPT_ASSIGN(auto functions, functionsOf(artifact, plan));
  CudaSources result;
  for (const auto &[kernel, wanted] : functions) {
    CudaSource source;
    source.name = cudaSourceName(kernel);
    LLMOPT_ASSIGN(source.content, readListed(artifact, source.name));
    if (!wanted.macros.empty()) // messages keep the lines of the file
      source.content = wanted.macros + "#line 1\n" + source.content;
    source.kernels.assign(wanted.functions.begin(), wanted.functions.end());
    result.sources.push_back(std::move(source));
  }
  for (const auto &[name, record] : artifact.manifest.files)
    if (name.rfind("kernels/", 0) == 0) {
      LLMOPT_ASSIGN(std::string content, readListed(artifact, name));
      result.headers.push_back({name, std::move(content)});
    }
  return result;
}

Result<CudaCode> CudaCode::load(CudaDriver &driver, const Artifact &artifact, const CudaPlan &plan,
                                const std::string &arch, const DeviceOptions &options) {
  LLMOPT_TRY(checkShared(artifact, plan, driver.card()));
  LLMOPT_ASSIGN(CudaSources read, CudaSources::read(artifact, plan));
  const std::vector<CudaSource> &sources = read.sources;
  LLMOPT_ASSIGN(auto loaded,
                driver.load(sources, read.headers, arch, options.threads, options.quiet));
  CudaCode code;
  for (size_t i = 0; i < sources.size(); ++i)
    for (size_t j = 0; j < sources[i].kernels.size(); ++j)
      code.kernels[sources[i].kernels[j]] = loaded[i][j];
  return code;
}

} // namespace llmopt
