#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/Checksum.h"

#include "support/Files.h"
#include "test/unit/runtime/TinyModel.h"

#include <gmock/gmock.h>

#include <filesystem>

using namespace llmopt;
using namespace llmopt::tiny;
using testing::HasSubstr;

namespace fs = std::filesystem;

static std::string openError(const std::string &path) {
  Result<Artifact> artifact = Artifact::open(path, 2);
  return artifact ? "opened" : artifact.error().message();
}

/// The error of an artifact whose parts were changed before writing.
static std::string openError(const std::function<void(Parts &)> &change) {
  TemporaryDirectory directory;
  Parts parts;
  change(parts);
  writeArtifact(parts, directory / "a.llmopt");
  return openError(directory / "a.llmopt");
}

/// The error of an artifact whose plan.json was changed, with right checksums.
static std::string planError(const std::function<void(Json &)> &change) {
  TemporaryDirectory directory;
  std::string path = directory / "a.llmopt";
  writeArtifact(Parts(), path);
  Json plan = *readJsonFile(path + "/plan.json");
  change(plan);
  EXPECT_TRUE(writeFile(path + "/plan.json", plan.dump()));
  recordFiles(Parts().manifest, path);
  return openError(path);
}

TEST(Artifact, OpensWhatWasWritten) {
  TemporaryDirectory directory;
  writeArtifact(Parts(), directory / "a.llmopt");
  Result<Artifact> artifact = Artifact::open(directory / "a.llmopt", 2);
  ASSERT_TRUE(artifact) << artifact.error().message();
  EXPECT_EQ(artifact->manifest.vocabularySize, vocabulary);
  EXPECT_EQ(artifact->manifest.files.size(), 3u);
  const PlanWeight &weight = artifact->plan.weights[0];
  const auto *values = reinterpret_cast<const float *>(artifact->weightData(weight));
  EXPECT_EQ(values[7], bias(7));
}

TEST(Artifact, PlanSurvivesJson) {
  Plan plan = Parts().plan;
  plan.weights[0].packing = {16, 2};
  plan.weights[0].random = {{30, 4000000000u, 0.25f, 0.1f}, {10, 1, 0.0f, 1e-7f}};
  plan.launches[0].target = {{"grid", "rows"}};
  std::string text = plan.toJson().dump();
  Result<Plan> read = Plan::fromJson(*parseJson(text, "plan"), "plan");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->toJson().dump(), text);
  EXPECT_EQ(read->weights[0].random[0].scale, 0.1f);
  EXPECT_EQ(read->weights[0].bytes(), 48 * 2 * 4);
}

TEST(Artifact, ManifestSurvivesItsText) {
  Manifest manifest = Parts().manifest;
  manifest.requiredFeatures = {"avx2", "fma"};
  manifest.stopTokens = {2, 5};
  manifest.model = "quotes \" and \xff bytes";
  std::string text = manifest.serialize();
  Result<Manifest> read = Manifest::parse(text, "manifest.json");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->serialize(), text);
  EXPECT_EQ(read->stopTokens, manifest.stopTokens);
}

// Else the fuzzers would not come past what the format asks for.
TEST(Artifact, TheFuzzersBeginWithOneOfThisVersion) {
  const std::string corpus = LLMOPT_SOURCE_DIR "/test/fuzz/artifact/corpus/";
  auto fields = readFile(corpus + "manifest/tiny.txt");
  ASSERT_TRUE(fields) << fields.error().message();
  std::string body = fmt::format("{{\n  \"format\": \"llmopt artifact\",\n  \"version\": {},\n{}",
                                 artifactFormatVersion, *fields);
  std::string text = fmt::format("{},\n  \"checksum\": \"{}\"\n}}\n", body,
                                 checksumText(body.data(), body.size()));
  auto manifest = Manifest::parse(text, "tiny.txt");
  EXPECT_TRUE(manifest) << manifest.error().message();
  for (const auto &file : std::filesystem::directory_iterator(corpus + "plan")) {
    auto json = readJsonFile(file.path().string());
    ASSERT_TRUE(json) << json.error().message();
    auto plan = Plan::fromJson(*json, file.path().string());
    EXPECT_TRUE(plan) << plan.error().message();
  }
}

TEST(Artifact, NamesAMissingPath) {
  EXPECT_EQ(openError("/no/such.llmopt"), "/no/such.llmopt does not exist");
}

