#include "runtime/eval/EvalModel.h"

#include "runtime/devices/cuda/CudaMemory.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>

namespace llmopt {

/// Passages at once: more would only hold pages.
static constexpr int64_t mostPassages = 64;

void ArtifactFacts::writeTo(OrderedJson &json) const {
  json["weight_bytes"] = weightBytes;
  json["bytes_per_weight"] = bytesPerWeight;
  json["tokens_per_second"] = tokensPerSecond;
  json["peak_memory_bytes"] = peakMemoryBytes;
}

Result<std::unique_ptr<EvalModel>> EvalModel::open(const std::string &path,
                                                   const DeviceOptions &options) {
  LLMOPT_ASSIGN(Model opened, Model::open(path, options));
  if (!opened.tokenizer)
    return makeError("{} holds no tokenizer, and a text needs one", path);
  auto model = std::make_unique<EvalModel>();
  model->artifact = std::move(opened.artifact);
  model->tokenizer = std::move(opened.tokenizer);
  model->device = std::move(opened.device);
  return model;
}

Result<std::vector<int32_t>> EvalModel::encode(std::string_view text, bool addSpecial) const {
  return tokenizer->encode(text, addSpecial);
}

//===- Steps ----------------------------------------------------------------------------------===//

Status EvalModel::start(int64_t longestPassage) {
  computed = 0;
  seconds = 0;
  if (engine && longestPassage <= longest)
    return success();
  if (engine)
    return makeError("{} was opened for passages of {} tokens, not of {}", path(), longest,
                     longestPassage);
  longest = longestPassage;
  // Room for all that wantsPassage() lets in (the first of them may be almost computed): then none
  // waits for another one's pages, and the rows of a step follow from the passages alone, whatever
  // the size of a page.
  EngineOptions options;
  cachePages = options.cachePages =
      Engine::pagesFor(artifact->plan, options.scheduler.stepTokens + 2 * longest, 1) +
      mostPassages;
  LLMOPT_ASSIGN(engine, Engine::create(std::move(device), options));
  return success();
}

bool EvalModel::wantsPassage() const {
  return passages < mostPassages && tokens < SchedulerOptions().stepTokens;
}

Status EvalModel::submit(size_t passage, const int32_t *first, int64_t count) {
  Request request;
  request.prompt.assign(first, first + count);
  request.maxNewTokens = 0;
  request.onPromptLogits = [this, passage](int64_t first, int64_t rows, const float *logits) {
    chunks.push_back({passage, first, rows, logits});
  };
  LLMOPT_TRY(engine->submit(std::move(request)));
  ++passages;
  tokens += count;
  return success();
}

Result<std::vector<LogitChunk>> EvalModel::step() {
  chunks.clear();
  auto start = std::chrono::steady_clock::now();
  LLMOPT_ASSIGN(std::vector<TokenEvent> finished, engine->step());
  seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  passages -= static_cast<int64_t>(finished.size());
  for (const LogitChunk &chunk : chunks) {
    computed += chunk.rows;
    tokens -= chunk.rows;
  }
  return chunks;
}

//===- What is told ---------------------------------------------------------------------------===//

/// What the weights, the cache and the workspace of the largest step take. The process's own
/// resident memory would count whatever else is open beside this artifact.
static int64_t plannedMemory(const Artifact &artifact, int64_t cachePages) {
  CudaMemory memory(artifact.plan, artifact.manifest.contextLength);
  const int64_t rows = SchedulerOptions().stepTokens;
  return static_cast<int64_t>(memory.weightBytes() + memory.pageBytes() * uint64_t(cachePages) +
                              memory.workspaceBytes({rows, rows, mostPassages}));
}

ArtifactFacts EvalModel::facts() const {
  ArtifactFacts facts;
  facts.artifact = path();
  facts.model = manifest().model;
  facts.precision = manifest().precision;
  int64_t elements = 0;
  for (const PlanWeight &weight : artifact->plan.weights) {
    elements += weight.elements();
    facts.weightBytes += weight.rows * weight.columns * elementBytes(weight.type);
  }
  facts.bytesPerWeight =
      static_cast<double>(facts.weightBytes) / static_cast<double>(std::max<int64_t>(1, elements));
  facts.tokensPerSecond = seconds > 0 ? static_cast<double>(computed) / seconds : 0;
  facts.peakMemoryBytes = static_cast<int64_t>(engine->model().memoryBytes());
  if (facts.peakMemoryBytes == 0)
    facts.peakMemoryBytes = plannedMemory(*artifact, cachePages);
  return facts;
}

std::vector<std::string> shortNames(const std::vector<const ArtifactFacts *> &artifacts) {
  std::vector<std::string> names;
  std::set<std::string> different;
  for (const ArtifactFacts *facts : artifacts) {
    std::filesystem::path path = std::filesystem::path(facts->artifact).lexically_normal();
    // "a.llmopt/" has an empty name behind its last slash.
    names.push_back((path.has_filename() ? path : path.parent_path()).stem().string());
    different.insert(names.back());
  }
  if (different.size() < names.size())
    for (size_t i = 0; i < names.size(); ++i)
      names[i] = artifacts[i]->artifact;
  return names;
}

//===- Whether two can be compared ------------------------------------------------------------===//

Status checkSameVocabulary(const EvalModel &model, const EvalModel &baseline) {
  if (model.vocabulary() == baseline.vocabulary())
    return success();
  return makeError("{} has a vocabulary of {} tokens and its baseline {} one of {}, so that they "
                   "cannot be compared",
                   model.path(), model.vocabulary(), baseline.path(), baseline.vocabulary());
}

Status checkSameTokens(const std::string &path, const std::vector<int32_t> &tokens,
                       const std::string &otherPath, const std::vector<int32_t> &otherTokens,
                       const std::string &text) {
  auto different =
      std::mismatch(tokens.begin(), tokens.end(), otherTokens.begin(), otherTokens.end());
  if (different.first == tokens.end() && different.second == otherTokens.end())
    return success();
  return makeError("{} and {} cut {} into different tokens, from number {} on, so that they cannot "
                   "be compared",
                   path, otherPath, text, different.first - tokens.begin());
}

} // namespace llmopt
