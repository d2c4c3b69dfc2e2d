//===- ConfigTest.cpp - What a config may say, and how it is refused --------------------------===//

#include "frontends/Frontend.h"

#include "support/Files.h"
#include "support/Json.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

#include <filesystem>

using namespace llmopt;
namespace fs = std::filesystem;

static Json llama() {
  return {{"model_type", "llama"},      {"hidden_size", 32},        {"intermediate_size", 48},
          {"num_hidden_layers", 2},     {"num_attention_heads", 4}, {"num_key_value_heads", 2},
          {"vocab_size", 64},           {"rms_norm_eps", 1e-5},     {"eos_token_id", 2},
          {"hidden_act", "silu"},       {"rope_theta", 10000.0},    {"max_position_embeddings", 64},
          {"tie_word_embeddings", true}};
}

static Json falcon() {
  return {{"model_type", "falcon"},   {"hidden_size", 32}, {"num_hidden_layers", 2},
          {"num_attention_heads", 4}, {"vocab_size", 64},  {"multi_query", true}};
}

namespace {
/// A config that is imported with random weights.
struct Imported {
  explicit Imported(const Json &config, std::optional<int64_t> contextLength = std::nullopt)
      : result(import(config.dump(), contextLength)) {}
  explicit Imported(const std::string &text) : result(import(text, std::nullopt)) {}

  std::string error() const { return result ? "" : result.error().message(); }
  mlir::Attribute config(const char *key) {
    return (*result->module)->getAttrOfType<mlir::DictionaryAttr>("llm.config").get(key);
  }
  /// The named attribute of the first op of that name, null without one.
  mlir::Attribute attribute(llvm::StringRef op, llvm::StringRef name) {
    mlir::Attribute found;
    result->module->walk([&](mlir::Operation *candidate) {
      if (!found && candidate->getName().getStringRef() == op)
        found = candidate->getAttr(name);
    });
    return found;
  }

  mlir::MLIRContext context;
  Result<ImportedModel> result;

private:
  Result<ImportedModel> import(const std::string &text, std::optional<int64_t> contextLength) {
    ImportOptions options;
    options.randomWeights = true;
    options.contextLength = contextLength;
    return importConfig(context, text, "config.json", options);
  }
};
} // namespace

static Json with(Json config, const char *key, Json value) {
  config[key] = std::move(value);
  return config;
}

static Json without(Json config, const char *key) {
  config.erase(key);
  return config;
}

//===- Documents ------------------------------------------------------------------------------===//

TEST(Config, RefusesWhatIsNoJson) {
  EXPECT_EQ(Imported(std::string("{\"model_type\"")).error(),
            "config.json is not valid JSON: it ends too early");
}

TEST(Config, RefusesWhatIsNoObject) {
  EXPECT_EQ(Imported(std::string("[1]")).error(), "config.json is not a JSON object");
}

TEST(Config, RefusesAnUnknownModelType) {
  EXPECT_EQ(Imported(with(llama(), "model_type", "mamba")).error(),
            "config.json: model type 'mamba' is not supported (known: falcon, RefinedWeb, "
            "RefinedWebModel, gpt2, gpt_neox, llama, mistral)");
}

TEST(Config, RefusesAMissingModelType) {
  EXPECT_EQ(Imported(without(llama(), "model_type")).error(),
            "config.json: field 'model_type' is missing");
}

//===- Sizes ----------------------------------------------------------------------------------===//

TEST(Config, RefusesAMissingSize) {
  EXPECT_EQ(Imported(without(llama(), "vocab_size")).error(),
            "config.json: field 'vocab_size' is missing");
}

TEST(Config, RefusesASizeThatIsNoInteger) {
  EXPECT_EQ(Imported(with(llama(), "hidden_size", 32.5)).error(),
            "config.json: field 'hidden_size' must be an integer, not number");
}