TEST(Artifact, RefusesADirectoryWithoutManifest) {
  TemporaryDirectory directory;
  EXPECT_THAT(openError(directory / ""), HasSubstr("is not an artifact: it has no manifest.json"));
}

TEST(Artifact, RefusesAFile) {
  TemporaryDirectory directory;
  ASSERT_TRUE(writeFile(directory / "file", "text"));
  EXPECT_THAT(openError(directory / "file"), HasSubstr("it is not a directory"));
}

TEST(Artifact, RefusesAnotherVersion) {
  TemporaryDirectory directory;
  std::string path = directory / "a.llmopt";
  writeArtifact(Parts(), path);
  std::string text = *readFile(path + "/manifest.json");
  std::string own = fmt::format("\"version\": {}", artifactFormatVersion);
  text.replace(text.find(own), own.size(), "\"version\": 9");
  ASSERT_TRUE(writeFile(path + "/manifest.json", text));
  EXPECT_THAT(openError(path),
              HasSubstr(fmt::format("artifact format version 9, this program opens version {}",
                                    artifactFormatVersion)));
}

TEST(Artifact, FindsAnyFlippedByteOfTheManifest) {
  std::string text = Parts().manifest.serialize();
  for (size_t i = 0; i < text.size(); ++i) {
    for (char flip : {1, 0x20, 0x40}) {
      std::string changed = text;
      changed[i] ^= flip;
      EXPECT_FALSE(Manifest::parse(changed, "manifest.json")) << "byte " << i;
    }
  }
}

TEST(Artifact, FindsATruncatedManifest) {
  std::string text = Parts().manifest.serialize();
  for (size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(Manifest::parse(text.substr(0, size), "manifest.json")) << size;
}

TEST(Artifact, FindsAFlippedByteInEveryFile) {
  TemporaryDirectory directory;
  std::string path = directory / "a.llmopt";
  writeArtifact(Parts(), path);
  for (const char *name : {"plan.json", "model.so", "weights.safetensors"}) {
    std::string file = path + "/" + name;
    std::string content = *readFile(file);
    for (size_t position : {size_t(0), content.size() / 2, content.size() - 1}) {
      std::string changed = content;
      changed[position] ^= 1;
      ASSERT_TRUE(writeFile(file, changed));
      EXPECT_THAT(openError(path), HasSubstr(file + " has been changed"));
    }
    ASSERT_TRUE(writeFile(file, content));
  }
  EXPECT_EQ(openError(path), "opened");
}

TEST(Artifact, FindsATruncatedFile) {
  TemporaryDirectory directory;
  std::string path = directory / "a.llmopt";
  writeArtifact(Parts(), path);
  fs::resize_file(path + "/weights.safetensors", 100);
  EXPECT_THAT(openError(path), HasSubstr("weights.safetensors has 100 bytes, the manifest says"));
}

TEST(Artifact, FindsAMissingFile) {
  TemporaryDirectory directory;
  std::string path = directory / "a.llmopt";
  writeArtifact(Parts(), path);
  fs::remove(path + "/plan.json");
  EXPECT_THAT(openError(path), HasSubstr("plan.json: No such file"));
}

TEST(Artifact, ChecksFilesOfSeveralChunks) {
  TemporaryDirectory directory;
  std::string content(checksumChunkBytes * 2 + 5, 'x');
  ASSERT_TRUE(writeFile(directory / "big", content));
  Result<FileRecord> record = recordFile(directory / "big", 2);
  ASSERT_TRUE(record);
  ASSERT_EQ(record->checksums.size(), 3u);
  EXPECT_EQ(record->checksums[0], record->checksums[1]);
  EXPECT_NE(record->checksums[0], record->checksums[2]);
}

TEST(Artifact, RefusesFileNamesThatLeaveIt) {
  for (const char *name : {"../secret", "/etc/passwd", "a/../../b", "", "a//b", "./a", "a/"}) {
    Manifest manifest = Parts().manifest;
    manifest.files[name] = FileRecord();
    Result<Manifest> read = Manifest::parse(manifest.serialize(), "manifest.json");
    ASSERT_FALSE(read) << name;
    EXPECT_THAT(read.error().message(), HasSubstr("does not stay inside the artifact"));
  }
}

TEST(Artifact, RefusesARecordWithTooFewChecksums) {
  Manifest manifest = Parts().manifest;
  manifest.files["a"] = {5, {}};
  Result<Manifest> read = Manifest::parse(manifest.serialize(), "manifest.json");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message(), HasSubstr("0 checksums for 5 bytes, 1 are needed"));
}

