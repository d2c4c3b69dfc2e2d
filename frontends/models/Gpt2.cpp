//===- Gpt2.cpp - GPT-2 -----------------------------------------------------------------------===//
//
// Radford et al., 2019. Learned positions; the linears are stored [in, out].
//
//===------------------------------------------------------------------------------------------===//

#include "frontends/models/Families.h"

#include <cmath>

using namespace mlir;

namespace llmopt {

namespace {
struct Gpt2Config {
  ModelFacts facts;
  int64_t intermediate = 0;
  double epsilon = 0;
  ActivationKind activation = ActivationKind::GeluTanh;
  bool scaled = true;         ///< scores by 1 / sqrt(head_dim)
  bool scaledByLayer = false; ///< and by 1 / (layer + 1)
  bool tied = true;
};
} // namespace

static Result<Gpt2Config> readGpt2(const Config &config, const WeightOrigin &origin) {
  Gpt2Config c;
  FactNames names;
  names.hidden = {"n_embd", "hidden_size"};
  names.layers = {"n_layer", "num_hidden_layers"};
  names.heads = {"n_head", "num_attention_heads"};
  names.context = {"n_positions", "max_position_embeddings"};
  LLMOPT_ASSIGN(c.facts, readFacts(config, origin, "gpt2", "transformer.", names));
  LLMOPT_ASSIGN(c.intermediate, config.size({"n_inner"}, limits::width, 4 * c.facts.hidden));
  LLMOPT_ASSIGN(c.epsilon, config.positive({"layer_norm_epsilon"}, 1e-5));
  LLMOPT_ASSIGN(c.activation, readActivation(config, {"activation_function"}, "gelu_new"));
  LLMOPT_ASSIGN(c.scaled, config.flag({"scale_attn_weights"}, true));
  LLMOPT_ASSIGN(c.scaledByLayer, config.flag({"scale_attn_by_inverse_layer_idx"}, false));
  LLMOPT_ASSIGN(c.tied, config.flag({"tie_word_embeddings"}, true));
  return c;
}

Result<BuiltModel> buildGpt2(MLIRContext &context, const Config &config,
                             const WeightOrigin &origin) {
  LLMOPT_ASSIGN(Gpt2Config c, readGpt2(config, origin));
  ModelBuilder m(context, origin, c.facts);
  int64_t hidden = c.facts.hidden;
  LinearOptions conv1d;
  conv1d.bias = true;
  conv1d.transposed = true;

  Value x = m.embed(m.tokens(), "transformer.wte", c.facts.vocabulary);
  x = m.add(x, m.embed(m.positions(), "transformer.wpe", c.facts.maximumPositions));
  for (int64_t layer = 0; layer < c.facts.layers; ++layer) {
    std::string p = fmt::format("transformer.h.{}.", layer);
    AttentionOptions attention;
    attention.scale = c.scaled ? 1 / std::sqrt(static_cast<double>(c.facts.headDim)) : 1;
    if (c.scaledByLayer)
      attention.scale /= static_cast<double>(layer + 1);

    Value h = m.norm(NormKind::Layer, x, p + "ln_1", c.epsilon);
    Qkv qkv = m.fusedQkv(h, p + "attn.c_attn", 1, conv1d);
    h = m.attention(layer, qkv, attention);
    x = m.add(x, m.linear(h, p + "attn.c_proj", hidden, conv1d));

    h = m.norm(NormKind::Layer, x, p + "ln_2", c.epsilon);
    h = m.linear(h, p + "mlp.c_fc", c.intermediate, conv1d);
    h = m.activation(c.activation, h);
    x = m.add(x, m.linear(h, p + "mlp.c_proj", hidden, conv1d));
  }
  x = m.norm(NormKind::Layer, m.wantedRows(x), "transformer.ln_f", c.epsilon);
  return m.finish(m.linear(x, c.tied ? "transformer.wte" : "lm_head", c.facts.vocabulary));
}

} // namespace llmopt
