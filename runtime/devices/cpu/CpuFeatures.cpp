#include "runtime/devices/cpu/CpuFeatures.h"

#include <fmt/ranges.h>

#include <fstream>
#include <sstream>

namespace llmopt {

std::set<std::string> cpuFeatures() {
  std::ifstream file("/proc/cpuinfo");
  std::set<std::string> features;
  for (std::string line; features.empty() && std::getline(file, line);) {
    // "flags : ..." on x86, "Features : ..." on ARM.
    if (line.rfind("flags", 0) != 0 && line.rfind("Features", 0) != 0)
      continue;
    std::istringstream words(line.substr(std::min(line.find(':') + 1, line.size())));
    for (std::string word; words >> word;)
      features.insert(word);
  }
  return features;
}

Status checkCpuFeatures(const Artifact &artifact) {
  std::set<std::string> present = cpuFeatures();
  std::vector<std::string> missing;
  for (const std::string &feature : artifact.manifest.requiredFeatures)
    if (!present.count(feature))
      missing.push_back(feature);
  if (missing.empty())
    return success();
  return makeError("{} was compiled for '{}' and needs {}, which this CPU does not have; compile "
                   "it with a --cpu that this machine has",
                   artifact.path, artifact.manifest.arch, fmt::join(missing, ", "));
}

} // namespace llmopt