TEST(Config, RefusesANegativeSize) {
  EXPECT_EQ(Imported(with(llama(), "num_hidden_layers", -1)).error(),
            "config.json: field 'num_hidden_layers' is -1, outside 1 to 4096");
}

TEST(Config, RefusesAnAbsurdSize) {
  EXPECT_EQ(Imported(with(llama(), "hidden_size", uint64_t(1) << 63)).error(),
            "config.json: field 'hidden_size' is 9223372036854775808, outside 1 to 4194304");
}

TEST(Config, RefusesHeadsThatAreTooWideTogether) {
  EXPECT_EQ(Imported(with(with(llama(), "num_attention_heads", 16384), "head_dim", 16384)).error(),
            "config.json: 16384 heads of 16384 elements are more than the 4194304 supported");
}

TEST(Config, RefusesHeadsThatDoNotDivideTheHiddenSize) {
  EXPECT_EQ(Imported(with(llama(), "num_attention_heads", 5)).error(),
            "config.json: hidden size 32 is no multiple of the 5 attention heads");
}

TEST(Config, RefusesKeyValueHeadsThatDoNotDivideTheHeads) {
  EXPECT_EQ(Imported(with(llama(), "num_key_value_heads", 3)).error(),
            "config.json: 4 attention heads cannot share 3 key-value heads");
}

TEST(Config, RefusesAliasesThatContradictEachOther) {
  Json config = with(with(falcon(), "n_layer", 3), "n_head", 4);
  EXPECT_EQ(Imported(config).error(),
            "config.json: fields 'num_hidden_layers' and 'n_layer' contradict each other");
}

//===- Architectures --------------------------------------------------------------------------===//

TEST(Config, ArchitecturesOfTheFamilyAreRead) {
  for (const Json &names :
       {Json({"LlamaForCausalLM"}), Json({"LlamaModel"}), Json::array(), Json(nullptr)})
    EXPECT_EQ(Imported(with(llama(), "architectures", names)).error(), "") << names;
}

TEST(Config, RefusesArchitecturesThatTheFamilyDoesNotBuild) {
  for (const char *name :
       {"FooForCausalLM", "MistralForCausalLM", "LlamaForSequenceClassification"})
    EXPECT_EQ(Imported(with(llama(), "architectures", Json::array({name}))).error(),
              fmt::format("config.json: architecture '{}' is not supported for model type 'llama' "
                          "(known: LlamaForCausalLM, LLaMAForCausalLM, LlamaModel)",
                          name));
  EXPECT_EQ(Imported(with(llama(), "architectures", Json::array({1}))).error(),
            "config.json: field 'architectures' has 1, not a string");
  EXPECT_EQ(Imported(with(llama(), "architectures", "LlamaForCausalLM")).error(),
            "config.json: field 'architectures' must be an array, not string");
}

//===- Context and stop tokens ----------------------------------------------------------------===//

TEST(Config, AShorterContextIsHonoured) {
  Imported model(llama(), 48);
  ASSERT_EQ(model.error(), "");
  EXPECT_EQ(mlir::cast<mlir::IntegerAttr>(model.config("context_length")).getInt(), 48);
}

TEST(Config, RefusesAContextBeyondTheModels) {
  EXPECT_EQ(Imported(llama(), 65).error(),
            "config.json: a context of 65 tokens is asked for, and the model has 1 to 64");
}

TEST(Config, StopTokensMayBeAList) {
  Imported model(with(llama(), "eos_token_id", {2, 5}));
  ASSERT_EQ(model.error(), "");
  EXPECT_EQ(mlir::cast<mlir::DenseI64ArrayAttr>(model.config("stop_tokens")).asArrayRef(),
            llvm::ArrayRef<int64_t>({2, 5}));
}

TEST(Config, NullIsNoStopToken) {
  Imported model(with(llama(), "eos_token_id", nullptr));
  ASSERT_EQ(model.error(), "");
  EXPECT_TRUE(
      mlir::cast<mlir::DenseI64ArrayAttr>(model.config("stop_tokens")).asArrayRef().empty());
}

