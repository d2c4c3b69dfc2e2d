//===- FloatTypes.h - float16 and bfloat16 as bits --------------------------------------------===//
//
// Conversions to and from float32, rounding to nearest, ties to even (IEEE 754). NaN stays NaN.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_SUPPORT_FLOATTYPES_H
#define LLMOPT_SUPPORT_FLOATTYPES_H

#include <cstdint>
#include <cstring>

namespace llmopt {

inline uint32_t floatBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float floatFromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline float bfloat16ToFloat(uint16_t bits) { return floatFromBits(uint32_t(bits) << 16); }

inline uint16_t floatToBfloat16(float value) {
  uint32_t bits = floatBits(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float float16ToFloat(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 0x1f;
  uint32_t mantissa = half & 0x3ff;
  if (exponent == 0x1f)
    return floatFromBits(sign | 0x7f800000 | (mantissa << 13));
  if (exponent != 0)
    return floatFromBits(sign | ((exponent + 112) << 23) | (mantissa << 13));
  // A subnormal: mantissa * 2^-24, exact in float32.
  float magnitude = static_cast<float>(mantissa) * 5.9604644775390625e-8f;
  return sign ? -magnitude : magnitude;
}

inline uint16_t floatToFloat16(float value) {
  uint32_t bits = floatBits(value);
  uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return sign | 0x7e00;
  if (magnitude >= 0x477ff000) // rounds to 2^16 or more
    return sign | 0x7c00;
  if (magnitude < 0x38800000) { // below 2^-14: the sum's own rounding is to 2^-24, ties to even
    float rounded = floatFromBits(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(floatBits(rounded) - 0x3f000000);
  }
  uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return sign | static_cast<uint16_t>((rounded - 0x38000000) >> 13);
}

} // namespace llmopt

#endif // LLMOPT_SUPPORT_FLOATTYPES_H
