#include "EndToEnd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unistd.h>

namespace llmopt {

namespace fs = std::filesystem;

CompiledModel::CompiledModel(CompileOptions options) {
  std::string pattern = (fs::temp_directory_path() / "llmopt-endtoend-XXXXXX").string();
  folder = ::mkdtemp(pattern.data());
  artifactPath = (folder / "model.llmopt").string();
  options.output = artifactPath;
  options.quiet = true;
  auto report = compile(options);
  EXPECT_TRUE(report) << report.error().message();
}

CompiledModel::~CompiledModel() { fs::remove_all(folder); }

std::unique_ptr<Device> CompiledModel::open(int threads, int64_t pages,
                                            const std::string &name) const {
  auto artifact = Artifact::open(artifactPath, threads);
  EXPECT_TRUE(artifact) << artifact.error().message();
  if (!artifact)
    return nullptr;
  DeviceOptions options;
  options.device = name;
  options.threads = threads;
  options.quiet = true;
  auto device = openDevice(std::make_shared<const Artifact>(*std::move(artifact)), options);
  EXPECT_TRUE(device) << device.error().message();
  if (!device)
    return nullptr;
  Status allocated = (*device)->allocateCache(pages);
  EXPECT_TRUE(allocated) << allocated.error().message();
  return *std::move(device);
}

Sequences::Sequences(Device &device, int32_t count, int64_t pagesEach)
    : device(device), count(count), pagesEach(pagesEach), lengths(size_t(count)),
      all(size_t(count)) {}

void Sequences::step(const std::vector<Run> &runs) {
  std::vector<int32_t> tokens, positions, sequenceOf, rows, firstRow = {0}, pageTable;
  for (size_t run = 0; run < runs.size(); ++run) {
    int32_t sequence = runs[run].sequence;
    for (int32_t token : runs[run].tokens) {
      rows.push_back(int32_t(tokens.size()));
      tokens.push_back(token);
      positions.push_back(lengths[size_t(sequence)]++);
      sequenceOf.push_back(int32_t(run));
    }
    firstRow.push_back(int32_t(tokens.size()));
    for (int64_t page = 0; page < pagesEach; ++page)
      pageTable.push_back(int32_t(sequence + page * count));
  }
  LlmoptBatch batch = {};
  batch.tokens = batch.logitRows = int32_t(tokens.size());
  batch.sequences = int32_t(runs.size());
  batch.pageTableStride = int32_t(pagesEach);
  batch.tokenIds = tokens.data();
  batch.positions = positions.data();
  batch.sequenceOf = sequenceOf.data();
  batch.logitRow = rows.data();
  batch.firstRow = firstRow.data();
  batch.pageTable = pageTable.data();
  Status status = device.run(batch);
  ASSERT_TRUE(status) << status.error().message();
  auto logits = device.logits();
  ASSERT_TRUE(logits) << logits.error().message();
  const int64_t vocabulary = device.artifact().manifest.vocabularySize;
  const float *row = *logits;
  for (const Run &run : runs) {
    int64_t values = int64_t(run.tokens.size()) * vocabulary;
    auto &kept = all[size_t(run.sequence)];
    kept.insert(kept.end(), row, row + values);
    row += values;
  }
}

void feedMixed(Sequences &sequences, const std::vector<std::vector<int32_t>> &texts,
               std::mt19937 &random) {
  std::vector<size_t> done(texts.size());
  for (bool more = true; more;) {
    more = false;
    std::vector<Run> runs;
    for (size_t s = 0; s < texts.size(); ++s) {
      size_t left = texts[s].size() - done[s];
      more |= left > 0;
      if (left == 0 || random() % 4 == 0)
        continue;
      // Every other chunk is one token: a decode step beside the prefills.
      size_t count = std::min<size_t>(left, random() % 2 ? 1 : 1 + random() % 40);
      runs.push_back(
          {int32_t(s),
           {texts[s].begin() + long(done[s]), texts[s].begin() + long(done[s] + count)}});
      done[s] += count;
    }
    if (!runs.empty())
      sequences.step(runs);
  }
}

bool sameBits(const std::vector<float> &a, const std::vector<float> &b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

double relativeError(const std::vector<float> &a, const float *b) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
    norm += double(b[i]) * b[i];
  }
  return std::sqrt(difference / norm);
}

std::string goldenModel(const std::string &name) {
  return (fs::path(LLMOPT_SOURCE_DIR) / "test/goldens/models" / name).string();
}

std::vector<std::string> goldenModels() {
  std::vector<std::string> names;
  for (const auto &entry : fs::directory_iterator(goldenModel("")))
    if (entry.is_directory())
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

} // namespace llmopt
