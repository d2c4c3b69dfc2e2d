//===- Rope.cpp - The frequencies, computed in float32 as transformers computes them ----------===//

#include "frontends/Rope.h"

#include <algorithm>
#include <cmath>

namespace llmopt {

static constexpr double pi = 3.14159265358979323846;

/// theta^(-2i / rotated) for each pair i.
static std::vector<float> defaultFrequencies(double theta, int64_t rotated) {
  std::vector<float> frequencies(rotated / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    float exponent = static_cast<float>(2 * i) / static_cast<float>(rotated);
    frequencies[i] = 1.0f / std::pow(static_cast<float>(theta), exponent);
  }
  return frequencies;
}

static Status scaleLinear(const Config &scaling, Rope &rope) {
  LLMOPT_ASSIGN(double factor, scaling.positive({"factor"}));
  for (float &frequency : rope.frequencies)
    frequency /= static_cast<float>(factor);
  return success();
}

/// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, those between blended.
static Status scaleLlama3(const Config &scaling, Rope &rope) {
  LLMOPT_ASSIGN(double factor, scaling.positive({"factor"}));
  LLMOPT_ASSIGN(double low, scaling.positive({"low_freq_factor"}));
  LLMOPT_ASSIGN(double high, scaling.positive({"high_freq_factor"}));
  LLMOPT_ASSIGN(int64_t original,
                scaling.size({"original_max_position_embeddings"}, limits::context));
  if (low >= high)
    return scaling.error("low_freq_factor {} is not below high_freq_factor {}", low, high);
  float context = static_cast<float>(original);
  for (float &frequency : rope.frequencies) {
    float wavelength = static_cast<float>(2 * pi) / frequency;
    float stretched = frequency / static_cast<float>(factor);
    if (wavelength > context / static_cast<float>(low)) {
      frequency = stretched;
    } else if (wavelength >= context / static_cast<float>(high)) {
      float smooth = (context / wavelength - static_cast<float>(low)) /
                     (static_cast<float>(high) - static_cast<float>(low));
      frequency = (1 - smooth) * frequency / static_cast<float>(factor) + smooth * frequency;
    }
  }
  return success();
}

/// YaRN (Peng et al., 2023): pairs that turn more than `beta_fast` times within the original
/// context keep their frequency, those that turn less than `beta_slow` times are stretched, with a
/// ramp between; cosines and sines are scaled too.
static Status scaleYarn(const Config &scaling, double theta, int64_t maximumPositions, Rope &rope) {
  LLMOPT_ASSIGN(double factor, scaling.positive({"factor"}));
  LLMOPT_ASSIGN(double fast, scaling.positive({"beta_fast"}, 32));
  LLMOPT_ASSIGN(double slow, scaling.positive({"beta_slow"}, 1));
  LLMOPT_ASSIGN(bool truncate, scaling.flag({"truncate"}, true));
  LLMOPT_ASSIGN(double mscale, scaling.number({"mscale"}, 0));
  LLMOPT_ASSIGN(double mscaleAll, scaling.number({"mscale_all_dim"}, 0));
  LLMOPT_ASSIGN(int64_t original, scaling.size({"original_max_position_embeddings"},
                                               limits::context, maximumPositions));
  if (!truncate)
    return scaling.error("'truncate' false is not supported");
  if (theta <= 1)
    return scaling.error("yarn needs a rope_theta above 1, not {}", theta);
  // As in transformers, the ratio of the contexts counts where both are given.
  if (scaling.has({"original_max_position_embeddings"}))
    factor = static_cast<double>(maximumPositions) / static_cast<double>(original);

  auto magnitude = [&](double scale) {
    return factor <= 1 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
  };
  double published =
      mscale != 0 && mscaleAll != 0 ? magnitude(mscale) / magnitude(mscaleAll) : magnitude(1);
  LLMOPT_ASSIGN(rope.factor, scaling.positive({"attention_factor"}, published));

  double rotated = 2.0 * static_cast<double>(rope.frequencies.size());
  auto pairThatTurns = [&](double times) {
    return rotated * std::log(static_cast<double>(original) / (times * 2 * pi)) /
           (2 * std::log(theta));
  };
  double begin = std::max(std::floor(pairThatTurns(fast)), 0.0);
  double end = std::min(std::ceil(pairThatTurns(slow)), rotated - 1);
  if (begin == end)
    end += 0.001;
  for (size_t i = 0; i < rope.frequencies.size(); ++i) {
    float ramp = std::clamp((static_cast<float>(i) - static_cast<float>(begin)) /
                                static_cast<float>(end - begin),
                            0.0f, 1.0f);
    float kept = 1 - ramp;
    float stretched = rope.frequencies[i] / static_cast<float>(factor);
    rope.frequencies[i] = stretched * (1 - kept) + rope.frequencies[i] * kept;
  }
  return success();
}

Result<Rope> readRope(const Config &config, int64_t headDim, int64_t maximumPositions,
                      double defaultRotatedShare) {
  LLMOPT_ASSIGN(std::optional<Config> parameters, config.object({"rope_parameters"}));
  LLMOPT_ASSIGN(std::optional<Config> scaling, config.object({"rope_scaling"}));
  const Config &outer = parameters ? *parameters : config;
  if (parameters)
    scaling = parameters;

  LLMOPT_ASSIGN(double outside, config.positive({"rope_theta", "rotary_emb_base"}, 10000));
  LLMOPT_ASSIGN(double theta, outer.positive({"rope_theta", "rotary_emb_base"}, outside));
  LLMOPT_ASSIGN(double outsideShare,
                config.positive({"partial_rotary_factor", "rotary_pct"}, defaultRotatedShare));
  LLMOPT_ASSIGN(double share,
                outer.positive({"partial_rotary_factor", "rotary_pct"}, outsideShare));
  if (share > 1)
    return outer.error("the rotated share of a head is {}, above 1", share);
  int64_t rotated = static_cast<int64_t>(static_cast<double>(headDim) * share);
  if (rotated < 2 || rotated % 2 != 0)
    return config.error("{} elements of a head of {} are rotated, which are no pairs", rotated,
                        headDim);

  Rope rope;
  rope.frequencies = defaultFrequencies(theta, rotated);
  std::string type = "default";
  if (scaling) {
    if (!scaling->has({"rope_type", "type"}) && !parameters)
      return scaling->error("field 'rope_type' is missing");
    LLMOPT_ASSIGN(type, scaling->text({"rope_type", "type"}, "default"));
  }
  if (type == "linear")
    LLMOPT_TRY(scaleLinear(*scaling, rope));
  else if (type == "llama3")
    LLMOPT_TRY(scaleLlama3(*scaling, rope));
  else if (type == "yarn")
    LLMOPT_TRY(scaleYarn(*scaling, theta, maximumPositions, rope));
  else if (type != "default")
    return scaling->error("rope type '{}' is not supported (known: default, linear, llama3, yarn)",
                          shortened(type));
  for (float frequency : rope.frequencies)
    if (!std::isfinite(frequency) || !std::isfinite(rope.factor))
      return config.error("the rotary frequencies are not finite");
  return rope;
}

} // namespace llmopt
