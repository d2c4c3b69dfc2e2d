//===- types.h - Storage types of the CPU kernels and their conversions -----------------------===//
//
// float, bf16 (upper half of a float32) and f16 (IEEE binary16). All arithmetic is float32; storing
// rounds to nearest even. These headers travel in the artifact beside model.cpp and stand alone.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_KERNELS_TYPES_H
#define LLMOPT_KERNELS_TYPES_H

#include <cstdint>
#include <cstring>

#if defined(__F16C__)
// GCC 12 takes the undefined sources of its own intrinsics for mistakes.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#define LLMOPT_INLINE inline __attribute__((always_inline))
/// Keeps the registers of a hot loop from those around it.
#define LLMOPT_NOINLINE __attribute__((noinline))
#define LLMOPT_RESTRICT __restrict__

namespace llmopt::cpu {

struct bf16 {
  uint16_t bits;
};
struct f16 {
  uint16_t bits;
};

template <class To, class From> LLMOPT_INLINE To bitCast(From from) {
  static_assert(sizeof(To) == sizeof(From), "a bit cast keeps the size");
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

LLMOPT_INLINE float toFloat(float value) { return value; }

LLMOPT_INLINE float toFloat(bf16 value) { return bitCast<float>(uint32_t(value.bits) << 16); }

LLMOPT_INLINE float toFloat(f16 value) {
#if defined(__F16C__)
  return _cvtsh_ss(value.bits);
#else
  // Subnormals are made by float arithmetic: 2^-14 * (1 + mantissa) - 2^-14.
  uint32_t sign = uint32_t(value.bits & 0x8000) << 16;
  uint32_t magnitude = uint32_t(value.bits & 0x7fff) << 13;
  float normal = bitCast<float>(magnitude + ((magnitude >= 0x0f800000u ? 224u : 112u) << 23));
  float subnormal = bitCast<float>(magnitude | 0x38800000u) - bitCast<float>(0x38800000u);
  return bitCast<float>(sign | bitCast<uint32_t>(magnitude < 0x00800000u ? subnormal : normal));
#endif
}

/// Rounds to the storage type, to nearest even. NaN stays NaN; what is too large becomes infinity.
template <class T> T fromFloat(float value);

template <> LLMOPT_INLINE float fromFloat<float>(float value) { return value; }

template <> LLMOPT_INLINE bf16 fromFloat<bf16>(float value) {
  uint32_t bits = bitCast<uint32_t>(value);
  uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  uint32_t kept = (bits & 0x7fffffffu) > 0x7f800000u ? (bits | 0x00400000u) : rounded;
  return {uint16_t(kept >> 16)};
}

template <> LLMOPT_INLINE f16 fromFloat<f16>(float value) {
#if defined(__F16C__)
  return {uint16_t(_cvtss_sh(value, 0))};
#else
  uint32_t bits = bitCast<uint32_t>(value);
  uint32_t sign = (bits >> 16) & 0x8000u;
  uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x47800000u)
    return {uint16_t(sign | (magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u))};
  if (magnitude < 0x38800000u) // Subnormal: adding 0.5 lets the float adder round at bit 2^-24.
    return {uint16_t(sign | (bitCast<uint32_t>(bitCast<float>(magnitude) + 0.5f) - 0x3f000000u))};
  return {uint16_t(sign | ((magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13))};
#endif
}

constexpr int64_t ceilDivide(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }
constexpr int64_t roundUp(int64_t value, int64_t unit) { return ceilDivide(value, unit) * unit; }
constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

} // namespace llmopt::cpu

#endif // LLMOPT_KERNELS_TYPES_H
