#include "runtime/devices/cuda/TuningFile.h"

#include "support/Files.h"

#include <cctype>
#include <cstdio>
#include <filesystem>

namespace llmopt {

std::string tuningPath(const CudaCard &card, const std::string &arch) {
  std::string folder = userCacheFolder("tuning");
  if (folder.empty())
    return "";
  std::string name;
  for (char c : card.name)
    name += std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
  return fmt::format("{}/{}.{}.json", folder, name, arch);
}

Result<std::optional<CudaTuning>> openTuning(const std::string &option, const CudaCard &card,
                                             const std::string &arch, bool quiet) {
  std::optional<CudaTuning> none;
  if (option == "none")
    return none;
  std::error_code code;
  std::string path = option.empty() ? tuningPath(card, arch) : option;
  if (option.empty() && (path.empty() || !std::filesystem::exists(path, code)))
    return none;
  LLMOPT_ASSIGN(CudaTuning tuning, CudaTuning::read(path));
  bool fits = tuning.arch == arch && (!option.empty() || tuning.card == card.name);
  if (!fits && !option.empty())
    return makeError("{} is for {}, and the kernels are compiled for {}", path,
                     shortened(tuning.arch), arch);
  if (!fits && !quiet)
    fmt::print(stderr, "note: {} is for the {}, {}, and is not used\n", path,
               shortened(printable(tuning.card)), shortened(printable(tuning.arch)));
  return fits ? std::optional<CudaTuning>(std::move(tuning)) : none;
}

} // namespace llmopt
