//===- TinyModel.h - A hand-made artifact for the runtime's tests -----------------------------===//

#ifndef LLMOPT_TEST_UNIT_RUNTIME_TINYMODEL_H
#define LLMOPT_TEST_UNIT_RUNTIME_TINYMODEL_H

#include "runtime/engine/Engine.h"
#include "test/unit/runtime/TinyModule.h"

#include <string>
#include <vector>

namespace llmopt::tiny {

/// A folder that goes with the object.
class TemporaryDirectory {
public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory &) = delete;
  std::string operator/(const std::string &name) const { return path + "/" + name; }

private:
  std::string path;
};

enum class Module { Good, OtherAbi, NoLogits };

/// The parts of the model, to be changed before they are written.
struct Parts {
  Parts();
  Manifest manifest;
  Plan plan;
  Module module = Module::Good;
  bool randomBias = false; ///< no weights.safetensors
  bool tokenizer = false;  ///< words of one letter: id 3 + i is the i-th of a..z, 29.. are digits
};

/// Writes the artifact with right checksums.
void writeArtifact(const Parts &parts, const std::string &path);

/// Records the files of an artifact anew, after a test has changed one.
void recordFiles(Manifest manifest, const std::string &path);

/// The bias of a token, as stored in the weights.
float bias(int token);

/// What the model says after `tokens`, computed plainly.
std::vector<float> referenceLogits(const std::vector<int32_t> &tokens);

/// The greedy continuation.
std::vector<int32_t> referenceGreedy(std::vector<int32_t> tokens, int64_t count);

/// The model on the CPU.
std::unique_ptr<Device> openTiny(const std::string &path, int threads);

/// Steps until the engine is idle; the tokens of each request.
std::map<int64_t, std::vector<int32_t>> drain(Engine &engine);

} // namespace llmopt::tiny

#endif // LLMOPT_TEST_UNIT_RUNTIME_TINYMODEL_H
