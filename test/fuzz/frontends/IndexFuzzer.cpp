//===- IndexFuzzer.cpp - Any bytes as model.safetensors.index.json ----------------------------===//

#include "frontends/Checkpoint.h"

#include "support/Files.h"

#include <cstdlib>
#include <filesystem>

using namespace llmopt;
namespace fs = std::filesystem;

/// A directory with one good shard, "a.safetensors", which has the tensor "w".
static const fs::path &directory() {
  static const fs::path path = [] {
    std::string pattern = (fs::temp_directory_path() / "llmopt-index-XXXXXX").string();
    if (!mkdtemp(pattern.data()) ||
        !writeFloatTensors(pattern + "/a.safetensors", {{"w", {{2}, {1, 2}}}}))
      std::abort();
    std::atexit([] { fs::remove_all(directory()); });
    return fs::path(pattern);
  }();
  return path;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  if (!writeFile((directory() / "model.safetensors.index.json").string(), text))
    std::abort();
  Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::open(directory().string());
  if (checkpoint)
    for (const std::string &name : (*checkpoint)->names())
      if (!(*checkpoint)->find(name))
        std::abort();
  return 0;
}
