#include "runtime/artifact/Artifact.h"

#include "runtime/artifact/Checksum.h"
#include "support/Files.h"
#include "support/Progress.h"
#include "support/ThreadPool.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <mutex>

namespace llmopt {

namespace fs = std::filesystem;

static const char manifestName[] = "manifest.json";
static const char planName[] = "plan.json";
static const char weightsName[] = "weights.safetensors";

/// Weights begin on multiples of this in the file, so in memory too.
static constexpr uint64_t weightAlignment = 4096;

namespace {
/// A stretch of a file that one thread checks.
struct Chunk {
  const MappedFile *file;
  const std::string *checksum;
  uint64_t begin;
  uint64_t bytes;
};
} // namespace

bool isArtifact(const std::string &path) {
  // The beginning of Manifest::serialize(); what follows may be of another version, or damaged.
  static const std::string beginning = "{\n  \"format\": \"llmopt artifact\"";
  auto file = MappedFile::open(fmt::format("{}/{}", path, manifestName));
  return file && file->size() >= beginning.size() &&
         std::memcmp(file->data(), beginning.data(), beginning.size()) == 0;
}

/// Checks that files are there with the sizes and bytes that the manifest records.
static Status checkFiles(const std::string &path, const std::map<std::string, FileRecord> &records,
                         int threads) {
  std::vector<MappedFile> files;
  files.reserve(records.size());
  std::vector<Chunk> chunks;
  uint64_t total = 0;
  for (const auto &[name, record] : records) {
    LLMOPT_ASSIGN(MappedFile file, MappedFile::open(fmt::format("{}/{}", path, name)));
    if (file.size() != record.bytes)
      return makeError("{} has {} bytes, the manifest says {}", file.path(), file.size(),
                       record.bytes);
    files.push_back(std::move(file));
    total += record.bytes;
    for (size_t i = 0; i < record.checksums.size(); ++i) {
      uint64_t begin = i * checksumChunkBytes;
      chunks.push_back({&files.back(), &record.checksums[i], begin,
                        std::min(checksumChunkBytes, record.bytes - begin)});
    }
  }

  Progress progress("checking " + path, total, Progress::Unit::Bytes, /*quiet=*/false);
  std::mutex mutex;
  const Chunk *bad = nullptr;
  parallelFor(static_cast<int64_t>(chunks.size()), threads, [&](int64_t i) {
    const Chunk &chunk = chunks[i];
    if (checksumText(chunk.file->data() + chunk.begin, chunk.bytes) != *chunk.checksum) {
      std::lock_guard<std::mutex> lock(mutex);
      bad = bad ? std::min(bad, &chunk) : &chunk;
    }
    chunk.file->release(chunk.begin, chunk.bytes);
    progress.advance(chunk.bytes);
  });
  if (bad)
    return makeError("{} has been changed: bytes {} to {} do not match the manifest's checksum",
                     bad->file->path(), bad->begin, bad->begin + bad->bytes);
  return success();
}

static Status requireFile(const Manifest &manifest, const std::string &name,
                          const std::string &what) {
  if (!manifest.files.count(name))
    return makeError("{}: file '{}' is not listed", what, name);
  return success();
}

/// Holds every weight that has data against its entry in weights.safetensors.
static Status checkWeights(const Artifact &artifact) {
  for (const PlanWeight &weight : artifact.plan.weights) {
    if (!weight.random.empty())
      continue;
    const SafetensorsFile &file = *artifact.weights;
    const SafetensorsEntry *entry = file.find(weight.name);
    if (!entry)
      return makeError("{}: tensor '{}' is missing", file.path(), weight.name);
    if (entry->dtype != elementTypeName(weight.type))
      return makeError("{}: tensor '{}' has type {}, the plan says {}", file.path(), weight.name,
                       entry->dtype, elementTypeName(weight.type));
    if (entry->bytes() != static_cast<uint64_t>(weight.bytes()))
      return makeError("{}: tensor '{}' has {} bytes, the plan says {}", file.path(), weight.name,
                       entry->bytes(), weight.bytes());
    if (file.fileOffset(*entry) % weightAlignment != 0)
      return makeError("{}: tensor '{}' begins at byte {}, not a multiple of {}", file.path(),
                       weight.name, file.fileOffset(*entry), weightAlignment);
  }
  return success();
}

Result<Artifact> Artifact::openPlan(const std::string &path) {
  std::error_code code;
  if (!fs::exists(path, code))
    return makeError("{} does not exist", path);
  if (!fs::is_directory(path, code))
    return makeError("{} is not an artifact: it is not a directory", path);
  std::string manifestPath = path + "/" + manifestName;
  if (!fs::exists(manifestPath, code))
    return makeError("{} is not an artifact: it has no {}", path, manifestName);

  Artifact artifact;
  artifact.path = path;
  LLMOPT_ASSIGN(std::string text, readFile(manifestPath));
  LLMOPT_ASSIGN(artifact.manifest, Manifest::parse(text, manifestPath));
  LLMOPT_TRY(requireFile(artifact.manifest, planName, manifestPath));
  LLMOPT_TRY(checkFiles(path, {{planName, artifact.manifest.files.at(planName)}}, /*threads=*/1));

  std::string planPath = path + "/" + planName;
  LLMOPT_ASSIGN(Json json, readJsonFile(planPath));
  LLMOPT_ASSIGN(artifact.plan, Plan::fromJson(json, planPath));
  int64_t logitBytes = artifact.plan.buffers[artifact.plan.logits].rowBytes;
  if (logitBytes != artifact.manifest.vocabularySize * int64_t(sizeof(float)))
    return makeError("{}: a row of logits has {} bytes, a vocabulary of {} needs {}", planPath,
                     logitBytes, artifact.manifest.vocabularySize,
                     artifact.manifest.vocabularySize * int64_t(sizeof(float)));
  return artifact;
}

Result<Artifact> Artifact::open(const std::string &path, int threads) {
  LLMOPT_ASSIGN(Artifact artifact, openPlan(path));
  LLMOPT_TRY(checkFiles(path, artifact.manifest.files, threads));
  bool hasData = std::any_of(artifact.plan.weights.begin(), artifact.plan.weights.end(),
                             [](const PlanWeight &weight) { return weight.random.empty(); });
  if (hasData) {
    LLMOPT_TRY(requireFile(artifact.manifest, weightsName, path + "/" + manifestName));
    LLMOPT_ASSIGN(artifact.weights, SafetensorsFile::open(path + "/" + weightsName));
    LLMOPT_TRY(checkWeights(artifact));
  }
  return artifact;
}

const uint8_t *Artifact::weightData(const PlanWeight &weight) const {
  return weights->data(*weights->find(weight.name));
}

} // namespace llmopt
