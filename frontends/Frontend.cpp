#include "frontends/Frontend.h"

#include "frontends/models/Families.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

namespace llmopt {

namespace fs = std::filesystem;

namespace {
/// A `model_type` of configs, who builds it, and the `architectures` that are that and nothing
/// more: the model with or without its last linear.
struct Family {
  const char *modelType;
  Result<BuiltModel> (*build)(mlir::MLIRContext &, const Config &, const WeightOrigin &);
  std::vector<const char *> architectures;
};
} // namespace

static const std::vector<const char *> falcons = {"FalconForCausalLM", "FalconModel",
                                                  "RWForCausalLM", "RWModel"};
static const Family families[] = {
    {"falcon", buildFalcon, falcons},
    {"RefinedWeb", buildFalcon, falcons},
    {"RefinedWebModel", buildFalcon, falcons},
    {"gpt2", buildGpt2, {"GPT2LMHeadModel", "GPT2Model"}},
    {"gpt_neox", buildGptNeoX, {"GPTNeoXForCausalLM", "GPTNeoXModel"}},
    {"llama", buildLlama, {"LlamaForCausalLM", "LLaMAForCausalLM", "LlamaModel"}},
    {"mistral", buildLlama, {"MistralForCausalLM", "MistralModel"}},
};

/// A config may leave `architectures` out; what it names must be what the family builds.
static Status checkArchitectures(const Config &config, const Family &family) {
  LLMOPT_ASSIGN(std::vector<std::string> names, config.texts("architectures"));
  for (const std::string &name : names)
    if (std::find(family.architectures.begin(), family.architectures.end(), name) ==
        family.architectures.end())
      return config.error("architecture '{}' is not supported for model type '{}' (known: {})",
                          shortened(name), family.modelType, fmt::join(family.architectures, ", "));
  return success();
}

static Result<const Family *> findFamily(const Config &config) {
  if (!config.has({"model_type"}))
    return config.error("field 'model_type' is missing");
  LLMOPT_ASSIGN(std::string type, config.text({"model_type"}, ""));
  std::string known;
  for (const Family &family : families) {
    if (type == family.modelType) {
      LLMOPT_TRY(checkArchitectures(config, family));
      return &family;
    }
    known += (known.empty() ? "" : ", ") + std::string(family.modelType);
  }
  return config.error("model type '{}' is not supported (known: {})", shortened(type), known);
}

static Result<ImportedModel> buildModel(mlir::MLIRContext &context, const Config &config,
                                        std::unique_ptr<Checkpoint> checkpoint,
                                        const ImportOptions &options) {
  LLMOPT_ASSIGN(const Family *family, findFamily(config));
  LLMOPT_TRY(refuseForeignFeatures(config));
  WeightOrigin origin{checkpoint.get(), options.seed, options.contextLength};
  LLMOPT_ASSIGN(BuiltModel model, family->build(context, config, origin));
  return ImportedModel{std::move(model.module), std::move(checkpoint), model.parameters};
}

Result<ImportedModel> importHuggingFace(mlir::MLIRContext &context, const std::string &path,
                                        const ImportOptions &options) {
  std::error_code error;
  fs::path configPath = path;
  if (!fs::exists(configPath, error))
    return makeError("{} does not exist", path);
  if (fs::is_directory(configPath, error)) {
    configPath /= "config.json";
    if (!fs::exists(configPath, error))
      return makeError("{} has no config.json, so it is no Hugging Face checkpoint", path);
  } else if (!options.randomWeights) {
    return makeError("{} is a file, and a checkpoint is a directory with config.json and "
                     "safetensors (a config alone compiles with random weights)",
                     path);
  }
  LLMOPT_ASSIGN(Config config, Config::open(configPath.string()));
  std::unique_ptr<Checkpoint> checkpoint;
  if (!options.randomWeights) {
    // An unknown family is said before missing weights.
    LLMOPT_TRY(findFamily(config));
    LLMOPT_ASSIGN(checkpoint, Checkpoint::open(path));
  }
  return buildModel(context, config, std::move(checkpoint), options);
}

Result<ImportedModel> importConfig(mlir::MLIRContext &context, std::string_view text,
                                   const std::string &file, const ImportOptions &options) {
  LLMOPT_ASSIGN(Config config, Config::parse(text, file));
  return buildModel(context, config, nullptr, options);
}

} // namespace llmopt
