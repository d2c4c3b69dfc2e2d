#include "frontends/Checkpoint.h"

#include <filesystem>

namespace llmopt {

namespace fs = std::filesystem;

static bool isFile(const fs::path &path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

/// Whether the directory holds PyTorch's pickled weights, to say so instead of "no weights".
static bool hasPickledWeights(const std::string &directory) {
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::string extension = it->path().extension().string();
    if (extension == ".bin" || extension == ".pt" || extension == ".pth")
      return true;
  }
  return false;
}

Result<std::unique_ptr<Checkpoint>> Checkpoint::open(const std::string &directory) {
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint(directory));
  fs::path single = fs::path(directory) / "model.safetensors";
  fs::path index = fs::path(directory) / "model.safetensors.index.json";
  if (isFile(single))
    LLMOPT_TRY(checkpoint->openSingle(single.string()));
  else if (isFile(index))
    LLMOPT_TRY(checkpoint->openSharded(index.string()));
  else if (hasPickledWeights(directory))
    return makeError("{} has PyTorch's pickled weights only, and only safetensors are read",
                     directory);
  else
    return makeError("{} has neither model.safetensors nor model.safetensors.index.json",
                     directory);
  return checkpoint;
}

Status Checkpoint::openSingle(const std::string &path) {
  LLMOPT_ASSIGN(SafetensorsFile file, SafetensorsFile::open(path));
  for (const auto &[name, entry] : file.entries())
    places[name] = 0;
  files.push_back(std::move(file));
  return success();
}

Status Checkpoint::openSharded(const std::string &indexPath) {
  LLMOPT_ASSIGN(Json index, readJsonFile(indexPath));
  LLMOPT_ASSIGN(const Json *weightMap, jsonObject(index, "weight_map", indexPath));
  std::map<std::string, size_t> shards;
  for (const auto &[tensor, shardName] : weightMap->items()) {
    if (!shardName.is_string())
      return makeError("{}: tensor '{}' is mapped to {}, not to a file name", indexPath,
                       shortened(tensor), shortened(shardName.dump()));
    std::string shard = shardName.get<std::string>();
    // A name, not a path: an index may not reach outside its directory.
    if (shard.empty() || shard == "." || shard == ".." ||
        shard.find_first_of(std::string("/\\\0", 3)) != std::string::npos)
      return makeError("{}: tensor '{}' is mapped to '{}', which is not a plain file name",
                       indexPath, shortened(tensor), shortened(shard));
    auto known = shards.find(shard);
    if (known == shards.end()) {
      fs::path path = fs::path(folder) / shard;
      if (!isFile(path))
        return makeError("{} names the shard {}, which does not exist", indexPath,
                         (fs::path(folder) / shortened(shard, 255)).string());
      LLMOPT_ASSIGN(SafetensorsFile file, SafetensorsFile::open(path.string()));
      known = shards.emplace(shard, files.size()).first;
      files.push_back(std::move(file));
    }
    if (!files[known->second].find(tensor))
      return makeError("{} maps tensor '{}' to {}, which does not have it", indexPath,
                       shortened(tensor), files[known->second].path());
    places[tensor] = known->second;
  }
  return success();
}

Result<TensorSource::Tensor> Checkpoint::find(const std::string &name) const {
  auto place = places.find(name);
  if (place == places.end())
    return makeError("{} has no tensor '{}'", folder, name);
  const SafetensorsFile &file = files[place->second];
  const SafetensorsEntry &entry = *file.find(name);
  Tensor tensor;
  if (entry.dtype == "F32")
    tensor.type = Type::F32;
  else if (entry.dtype == "F16")
    tensor.type = Type::F16;
  else if (entry.dtype == "BF16")
    tensor.type = Type::BF16;
  else
    return makeError("{}: tensor '{}' is of type {}, and only F32, F16 and BF16 are read",
                     file.path(), name, entry.dtype);
  tensor.shape = entry.shape;
  tensor.data = file.data(entry);
  tensor.file = file.path();
  return tensor;
}

void Checkpoint::release(const Tensor &tensor, uint64_t begin, uint64_t end) const {
  for (const SafetensorsFile &file : files) {
    const MappedFile &mapping = file.mapping();
    if (tensor.data >= mapping.data() && tensor.data < mapping.data() + mapping.size())
      mapping.release(static_cast<uint64_t>(tensor.data - mapping.data()) + begin, end - begin);
  }
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> result;
  result.reserve(places.size());
  for (const auto &[name, place] : places)
    result.push_back(name);
  return result;
}

} // namespace llmopt
