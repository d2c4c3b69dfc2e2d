#include "runtime/engine/Model.h"

#include "support/ThreadPool.h"

#include <set>
#include <sys/resource.h>

namespace llmopt {

Result<Model> Model::open(const std::string &path, DeviceOptions options) {
  LLMOPT_ASSIGN(options.threads, resolveThreads(options.threads));
  Model model;
  LLMOPT_ASSIGN(Artifact artifact, Artifact::open(path, options.threads));
  model.artifact = std::make_shared<const Artifact>(std::move(artifact));
  if (!tokenizerFiles(path).empty()) {
    LLMOPT_ASSIGN(model.tokenizer, loadTokenizer(path));
  }
  LLMOPT_ASSIGN(model.device, openDevice(model.artifact, options));
  return model;
}

std::vector<int32_t> Model::stopTokens() const {
  std::set<int32_t> ids(artifact->manifest.stopTokens.begin(), artifact->manifest.stopTokens.end());
  if (tokenizer)
    ids.insert(tokenizer->specialIds().stop.begin(), tokenizer->specialIds().stop.end());
  return std::vector<int32_t>(ids.begin(), ids.end());
}

int64_t memoryUsed(const Device &device) {
  if (uint64_t bytes = device.memoryBytes())
    return static_cast<int64_t>(bytes);
  struct rusage usage;
  return ::getrusage(RUSAGE_SELF, &usage) == 0 ? int64_t(usage.ru_maxrss) * 1024 : 0;
}

} // namespace llmopt
