#include "support/Quantization.h"

#include "support/FloatTypes.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace llmopt {

static const struct {
  const char *name;
  int bits;
} facts[] = {{"i8", 8}, {"u8", 8}, {"i4", 4}, {"u4", 4}, {"nf4", 4}, {"fp4", 4}};

// Kernels have these tables too (codegen/cpu/kernels/quantized.h), since their headers travel in
// the artifact and stand alone; compiled models are held to the interpreter, which has these.

/// The quantiles of a normal distribution, with a 0 among them.
static const float nf4[16] = {-1.0f,
                              -0.6961928009986877f,
                              -0.5250730514526367f,
                              -0.39491748809814453f,
                              -0.28444138169288635f,
                              -0.18477343022823334f,
                              -0.09105003625154495f,
                              0.0f,
                              0.07958029955625534f,
                              0.16093020141124725f,
                              0.24611230194568634f,
                              0.33791524171829224f,
                              0.44070982933044434f,
                              0.5626170039176941f,
                              0.7229568362236023f,
                              1.0f};

/// A sign, two bits of exponent and one of mantissa, scaled so that the largest is 1.
static const float fp4[16] = {
    0.0f,  0.0052083333f,  0.66666667f,  1.0f,  0.33333333f,  0.5f,  0.16666667f,  0.25f,
    -0.0f, -0.0052083333f, -0.66666667f, -1.0f, -0.33333333f, -0.5f, -0.16666667f, -0.25f};

const char *toString(QuantCode code) { return facts[static_cast<int>(code)].name; }

std::optional<QuantCode> parseQuantCode(std::string_view text) {
  for (int i = 0; i < static_cast<int>(std::size(facts)); ++i)
    if (text == facts[i].name)
      return static_cast<QuantCode>(i);
  return std::nullopt;
}

int bitsOf(QuantCode code) { return facts[static_cast<int>(code)].bits; }

bool hasZeroPoint(QuantCode code) { return code == QuantCode::U8 || code == QuantCode::U4; }

uint8_t codeOfZero(QuantCode code, uint8_t zero) {
  switch (code) {
  case QuantCode::I8:
    return 128;
  case QuantCode::I4:
    return 8;
  case QuantCode::U8:
  case QuantCode::U4:
    return zero;
  case QuantCode::Nf4:
    return 7;
  case QuantCode::Fp4:
    return 0;
  }
  return 0;
}

float roundScale(ScaleType type, float scale) {
  switch (type) {
  case ScaleType::F32:
    return scale;
  case ScaleType::F16:
    return float16ToFloat(floatToFloat16(scale));
  case ScaleType::BF16:
    return bfloat16ToFloat(floatToBfloat16(scale));
  }
  return scale;
}

static const float *tableOf(QuantCode code) {
  return code == QuantCode::Nf4 ? nf4 : code == QuantCode::Fp4 ? fp4 : nullptr;
}

/// The nearest of a table of 16, the first of two as near.
static uint8_t nearest(const float *table, float value) {
  int best = 0;
  for (int i = 1; i < 16; ++i)
    if (std::fabs(table[i] - value) < std::fabs(table[best] - value))
      best = i;
  return static_cast<uint8_t>(best);
}

/// The scale before it is rounded to its type.
static float chooseScale(QuantCode code, float low, float high) {
  // Of the largest magnitude, the sign that has the code more.
  const float largest = -low > high ? low : high;
  switch (code) {
  case QuantCode::I8:
    return std::fabs(largest) / 127;
  case QuantCode::I4:
    return largest / -8;
  case QuantCode::U8:
    return (high - low) / 255;
  case QuantCode::U4:
    return (high - low) / 15;
  case QuantCode::Nf4:
  case QuantCode::Fp4:
    return std::fabs(largest);
  }
  return 0;
}

QuantGroup quantizeGroup(const QuantFormat &format, const float *values, int64_t count,
                         uint8_t *codes) {
  float low = 0, high = 0;
  bool finite = true;
  for (int64_t i = 0; i < count; ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
    finite &= std::isfinite(values[i]);
  }
  QuantGroup group;
  group.scale = roundScale(format.scale, chooseScale(format.code, low, high));
  if (!finite || !std::isfinite(group.scale))
    group.scale = std::numeric_limits<float>::quiet_NaN();
  const float most = bitsOf(format.code) == 8 ? 255 : 15;
  const bool usable = std::isfinite(group.scale) && group.scale != 0;
  if (hasZeroPoint(format.code) && usable)
    group.zero = static_cast<uint8_t>(std::clamp(std::nearbyint(-low / group.scale), 0.0f, most));
  const uint8_t zero = codeOfZero(format.code, group.zero);
  if (!usable) {
    // Any code would do of a scale of 0; of NaN it is one whose product is NaN.
    std::fill_n(codes, count, zero);
    return group;
  }
  const float least = format.code == QuantCode::I8 ? 1 : 0;
  const float *table = tableOf(format.code);
  for (int64_t i = 0; i < count; ++i) {
    const float scaled = values[i] / group.scale;
    codes[i] =
        table ? nearest(table, scaled)
              : static_cast<uint8_t>(std::clamp(std::nearbyint(scaled) + float(zero), least, most));
  }
  return group;
}

float dequantize(QuantCode code, QuantGroup group, uint8_t value) {
  if (const float *table = tableOf(code))
    return group.scale * table[value & 15];
  return group.scale * static_cast<float>(int(value) - int(codeOfZero(code, group.zero)));
}

} // namespace llmopt
