//===- Checkpoint.h - The weights of a Hugging Face directory ---------------------------------===//
//
// A directory holds either `model.safetensors`, or shards and `model.safetensors.index.json`, whose
// `weight_map` says which shard has which tensor. All files are memory-mapped; every header is
// checked when the checkpoint is opened, and so is the index: each shard it names exists and has
// the tensors that it should.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_FRONTENDS_CHECKPOINT_H
#define LLMOPT_FRONTENDS_CHECKPOINT_H

#include "ir/weights/TensorSource.h"
#include "support/Safetensors.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace llmopt {

class Checkpoint : public TensorSource {
public:
  static Result<std::unique_ptr<Checkpoint>> open(const std::string &directory);

  Result<Tensor> find(const std::string &name) const override;
  void release(const Tensor &tensor, uint64_t begin, uint64_t end) const override;

  bool has(const std::string &name) const { return places.count(name) != 0; }
  /// All tensors in order of their names.
  std::vector<std::string> names() const;
  const std::string &directory() const { return folder; }

private:
  explicit Checkpoint(std::string directory) : folder(std::move(directory)) {}
  Status openSingle(const std::string &path);
  Status openSharded(const std::string &indexPath);

  std::string folder;
  std::vector<SafetensorsFile> files;
  std::map<std::string, size_t> places; ///< a tensor's file, as an index into `files`
};

} // namespace llmopt

#endif // LLMOPT_FRONTENDS_CHECKPOINT_H