TEST(Artifact, RefusesAStopTokenOutsideTheVocabulary) {
  EXPECT_THAT(openError([](Parts &parts) { parts.manifest.stopTokens = {vocabulary}; }),
              HasSubstr("stop token 40 is outside the vocabulary of 40"));
}

TEST(Artifact, RefusesLogitsOfAnotherVocabulary) {
  EXPECT_THAT(openError([](Parts &parts) { parts.manifest.vocabularySize = 41; }),
              HasSubstr("a row of logits has 160 bytes, a vocabulary of 41 needs 164"));
}

TEST(Artifact, RefusesAWeightThatTheFileLacks) {
  EXPECT_THAT(openError([](Parts &parts) { parts.plan.weights[0].name = "other"; }),
              HasSubstr("tensor 'other' is missing"));
}

TEST(Artifact, RefusesAWeightOfAnotherSize) {
  EXPECT_THAT(openError([](Parts &parts) { parts.plan.weights[0].rows = 41; }),
              HasSubstr("tensor 'bias' has 160 bytes, the plan says 164"));
}

TEST(Artifact, RefusesAWeightOfAnotherType) {
  EXPECT_THAT(openError([](Parts &parts) { parts.plan.weights[0].type = ElementType::BF16; }),
              HasSubstr("tensor 'bias' has type F32, the plan says BF16"));
}

TEST(Plan, RefusesABufferOutsideTheArena) {
  EXPECT_THAT(planError([](Json &plan) { plan["buffers"][0]["row_bytes"] = 65; }),
              HasSubstr("buffer 0: bytes 0 to 65 of a row lie outside the arena's 64"));
}

TEST(Plan, RefusesAnUnalignedBuffer) {
  EXPECT_THAT(planError([](Json &plan) { plan["buffers"][1]["offset"] = 32; }),
              HasSubstr("buffer 1: offset 32 is not a multiple of 64"));
}

TEST(Plan, RefusesArgumentsThatDoNotExist) {
  for (const char *kind : {"buffer", "weight", "cache"}) {
    for (int64_t index : {int64_t(-1), int64_t(2), INT64_MAX}) {
      EXPECT_THAT(
          planError([&](Json &plan) { plan["launches"][0]["arguments"][0] = {{kind, index}}; }),
          HasSubstr(fmt::format("launch 0: field '{}' is {}", kind, index)));
    }
  }
}

TEST(Plan, RefusesKernelNamesThatAreNone) {
  for (const char *name : {"", "1a", "a b", "a;b", "../a"})
    EXPECT_THAT(planError([&](Json &plan) { plan["launches"][0]["kernel"] = name; }),
                HasSubstr("is not an identifier"));
}

TEST(Plan, RefusesSizesThatOverflow) {
  EXPECT_THAT(planError([](Json &plan) { plan["weights"][0]["rows"] = INT64_MAX; }),
              HasSubstr("weight 0: field 'rows' is 9223372036854775807, outside"));
  EXPECT_THAT(planError([](Json &plan) {
                plan["weights"][0]["rows"] = plan["weights"][0]["columns"] = int64_t(1) << 31;
              }),
              HasSubstr("is too large"));
}

TEST(Plan, RefusesRandomRowsThatDoNotAddUp) {
  EXPECT_THAT(planError([](Json &plan) {
                plan["weights"][0]["random"] =
                    Json::parse(R"([{"rows": 39, "seed": 1, "mean": 0, "scale": 1}])");
              }),
              HasSubstr("the random segments' rows do not add up to 40"));
}

TEST(Plan, RefusesLogitsThatAreNoLogitBuffer) {
  EXPECT_THAT(planError([](Json &plan) { plan["logits"] = 0; }),
              HasSubstr("the logits are buffer 0"));
}

TEST(Plan, RefusesANameTwice) {
  EXPECT_THAT(planError([](Json &plan) { plan["weights"].push_back(plan["weights"][0]); }),
              HasSubstr("weight 1: the name 'bias' appears twice"));
}

TEST(Plan, RefusesEveryFieldMissing) {
  Json plan = *parseJson(Parts().plan.toJson().dump(), "plan");
  for (const auto &[key, value] : plan.items()) {
    Json changed = plan;
    changed.erase(key);
    EXPECT_FALSE(Plan::fromJson(changed, "plan")) << key;
    changed[key] = "text";
    EXPECT_FALSE(Plan::fromJson(changed, "plan")) << key;
  }
}
