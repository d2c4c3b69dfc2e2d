//===- Model.h - An artifact on its device, with its tokenizer --------------------------------===//

#ifndef LLMOPT_RUNTIME_ENGINE_MODEL_H
#define LLMOPT_RUNTIME_ENGINE_MODEL_H

#include "runtime/devices/Device.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <memory>
#include <string>
#include <vector>

namespace llmopt {

struct Model {
  std::shared_ptr<const Artifact> artifact;
  std::unique_ptr<Device> device;
  std::unique_ptr<Tokenizer> tokenizer; ///< null if the artifact holds none

  /// Opens, checks and loads an artifact; `options.threads` 0 means one for each core.
  static Result<Model> open(const std::string &path, DeviceOptions options);

  /// Ids that end a text: those of the model's configuration and those of its tokenizer.
  std::vector<int32_t> stopTokens() const;
};

/// What a loaded model takes: of the device's own memory, or else the most memory that this process
/// has had resident.
int64_t memoryUsed(const Device &device);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ENGINE_MODEL_H
