#include "test/unit/cuda_device/SmallModel.h"

#include "runtime/artifact/CudaSchedule.h"
#include "support/Files.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace llmopt {

/// Tests have nothing to go on with after a failure here.
static void require(const Status &status) {
  if (!status) {
    std::fprintf(stderr, "%s\n", status.error().message().c_str());
    std::abort();
  }
}

static Json grid(const char *name, int tiles, int rowsPerTile, bool early = false) {
  return {{"name", name}, {"tiles", tiles}, {"rows_per_tile", rowsPerTile},
          {"block", 64},  {"shared", 1024}, {"early", early}};
}

static Json variant(int maxRows, Json functions) {
  Json json = {{"functions", std::move(functions)}};
  if (maxRows)
    json["max_rows"] = maxRows;
  return json;
}

static void addLaunch(Plan &plan, const char *kernel, RowSpace space,
                      std::vector<LaunchArgument> arguments, Json variants) {
  PlanLaunch launch;
  launch.kernel = kernel;
  launch.from = "test";
  launch.space = space;
  launch.arguments = std::move(arguments);
  launch.target = {{"variants", std::move(variants)}};
  plan.launches.push_back(std::move(launch));
}

static Plan smallPlan() {
  using Kind = LaunchArgument::Kind;
  Plan plan;
  plan.tokenRowBytes = 64;
  plan.logitRowBytes = 64;
  plan.cache = {2, SmallModel::pageTokens, SmallModel::pageBytes, "F32"};
  plan.buffers = {{"hidden", RowSpace::Token, 0, 16},
                  {"last", RowSpace::Logit, 0, 16},
                  {"logits", RowSpace::Logit, 0, SmallModel::vocabulary * 4}};
  plan.buffers[2].offset = 0;
  plan.logits = 2;
  plan.weights = {{"table", ElementType::F32, SmallModel::vocabulary, 4, {}, {}}};
  addLaunch(plan, "embed", RowSpace::Token, {{Kind::Weight, 0}, {Kind::Buffer, 0}},
            {variant(4, {grid("embed_few", 2, 1)}), variant(0, {grid("embed_many", 3, 8, true)})});
  Json perSequence = grid("attention_any", 2, 4);
  perSequence["per_sequence"] = true;
  addLaunch(plan, "attention", RowSpace::Token, {{Kind::Cache, 1}, {Kind::Buffer, 0}},
            {variant(0, {perSequence})});
  Json product = {{"product",
                   {{"a", 0},
                    {"b", 1},
                    {"c", 2},
                    {"columns", 8},
                    {"depth", 4},
                    {"stride", 4},
                    {"inputs", "f32"},
                    {"output", "f32"}}}};
  addLaunch(plan, "head", RowSpace::Logit,
            {{Kind::Buffer, 1}, {Kind::Weight, 0}, {Kind::Buffer, 2}},
            {variant(4, {grid("head_few", 1, 1)}), variant(0, {grid("gather", 1, 1), product})});
  plan.target = {
      {"sampling",
       {{"functions", {{"sample", grid("sample", 1, 1)}, {"advance", grid("advance", 1, 64)}}},
        {"workspace_row_bytes", 16}}}};
  return plan;
}

Json &SmallModel::scheduleHead(Plan &plan) {
  CudaSchedule schedule;
  schedule.kind = findCudaTemplate("matvec");
  schedule.shape = {4, vocabulary, {{vocabulary, 1}}, "f32", "f32"};
  schedule.parameters = {{"rows", 4}, {"columns", 8}, {"warps", 2}, {"stages", 2}};
  CudaInstance instance = schedule.instance();
  Json &few = plan.launches[2].target["variants"][0]["functions"][0];
  few["tiles"] = instance.tiles;
  few["rows_per_tile"] = instance.rowsPerTile;
  few["block"] = instance.threads;
  few["shared"] = instance.sharedBytes;
  few["schedule"] = schedule.toJson();
  return few["schedule"];
}

void SmallModel::addPersistentStep() {
  artifact.plan.target["persistent"] = Json::array({{{"name", "step_rows4"},
                                                     {"max_rows", 4},
                                                     {"block", 288},
                                                     {"shared", 1000},
                                                     {"kernels", {"attention", "embed", "head"}}}});
  Json &attention = artifact.plan.launches[1].target["variants"];
  attention.insert(attention.begin(), variant(4, {grid("attention_few", 2, 1)}));
  auto sync = [&](size_t launch, int period, Json chunks, Json waitOf, Json waits) {
    artifact.plan.launches[launch].target["sync"] = Json::array({{{"period", period},
                                                                  {"per_row", true},
                                                                  {"parts", false},
                                                                  {"chunks", std::move(chunks)},
                                                                  {"wait_of", std::move(waitOf)},
                                                                  {"waits", std::move(waits)}}});
  };
  sync(0, 2, {2, 0}, {2, 0}, Json::array({Json::array()}));
  sync(1, 2, {2, 0}, {2, 0}, Json::array({Json::array({0, 0})}));
  sync(2, 1, {1, 0}, {1, 0}, Json::array({Json::array({1, 0})}));
  require(writeFile(artifact.path + "/source/step_rows4.cu", "// a whole step"));
  artifact.manifest.files["source/step_rows4.cu"] = FileRecord();
}

SmallModel::SmallModel() {
  const std::string path = folder / "model";
  std::filesystem::create_directories(path + "/source");
  std::filesystem::create_directories(path + "/kernels");
  artifact.path = path;
  artifact.plan = smallPlan();
  Manifest &manifest = artifact.manifest;
  manifest.target = "cuda";
  manifest.arch = "sm_90a";
  manifest.vocabularySize = vocabulary;
  manifest.contextLength = contextLength;
  for (const char *name : {"source/embed.cu", "source/attention.cu", "source/head.cu",
                           "source/sampling.cu", "kernels/abi.h"}) {
    require(writeFile(path + "/" + name, std::string("// ") + name));
    manifest.files[name] = FileRecord();
  }
  SafetensorsLayout layout(4096);
  layout.add("table", "F32", {vocabulary, 4}, vocabulary * 16);
  std::string content = layout.header();
  size_t offset = content.size();
  content.resize(offset + layout.dataBytes());
  for (int i = 0; i < vocabulary * 4; ++i) {
    auto value = static_cast<float>(i);
    std::memcpy(content.data() + offset + i * 4, &value, 4);
  }
  require(writeFile(path + "/weights.safetensors", content));
  auto weights = SafetensorsFile::open(path + "/weights.safetensors");
  require(weights ? success() : Status(weights.error()));
  artifact.weights = *weights;
}

} // namespace llmopt
