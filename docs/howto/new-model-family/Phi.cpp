//===- Phi.cpp - Phi-1, Phi-1.5 and Phi-2 -----------------------------------------------------===//
//
// Gunasekar et al., 2023. Attention and MLP are parallel and share one norm; part of each head is
// rotated; every linear has a bias, the head too.
//
//===------------------------------------------------------------------------------------------===//

#include "docs/howto/new-model-family/Phi.h"

using namespace mlir;

namespace llmopt {

namespace {
struct PhiConfig {
  ModelFacts facts;
  int64_t intermediate = 0;
  double epsilon = 0;
  ActivationKind activation = ActivationKind::GeluTanh;
  Rope rope;
};
} // namespace

static Result<PhiConfig> readPhi(const Config &config, const WeightOrigin &origin) {
  PhiConfig c;
  FactNames names;
  names.defaultContext = 2048;
  LLMOPT_ASSIGN(c.facts, readFacts(config, origin, "phi", "model.", names));
  LLMOPT_ASSIGN(c.facts.keyHeads, readKeyHeads(config, c.facts.heads, c.facts.heads));
  LLMOPT_ASSIGN(c.intermediate, config.size({"intermediate_size"}, limits::width));
  LLMOPT_ASSIGN(c.epsilon, config.positive({"layer_norm_eps"}, 1e-5));
  LLMOPT_ASSIGN(c.activation, readActivation(config, {"hidden_act"}, "gelu_new"));
  LLMOPT_ASSIGN(c.rope, readRope(config, c.facts.headDim, c.facts.maximumPositions, 0.5));
  for (const char *unsupported : {"qk_layernorm", "tie_word_embeddings"}) {
    LLMOPT_ASSIGN(bool set, config.flag({unsupported}, false));
    if (set)
      return config.error("field '{}' is not supported for model type 'phi'", unsupported);
  }
  return c;
}

Result<BuiltModel> buildPhi(MLIRContext &context, const Config &config,
                            const WeightOrigin &origin) {
  LLMOPT_ASSIGN(PhiConfig c, readPhi(config, origin));
  ModelBuilder m(context, origin, c.facts);
  int64_t hidden = c.facts.hidden;
  LinearOptions biased;
  biased.bias = true;

  Value x = m.embed(m.tokens(), "model.embed_tokens", c.facts.vocabulary);
  for (int64_t layer = 0; layer < c.facts.layers; ++layer) {
    std::string p = fmt::format("model.layers.{}.", layer);

    Value h = m.norm(NormKind::Layer, x, p + "input_layernorm", c.epsilon);
    Qkv qkv = m.separateQkv(h, p + "self_attn.", biased);
    m.rotate(qkv, c.rope);
    Value attended = m.attention(layer, qkv);
    Value attention = m.linear(attended, p + "self_attn.dense", hidden, biased);

    Value mlp = m.linear(h, p + "mlp.fc1", c.intermediate, biased);
    mlp = m.linear(m.activation(c.activation, mlp), p + "mlp.fc2", hidden, biased);
    x = m.add(m.add(attention, mlp), x);
  }
  x = m.norm(NormKind::Layer, m.wantedRows(x), "model.final_layernorm", c.epsilon);
  return m.finish(m.linear(x, "lm_head", c.facts.vocabulary, biased));
}

} // namespace llmopt