TEST(Config, RefusesAStopTokenOutsideTheVocabulary) {
  EXPECT_EQ(Imported(with(llama(), "eos_token_id", 64)).error(),
            "config.json: field 'eos_token_id' has 64, outside the vocabulary of 64 tokens");
  EXPECT_EQ(Imported(with(llama(), "eos_token_id", {2, 50256})).error(),
            "config.json: field 'eos_token_id' has 50256, outside the vocabulary of 64 tokens");
}

TEST(Config, RefusesAStopTokenThatIsNoId) {
  EXPECT_EQ(Imported(with(llama(), "eos_token_id", {2, "</s>"})).error(),
            "config.json: field 'eos_token_id' has \"</s>\", not a token id");
}

//===- Rotary positions -----------------------------------------------------------------------===//

TEST(Config, RefusesUnknownRopeTypesByName) {
  for (const char *type : {"dynamic", "longrope", "mrope"})
    EXPECT_EQ(
        Imported(with(llama(), "rope_scaling", {{"rope_type", type}, {"factor", 2.0}})).error(),
        fmt::format("config.json: rope_scaling: rope type '{}' is not supported (known: "
                    "default, linear, llama3, yarn)",
                    type));
}

TEST(Config, ReadsTheOldNameOfARopeType) {
  Imported model(with(llama(), "rope_scaling", {{"type", "linear"}, {"factor", 4.0}}));
  ASSERT_EQ(model.error(), "");
  auto frequencies =
      mlir::cast<mlir::DenseF32ArrayAttr>(model.attribute("llm.rope_table", "frequencies"));
  EXPECT_EQ(frequencies.asArrayRef().front(), 0.25f);
}

TEST(Config, NestedRopeParametersMeanTheSame) {
  Json nested = without(llama(), "rope_theta");
  nested["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", 500.0}};
  Json flat = with(llama(), "rope_theta", 500.0);
  flat["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 4.0}};
  Imported first(nested), second(flat);
  ASSERT_EQ(first.error() + second.error(), "");
  auto frequencies = [](Imported &model) {
    return mlir::cast<mlir::DenseF32ArrayAttr>(model.attribute("llm.rope_table", "frequencies"))
        .asArrayRef()
        .vec();
  };
  EXPECT_EQ(frequencies(first), frequencies(second));
}

TEST(Config, PartOfAHeadCanBeRotated) {
  Imported model(with(llama(), "partial_rotary_factor", 0.5));
  ASSERT_EQ(model.error(), "");
  EXPECT_EQ(
      mlir::cast<mlir::DenseF32ArrayAttr>(model.attribute("llm.rope_table", "frequencies")).size(),
      2);
}

TEST(Config, RefusesAnOddRotatedPart) {
  EXPECT_EQ(Imported(with(llama(), "head_dim", 7)).error(),
            "config.json: 7 elements of a head of 7 are rotated, which are no pairs");
}

TEST(Config, RefusesARopeFactorOfZero) {
  EXPECT_EQ(Imported(with(llama(), "rope_scaling", {{"type", "linear"}, {"factor", 0.0}})).error(),
            "config.json: rope_scaling: field 'factor' is 0, not above zero");
}

TEST(Config, RefusesRopeScalingsWithoutAFactor) {
  for (const char *type : {"linear", "llama3", "yarn"})
    EXPECT_EQ(Imported(with(llama(), "rope_scaling", {{"rope_type", type}})).error(),
              "config.json: rope_scaling: field 'factor' is missing")
        << type;
}

TEST(Config, RefusesLlama3FactorsInTheWrongOrder) {
  EXPECT_EQ(Imported(with(llama(), "rope_scaling",
                          {{"rope_type", "llama3"},
                           {"factor", 8.0},
                           {"low_freq_factor", 4.0},
                           {"high_freq_factor", 4.0},
                           {"original_max_position_embeddings", 32}}))
                .error(),
            "config.json: rope_scaling: low_freq_factor 4 is not below high_freq_factor 4");
}

