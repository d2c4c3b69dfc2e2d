//===- GptNeoX.cpp - GPT-NeoX and Pythia ------------------------------------------------------===//
//
// Black et al., 2022. Part of each head is rotated; attention and MLP are parallel, with a norm
// each.
//
//===------------------------------------------------------------------------------------------===//

#include "frontends/models/Families.h"

using namespace mlir;

namespace llmopt {

namespace {
struct GptNeoXConfig {
  ModelFacts facts;
  int64_t intermediate = 0;
  double epsilon = 0;
  ActivationKind activation = ActivationKind::Gelu;
  LinearOptions attention;
  bool parallel = true;
  bool tied = false;
  Rope rope;
};
} // namespace

static Result<GptNeoXConfig> readGptNeoX(const Config &config, const WeightOrigin &origin) {
  GptNeoXConfig c;
  FactNames names;
  names.defaultContext = 2048;
  LLMOPT_ASSIGN(c.facts, readFacts(config, origin, "gpt_neox", "gpt_neox.", names));
  LLMOPT_ASSIGN(c.intermediate, config.size({"intermediate_size"}, limits::width));
  LLMOPT_ASSIGN(c.epsilon, config.positive({"layer_norm_eps"}, 1e-5));
  LLMOPT_ASSIGN(c.activation, readActivation(config, {"hidden_act"}, "gelu"));
  LLMOPT_ASSIGN(c.attention.bias, config.flag({"attention_bias"}, true));
  LLMOPT_ASSIGN(c.parallel, config.flag({"use_parallel_residual"}, true));
  LLMOPT_ASSIGN(c.tied, config.flag({"tie_word_embeddings"}, false));
  LLMOPT_ASSIGN(c.rope, readRope(config, c.facts.headDim, c.facts.maximumPositions, 0.25));
  return c;
}

Result<BuiltModel> buildGptNeoX(MLIRContext &context, const Config &config,
                                const WeightOrigin &origin) {
  LLMOPT_ASSIGN(GptNeoXConfig c, readGptNeoX(config, origin));
  ModelBuilder m(context, origin, c.facts);
  int64_t hidden = c.facts.hidden;
  LinearOptions mlp;
  mlp.bias = true;

  Value x = m.embed(m.tokens(), "gpt_neox.embed_in", c.facts.vocabulary);
  for (int64_t layer = 0; layer < c.facts.layers; ++layer) {
    std::string p = fmt::format("gpt_neox.layers.{}.", layer);

    Value h = m.norm(NormKind::Layer, x, p + "input_layernorm", c.epsilon);
    Qkv qkv = m.fusedQkv(h, p + "attention.query_key_value", c.facts.heads, c.attention);
    m.rotate(qkv, c.rope);
    h = m.attention(layer, qkv);
    Value afterAttention = m.add(x, m.linear(h, p + "attention.dense", hidden, c.attention));

    h = m.norm(NormKind::Layer, c.parallel ? x : afterAttention, p + "post_attention_layernorm",
               c.epsilon);
    h = m.linear(h, p + "mlp.dense_h_to_4h", c.intermediate, mlp);
    h = m.activation(c.activation, h);
    x = m.add(afterAttention, m.linear(h, p + "mlp.dense_4h_to_h", hidden, mlp));
  }
  x = m.norm(NormKind::Layer, m.wantedRows(x), "gpt_neox.final_layer_norm", c.epsilon);
  return m.finish(m.linear(x, c.tied ? "gpt_neox.embed_in" : "embed_out", c.facts.vocabulary));
}

} // namespace llmopt
