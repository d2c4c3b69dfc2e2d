//===- Llama.cpp - LLaMA and the models built like it -----------------------------------------===//
//
// Touvron et al., 2023; grouped queries since Llama 2; Mistral adds a sliding window.
//
//===------------------------------------------------------------------------------------------===//

#include "frontends/models/Families.h"

using namespace mlir;

namespace llmopt {

namespace {
struct LlamaConfig {
  ModelFacts facts;
  int64_t intermediate = 0;
  double epsilon = 0;
  ActivationKind activation = ActivationKind::Silu;
  LinearOptions attention; ///< of q, k, v and o
  LinearOptions mlp;
  bool tied = false;
  Rope rope;
  std::optional<int64_t> window;
};
} // namespace

static Result<LlamaConfig> readLlama(const Config &config, const WeightOrigin &origin) {
  LLMOPT_ASSIGN(std::string type, config.text({"model_type"}, "llama"));
  bool mistral = type == "mistral";
  LlamaConfig c;
  FactNames names;
  names.explicitHeadDim = true;
  names.defaultContext = mistral ? 131072 : 2048;
  LLMOPT_ASSIGN(c.facts, readFacts(config, origin, "llama", "model.", names));
  LLMOPT_ASSIGN(c.facts.keyHeads, readKeyHeads(config, c.facts.heads, mistral ? 8 : c.facts.heads));
  LLMOPT_ASSIGN(c.intermediate, config.size({"intermediate_size"}, limits::width));
  LLMOPT_ASSIGN(c.epsilon, config.positive({"rms_norm_eps"}, 1e-6));
  LLMOPT_ASSIGN(c.activation, readActivation(config, {"hidden_act"}, "silu"));
  LLMOPT_ASSIGN(c.attention.bias, config.flag({"attention_bias"}, false));
  LLMOPT_ASSIGN(c.mlp.bias, config.flag({"mlp_bias"}, false));
  LLMOPT_ASSIGN(c.tied, config.flag({"tie_word_embeddings"}, false));
  LLMOPT_ASSIGN(c.rope, readRope(config, c.facts.headDim, c.facts.maximumPositions));
  if (config.has({"sliding_window"})) {
    LLMOPT_ASSIGN(int64_t window, config.size({"sliding_window"}, limits::context));
    if (!mistral)
      return config.error("field 'sliding_window' is not supported for model type '{}'", type);
    // A window as long as the context hides nothing.
    if (window < c.facts.contextLength)
      c.window = window;
  }
  return c;
}

Result<BuiltModel> buildLlama(MLIRContext &context, const Config &config,
                              const WeightOrigin &origin) {
  LLMOPT_ASSIGN(LlamaConfig c, readLlama(config, origin));
  ModelBuilder m(context, origin, c.facts);
  int64_t hidden = c.facts.hidden;
  AttentionOptions attention;
  attention.window = c.window;

  Value x = m.embed(m.tokens(), "model.embed_tokens", c.facts.vocabulary);
  for (int64_t layer = 0; layer < c.facts.layers; ++layer) {
    std::string p = fmt::format("model.layers.{}.", layer);

    Value h = m.norm(NormKind::Rms, x, p + "input_layernorm", c.epsilon);
    Qkv qkv = m.separateQkv(h, p + "self_attn.", c.attention);
    m.rotate(qkv, c.rope);
    h = m.attention(layer, qkv, attention);
    x = m.add(x, m.linear(h, p + "self_attn.o_proj", hidden, c.attention));

    h = m.norm(NormKind::Rms, x, p + "post_attention_layernorm", c.epsilon);
    Value gate = m.linear(h, p + "mlp.gate_proj", c.intermediate, c.mlp);
    Value up = m.linear(h, p + "mlp.up_proj", c.intermediate, c.mlp);
    h = m.mul(m.activation(c.activation, gate), up);
    x = m.add(x, m.linear(h, p + "mlp.down_proj", hidden, c.mlp));
  }
  x = m.norm(NormKind::Rms, m.wantedRows(x), "model.norm", c.epsilon);
  return m.finish(m.linear(x, c.tied ? "model.embed_tokens" : "lm_head", c.facts.vocabulary));
}

} // namespace llmopt