//===- Features that change the maths ---------------------------------------------------------===//

TEST(Config, RefusesQuantizedCheckpoints) {
  EXPECT_EQ(
      Imported(with(llama(), "quantization_config", {{"quant_method", "gptq"}})).error(),
      "config.json: field 'quantization_config' asks for quantized weights (only F32, F16 and "
      "BF16 are read), which is not supported");
}

TEST(Config, RefusesForeignFeaturesByName) {
  EXPECT_EQ(Imported(with(llama(), "attn_logit_softcapping", 50.0)).error(),
            "config.json: field 'attn_logit_softcapping' asks for a soft cap on attention scores, "
            "which is not supported");
  EXPECT_EQ(Imported(with(llama(), "num_local_experts", 8)).error(),
            "config.json: field 'num_local_experts' asks for experts, which is not supported");
}

TEST(Config, NeutralValuesOfForeignFeaturesAreNone) {
  for (const char *key : {"attn_logit_softcapping", "quantization_config", "qk_layernorm"})
    EXPECT_EQ(Imported(with(llama(), key, nullptr)).error(), "");
  EXPECT_EQ(Imported(with(llama(), "logits_scaling", 1.0)).error(), "");
  EXPECT_EQ(Imported(with(llama(), "is_encoder_decoder", false)).error(), "");
}

TEST(Config, RefusesAnUnknownActivationByName) {
  EXPECT_EQ(Imported(with(llama(), "hidden_act", "quick_gelu")).error(),
            "config.json: activation 'quick_gelu' is not supported (known: gelu, gelu_new, "
            "gelu_fast, gelu_pytorch_tanh, silu, swish, relu)");
}

TEST(Config, AWindowShorterThanTheContextIsKept) {
  Json mistral = with(with(llama(), "model_type", "mistral"), "sliding_window", 16);
  Imported model(mistral);
  ASSERT_EQ(model.error(), "");
  EXPECT_EQ(mlir::cast<mlir::IntegerAttr>(model.attribute("llm.attention", "window")).getInt(), 16);
}

TEST(Config, AWindowAsLongAsTheContextIsNone) {
  Imported model(with(with(llama(), "model_type", "mistral"), "sliding_window", 64));
  ASSERT_EQ(model.error(), "");
  EXPECT_FALSE(model.attribute("llm.attention", "window"));
}

//===- Falcon's kinds -------------------------------------------------------------------------===//

TEST(FalconConfig, TheOldNameOfThe40BMeansTheNewDecoder) {
  Json config = with(falcon(), "model_type", "RefinedWeb");
  config["n_head_kv"] = 2;
  Imported model(config);
  ASSERT_EQ(model.error(), "");
  std::string text;
  llvm::raw_string_ostream(text) << *model.result->module;
  EXPECT_NE(text.find("@transformer.h.0.ln_mlp"), std::string::npos);
  EXPECT_NE(text.find("heads = 2,"), std::string::npos);
}

TEST(FalconConfig, RefusesTheNewDecoderWithoutParallelAttention) {
  Json config = with(with(falcon(), "new_decoder_architecture", true), "parallel_attn", false);
  EXPECT_EQ(Imported(config).error(),
            "config.json: new_decoder_architecture without parallel_attn is no Falcon");
}

TEST(FalconConfig, RefusesSharedKeysWithoutTheNewDecoder) {
  Json config = with(with(falcon(), "multi_query", false), "num_kv_heads", 2);
  EXPECT_EQ(Imported(config).error(),
            "config.json: num_kv_heads is 2, but without multi_query and new_decoder_architecture "
            "each of the 4 heads has its own");
}

TEST(FalconConfig, RefusesResidualsAfterTheNorm) {
  EXPECT_EQ(
      Imported(with(falcon(), "apply_residual_connection_post_layernorm", true)).error(),
      "config.json: field 'apply_residual_connection_post_layernorm' asks for residuals after "
      "the norm, which is not supported");
}
