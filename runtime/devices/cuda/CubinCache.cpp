// An entry is a file: a line with the key and the checksum of the machine code, then that.

#include "runtime/devices/cuda/CubinCache.h"

#include "runtime/artifact/Checksum.h"
#include "support/Files.h"
#include "support/Progress.h"
#include "support/ThreadPool.h"

#include <filesystem>
#include <map>
#include <mutex>

namespace llmopt {

namespace fs = std::filesystem;

//===- Entries --------------------------------------------------------------------------------===//

CubinCache::CubinCache() : folder(userCacheFolder("cubins")) {}

static std::string headLine(const std::string &key, const std::string &cubin) {
  return key + " " + checksumText(cubin.data(), cubin.size()) + "\n";
}

std::optional<std::string> CubinCache::find(const std::string &key) const {
  std::error_code code;
  std::string path = folder + "/" + key;
  if (folder.empty() || !fs::is_regular_file(path, code))
    return std::nullopt;
  auto content = readFile(path);
  if (!content)
    return std::nullopt;
  size_t end = content->find('\n');
  if (end == std::string::npos)
    return std::nullopt;
  std::string cubin = content->substr(end + 1);
  if (content->compare(0, end + 1, headLine(key, cubin)) != 0)
    return std::nullopt;
  return cubin;
}

void CubinCache::keep(const std::string &key, const std::string &cubin) const {
  if (folder.empty())
    return;
  std::error_code code;
  fs::create_directories(folder, code);
  if (!code)
    (void)writeFile(folder + "/" + key, headLine(key, cubin) + cubin);
}

//===- Keys -----------------------------------------------------------------------------------===//

/// Appends a text so that no two lists of texts are the same string.
static void append(std::string &all, const std::string &text) {
  all += std::to_string(text.size()) + ":" + text;
}

std::string cubinKey(const CudaSource &source, const std::vector<CudaHeader> &headers,
                     const std::string &arch, const Nvrtc &nvrtc) {
  std::string all;
  append(all, fmt::format("NVRTC {}.{}", nvrtc.majorVersion(), nvrtc.minorVersion()));
  for (const char *option : Nvrtc::standingOptions)
    append(all, option);
  append(all, arch);
  append(all, source.name); // __FILE__, and the names of local symbols
  append(all, source.content);
  std::map<std::string, const std::string *> sorted;
  for (const CudaHeader &header : headers)
    sorted[header.name] = &header.content;
  for (const auto &[name, content] : sorted) {
    append(all, name);
    append(all, *content);
  }
  // 128 bits: of the whole, and of the whole behind its own checksum.
  std::string first = checksumText(all.data(), all.size());
  all.insert(0, first);
  return first + checksumText(all.data(), all.size());
}

//===- Compiling ------------------------------------------------------------------------------===//

Result<std::vector<std::string>> compileCubins(const std::vector<CudaSource> &sources,
                                               const std::vector<CudaHeader> &headers,
                                               const std::string &arch, const Nvrtc &nvrtc,
                                               const CubinCache &cache, int threads, bool quiet) {
  std::vector<std::string> cubins(sources.size());
  std::mutex mutex;
  std::optional<Error> failure;
  Progress progress("compiling kernels", sources.size(), Progress::Unit::Count, quiet);
  parallelFor(static_cast<int64_t>(sources.size()), threads, [&](int64_t i) {
    std::string key = cubinKey(sources[i], headers, arch, nvrtc);
    if (auto kept = cache.find(key)) {
      cubins[i] = *std::move(kept);
    } else if (auto image = nvrtc.compile(sources[i].name, sources[i].content, headers, {arch})) {
      cubins[i] = std::move(image->cubin);
      cache.keep(key, cubins[i]);
    } else {
      std::lock_guard<std::mutex> lock(mutex);
      failure = image.error();
    }
    progress.advance(1);
  });
  if (failure)
    return *failure;
  return cubins;
}

} // namespace llmopt
