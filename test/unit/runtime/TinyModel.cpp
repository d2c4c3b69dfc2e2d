#include "test/unit/runtime/TinyModel.h"

#include "support/Files.h"
#include "support/Safetensors.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace llmopt::tiny {

namespace fs = std::filesystem;

/// Tests have nothing to go on with after a failure here.
static void require(const Status &status) {
  if (!status) {
    std::fprintf(stderr, "%s\n", status.error().message().c_str());
    std::abort();
  }
}

TemporaryDirectory::TemporaryDirectory() {
  path = (fs::temp_directory_path() / "llmopt-test-XXXXXX").string();
  if (!::mkdtemp(path.data()))
    require(makeError("cannot make {}", path));
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

Parts::Parts() {
  manifest.compilerVersion = "test";
  manifest.target = "cpu";
  manifest.arch = "x86-64";
  manifest.precision = "32-true";
  manifest.model = "tiny";
  manifest.vocabularySize = vocabulary;
  manifest.contextLength = contextLength;
  manifest.parameters = vocabulary;
  manifest.weightBytes = vocabulary * 4;

  plan.tokenRowBytes = 64;
  plan.logitRowBytes = 192;
  plan.threadScratchBytes = 64;
  plan.cache = {2, pageTokens, pageBytes, "F32"};
  plan.buffers = {{"history", RowSpace::Token, 0, 4},
                  {"logits", RowSpace::Logit, 0, vocabulary * 4}};
  plan.logits = 1;
  PlanWeight weight;
  weight.name = "bias";
  weight.rows = vocabulary;
  weight.columns = 1;
  plan.weights = {weight};
  using Kind = LaunchArgument::Kind;
  auto launch = [&](const char *kernel, std::vector<LaunchArgument> arguments) {
    PlanLaunch result;
    result.kernel = kernel;
    result.from = "test";
    result.arguments = std::move(arguments);
    plan.launches.push_back(std::move(result));
  };
  launch("tiny_append", {{Kind::Cache, 0}});
  launch("tiny_append", {{Kind::Cache, 1}});
  launch("tiny_history", {{Kind::Cache, 0}, {Kind::Cache, 1}, {Kind::Buffer, 0}});
  launch("tiny_logits", {{Kind::Buffer, 0}, {Kind::Weight, 0}, {Kind::Buffer, 1}});
  plan.launches[3].space = RowSpace::Logit;
  plan.launches[3].weightBytes = vocabulary * 4;
  plan.launches[3].flopsPerRow = vocabulary * 2;
}

float bias(int token) { return static_cast<float>(token % 5) * 0.125f; }

static std::string moduleFile(Module module) {
  switch (module) {
  case Module::Good:
    return TINY_MODULE;
  case Module::OtherAbi:
    return TINY_MODULE_OTHER_ABI;
  case Module::NoLogits:
    return TINY_MODULE_NO_LOGITS;
  }
  return {};
}

static void writeWeights(const std::string &path) {
  SafetensorsLayout layout(4096);
  layout.add("bias", "F32", {vocabulary, 1}, vocabulary * 4);
  std::string content = layout.header();
  size_t offset = content.size();
  content.resize(offset + layout.dataBytes());
  for (int token = 0; token < vocabulary; ++token) {
    float value = bias(token);
    std::memcpy(content.data() + offset + token * 4, &value, 4);
  }
  require(writeFile(path, content));
}

/// A byte-level vocabulary without merges: <s>, </s>, <unk>, then letters, digits and a blank.
static std::string tokenizerJson() {
  OrderedJson json;
  json["version"] = "1.0";
  json["added_tokens"] = OrderedJson::array();
  OrderedJson vocabularyJson = OrderedJson::object();
  int id = 0;
  for (const char *special : {"<s>", "</s>", "<unk>"}) {
    json["added_tokens"].push_back({{"id", id},
                                    {"content", special},
                                    {"single_word", false},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"normalized", false},
                                    {"special", true}});
    vocabularyJson[special] = id++;
  }
  for (char letter = 'a'; letter <= 'z'; ++letter)
    vocabularyJson[std::string(1, letter)] = id++;
  for (char digit = '0'; digit <= '9'; ++digit)
    vocabularyJson[std::string(1, digit)] = id++;
  vocabularyJson["\u0120"] = id++;
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  json["post_processor"] = nullptr;
  json["decoder"] = {{"type", "ByteLevel"},
                     {"add_prefix_space", true},
                     {"trim_offsets", true},
                     {"use_regex", true}};
  json["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"vocab", vocabularyJson},
                   {"merges", OrderedJson::array()}};
  return json.dump(1);
}

void writeArtifact(const Parts &parts, const std::string &path) {
  fs::create_directories(path);
  Plan plan = parts.plan;
  if (parts.randomBias)
    // Not from a list of one: GCC 13, with sanitizers, sees its copy read past the end.
    plan.weights[0].random.assign(1, RandomSegment{vocabulary, 7, 0.0f, 1.0f});
  else
    writeWeights(path + "/weights.safetensors");
  require(writeFile(path + "/plan.json", plan.toJson().dump(1)));
  fs::copy_file(moduleFile(parts.module), path + "/model.so", fs::copy_options::overwrite_existing);
  if (parts.tokenizer)
    require(writeFile(path + "/tokenizer.json", tokenizerJson()));
  recordFiles(parts.manifest, path);
}

void recordFiles(Manifest manifest, const std::string &path) {
  for (const auto &entry : fs::directory_iterator(path)) {
    std::string name = entry.path().filename().string();
    if (name == "manifest.json")
      continue;
    auto record = recordFile(entry.path().string(), 1);
    require(record ? success() : Status(record.error()));
    manifest.files[name] = *record;
  }
  require(writeFile(path + "/manifest.json", manifest.serialize()));
}

std::vector<float> referenceLogits(const std::vector<int32_t> &tokens) {
  uint32_t history = historyStart;
  for (int32_t token : tokens)
    history = nextHistory(history, token);
  std::vector<float> logits;
  for (int token = 0; token < vocabulary; ++token)
    logits.push_back(logit(history, token, bias(token)));
  return logits;
}

std::vector<int32_t> referenceGreedy(std::vector<int32_t> tokens, int64_t count) {
  std::vector<int32_t> result;
  for (int64_t i = 0; i < count; ++i) {
    std::vector<float> logits = referenceLogits(tokens);
    auto best = std::max_element(logits.begin(), logits.end());
    tokens.push_back(static_cast<int32_t>(best - logits.begin()));
    result.push_back(tokens.back());
  }
  return result;
}

std::unique_ptr<Device> openTiny(const std::string &path, int threads) {
  Result<Artifact> artifact = Artifact::open(path, 1);
  require(artifact ? success() : Status(artifact.error()));
  DeviceOptions options;
  options.threads = threads;
  auto device = openDevice(std::make_shared<const Artifact>(*std::move(artifact)), options);
  require(device ? success() : Status(device.error()));
  return *std::move(device);
}

std::map<int64_t, std::vector<int32_t>> drain(Engine &engine) {
  std::map<int64_t, std::vector<int32_t>> tokens;
  while (!engine.idle()) {
    auto events = engine.step();
    require(events ? success() : Status(events.error()));
    for (const TokenEvent &event : *events)
      tokens[event.request].insert(tokens[event.request].end(), event.tokens.begin(),
                                   event.tokens.end());
  }
  return tokens;
}

} // namespace llmopt::tiny
