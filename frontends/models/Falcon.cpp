//===- Falcon.cpp - Falcon in all its kinds ---------------------------------------------------===//
//
// Almazrouei et al., 2023. What a model is like follows from its config alone:
// - 7B (multi_query, parallel_attn): attention and MLP share a norm, all heads a key-value head.
// - 40B (new_decoder_architecture): key-value heads in groups; two norms, or in Falcon 2 one.
// - RW (neither): attention, then MLP; ALiBi or rotary; mostly with biases.
//
//===------------------------------------------------------------------------------------------===//

#include "frontends/models/Families.h"

#include "support/FloatTypes.h"

#include <cmath>

using namespace mlir;

namespace llmopt {

namespace {
struct FalconConfig {
  ModelFacts facts;
  int64_t groups = 0; ///< in which the fused queries, keys and values are stored
  int64_t intermediate = 0;
  double epsilon = 0;
  ActivationKind activation = ActivationKind::Gelu;
  LinearOptions linear;
  bool parallel = false;
  bool twoNorms = false; ///< attention and MLP of a parallel block have a norm each
  bool tied = false;
  std::optional<Rope> rope;
  AttentionOptions attention;
};
} // namespace

/// The slopes of Press et al., 2022, with Falcon's rounding to bfloat16: a geometric sequence for a
/// power of two heads; other counts take the rest from every second slope of twice that many.
static std::vector<float> alibiSlopes(int64_t heads) {
  int64_t power = 1;
  while (2 * power <= heads)
    power *= 2;
  auto base = [](int64_t count) {
    return static_cast<float>(std::exp2(-std::exp2(-(std::log2(double(count)) - 3))));
  };
  std::vector<float> slopes;
  for (int64_t i = 1; i <= power; ++i)
    slopes.push_back(std::pow(base(power), static_cast<float>(i)));
  for (int64_t i = 1; static_cast<int64_t>(slopes.size()) < heads; i += 2)
    slopes.push_back(std::pow(base(2 * power), static_cast<float>(i)));
  for (float &slope : slopes)
    slope = bfloat16ToFloat(floatToBfloat16(slope));
  return slopes;
}

/// Which kind it is: key-value heads, groups of the fused tensor, norms.
static Status readKind(const Config &config, FalconConfig &c) {
  LLMOPT_ASSIGN(std::string type, config.text({"model_type"}, "falcon"));
  LLMOPT_ASSIGN(bool newDecoder, config.flag({"new_decoder_architecture"}, type == "RefinedWeb"));
  LLMOPT_ASSIGN(bool multiQuery, config.flag({"multi_query"}, true));
  LLMOPT_ASSIGN(c.parallel, config.flag({"parallel_attn"}, true));
  LLMOPT_ASSIGN(int64_t keyHeads,
                config.size({"num_kv_heads", "n_head_kv"}, limits::heads, c.facts.heads));
  LLMOPT_ASSIGN(int64_t norms, config.size({"num_ln_in_parallel_attn"}, 2, newDecoder ? 2 : 1));
  c.twoNorms = norms == 2;
  if (newDecoder) {
    if (!c.parallel)
      return config.error("new_decoder_architecture without parallel_attn is no Falcon");
    if (c.facts.heads % keyHeads != 0)
      return config.error("{} attention heads cannot share {} key-value heads", c.facts.heads,
                          keyHeads);
    c.facts.keyHeads = c.groups = keyHeads;
    return success();
  }
  if (c.twoNorms)
    return config.error("num_ln_in_parallel_attn 2 without new_decoder_architecture is no Falcon");
  if (multiQuery) {
    // One key-value head, whatever num_kv_heads says.
    c.facts.keyHeads = c.groups = 1;
  } else {
    if (keyHeads != c.facts.heads)
      return config.error("num_kv_heads is {}, but without multi_query and "
                          "new_decoder_architecture each of the {} heads has its own",
                          keyHeads, c.facts.heads);
    c.groups = c.facts.heads;
  }
  return success();
}

static Result<FalconConfig> readFalcon(const Config &config, const WeightOrigin &origin) {
  FalconConfig c;
  FactNames names;
  names.hidden = {"hidden_size", "n_embed"};
  names.layers = {"num_hidden_layers", "n_layer"};
  names.heads = {"num_attention_heads", "n_head"};
  names.defaultContext = 2048;
  LLMOPT_ASSIGN(c.facts, readFacts(config, origin, "falcon", "transformer.", names));
  LLMOPT_TRY(readKind(config, c));
  LLMOPT_ASSIGN(c.intermediate,
                config.size({"ffn_hidden_size"}, limits::width, 4 * c.facts.hidden));
  LLMOPT_ASSIGN(c.epsilon, config.positive({"layer_norm_epsilon"}, 1e-5));
  LLMOPT_ASSIGN(c.activation, readActivation(config, {"activation"}, "gelu"));
  LLMOPT_ASSIGN(c.linear.bias, config.flag({"bias"}, false));
  // Old configs do not say; then a head that is stored counts.
  bool untied = origin.checkpoint && !config.has({"tie_word_embeddings"}) &&
                origin.checkpoint->has("lm_head.weight");
  LLMOPT_ASSIGN(c.tied, config.flag({"tie_word_embeddings"}, !untied));
  LLMOPT_ASSIGN(bool alibi, config.flag({"alibi"}, false));
  if (alibi) {
    c.attention.alibiSlopes = alibiSlopes(c.facts.heads);
  } else {
    LLMOPT_ASSIGN(c.rope, readRope(config, c.facts.headDim, c.facts.maximumPositions));
  }
  return c;
}

Result<BuiltModel> buildFalcon(MLIRContext &context, const Config &config,
                               const WeightOrigin &origin) {
  LLMOPT_ASSIGN(FalconConfig c, readFalcon(config, origin));
  ModelBuilder m(context, origin, c.facts);
  int64_t hidden = c.facts.hidden;

  Value x = m.embed(m.tokens(), "transformer.word_embeddings", c.facts.vocabulary);
  for (int64_t layer = 0; layer < c.facts.layers; ++layer) {
    std::string p = fmt::format("transformer.h.{}.", layer);
    auto norm = [&](Value input, const char *name) {
      return m.norm(NormKind::Layer, input, p + name, c.epsilon);
    };

    Value h = norm(x, c.twoNorms ? "ln_attn" : "input_layernorm");
    Qkv qkv = m.fusedQkv(h, p + "self_attention.query_key_value", c.groups, c.linear);
    if (c.rope)
      m.rotate(qkv, *c.rope);
    Value attended = m.attention(layer, qkv, c.attention);
    Value afterAttention =
        m.add(x, m.linear(attended, p + "self_attention.dense", hidden, c.linear));

    if (c.twoNorms)
      h = norm(x, "ln_mlp");
    else if (!c.parallel)
      h = norm(afterAttention, "post_attention_layernorm");
    h = m.linear(h, p + "mlp.dense_h_to_4h", c.intermediate, c.linear);
    h = m.activation(c.activation, h);
    x = m.add(afterAttention, m.linear(h, p + "mlp.dense_4h_to_h", hidden, c.linear));
  }
  x = m.norm(NormKind::Layer, m.wantedRows(x), "transformer.ln_f", c.epsilon);
  return m.finish(
      m.linear(x, c.tied ? "transformer.word_embeddings" : "lm_head", c.facts.vocabulary));
}

} // namespace llmopt
