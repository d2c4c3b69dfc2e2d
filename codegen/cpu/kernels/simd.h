//===- simd.h - Sixteen floats at a time, on whatever the compiler targets --------------------===//
//
// Vec is 16 floats on every target, so each kernel is written once and each reduction has one
// order. AVX-512: one register; AVX2 + FMA + F16C: two; otherwise four 16-byte vectors of the
// compiler. Pairs is 16 outputs x 2 consecutive k of bf16, the operand of a bf16 product.
//
// Without hardware FMA, fma(a, b, c) is a * b + c with two roundings: the same in every path of
// that target. Compile with -ffp-contract=off, so that no other contraction happens.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_KERNELS_SIMD_H
#define LLMOPT_KERNELS_SIMD_H

#include "types.h"

#include <cmath>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define LLMOPT_AVX512 1
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define LLMOPT_AVX2 1
#endif
#if defined(LLMOPT_AVX512) && defined(__AVX512BF16__)
#define LLMOPT_AVX512_BF16 1
#endif
#if defined(LLMOPT_AVX512) || defined(LLMOPT_AVX2)
// GCC 12 takes the undefined sources of its own intrinsics for mistakes.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

// Loops over a register tile must be unrolled whole, or the tile lives in memory.
#define LLMOPT_UNROLL _Pragma("GCC unroll 16")

namespace llmopt::cpu {

/// Floats of a Vec, outputs of a weight panel, and tokens of a cache page.
constexpr int64_t lanes = 16;

LLMOPT_INLINE float fma(float a, float b, float c) {
#if defined(__FMA__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

LLMOPT_INLINE void prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

//===------------------------------------------------------------------------------------------===//
// AVX-512
//===------------------------------------------------------------------------------------------===//

#if defined(LLMOPT_AVX512)

struct Vec {
  __m512 v;
};

LLMOPT_INLINE Vec broadcast(float value) { return {_mm512_set1_ps(value)}; }
LLMOPT_INLINE Vec load(const float *p) { return {_mm512_loadu_ps(p)}; }
LLMOPT_INLINE Vec load(const bf16 *p) {
  __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
LLMOPT_INLINE Vec load(const f16 *p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)))};
}
LLMOPT_INLINE void store(float *p, Vec a) { _mm512_storeu_ps(p, a.v); }
LLMOPT_INLINE void store(bf16 *p, Vec a) {
  __m512i bits = _mm512_castps_si512(a.v);
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x00400000));
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(p),
                      _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
}
LLMOPT_INLINE void store(f16 *p, Vec a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), _mm512_cvtps_ph(a.v, 0));
}
LLMOPT_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
LLMOPT_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
LLMOPT_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
LLMOPT_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
LLMOPT_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
LLMOPT_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
LLMOPT_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
/// a < b ? x : y, per lane.
LLMOPT_INLINE Vec selectLess(Vec a, Vec b, Vec x, Vec y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
}
/// 2^(n) for whole n in [-126, 127], given as 1.5 * 2^23 + n (the sum that rounds x to whole n).
LLMOPT_INLINE Vec powerOfTwo(Vec shifted) {
  __m512i exponent = _mm512_add_epi32(_mm512_castps_si512(shifted.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23))};
}

#elif defined(LLMOPT_AVX2)

//===------------------------------------------------------------------------------------------===//
// AVX2
//===------------------------------------------------------------------------------------------===//

struct Vec {
  __m256 lo, hi;
};

LLMOPT_INLINE __m256 widen(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
LLMOPT_INLINE __m128i narrow(__m256 a) {
  __m256i bits = _mm256_castps_si256(a);
  __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
  __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  __m256i kept = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(kept), _mm256_extracti128_si256(kept, 1));
}

LLMOPT_INLINE Vec broadcast(float value) {
  __m256 v = _mm256_set1_ps(value);
  return {v, v};
}
LLMOPT_INLINE Vec load(const float *p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
LLMOPT_INLINE Vec load(const bf16 *p) {
  const __m128i *q = reinterpret_cast<const __m128i *>(p);
  return {widen(_mm_loadu_si128(q)), widen(_mm_loadu_si128(q + 1))};
}
LLMOPT_INLINE Vec load(const f16 *p) {
  const __m128i *q = reinterpret_cast<const __m128i *>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
}
LLMOPT_INLINE void store(float *p, Vec a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
LLMOPT_INLINE void store(bf16 *p, Vec a) {
  __m128i *q = reinterpret_cast<__m128i *>(p);
  _mm_storeu_si128(q, narrow(a.lo));
  _mm_storeu_si128(q + 1, narrow(a.hi));
}
LLMOPT_INLINE void store(f16 *p, Vec a) {
  __m128i *q = reinterpret_cast<__m128i *>(p);
  _mm_storeu_si128(q, _mm256_cvtps_ph(a.lo, 0));
  _mm_storeu_si128(q + 1, _mm256_cvtps_ph(a.hi, 0));
}
LLMOPT_INLINE Vec operator+(Vec a, Vec b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
LLMOPT_INLINE Vec operator-(Vec a, Vec b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
LLMOPT_INLINE Vec operator*(Vec a, Vec b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
LLMOPT_INLINE Vec operator/(Vec a, Vec b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
LLMOPT_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
LLMOPT_INLINE Vec max(Vec a, Vec b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
LLMOPT_INLINE Vec min(Vec a, Vec b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
LLMOPT_INLINE Vec selectLess(Vec a, Vec b, Vec x, Vec y) {
  return {_mm256_blendv_ps(y.lo, x.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
          _mm256_blendv_ps(y.hi, x.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ))};
}
LLMOPT_INLINE __m256 powerOfTwo(__m256 shifted) {
  __m256i exponent = _mm256_add_epi32(_mm256_castps_si256(shifted), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}
LLMOPT_INLINE Vec powerOfTwo(Vec shifted) {
  return {powerOfTwo(shifted.lo), powerOfTwo(shifted.hi)};
}

#else

//===------------------------------------------------------------------------------------------===//
// Portable
//===------------------------------------------------------------------------------------------===//

typedef float FourFloats __attribute__((vector_size(16)));
typedef uint32_t FourBits __attribute__((vector_size(16)));

struct Vec {
  FourFloats part[4];
};

/// Applies `each(i)` to the four parts.
template <class Each> LLMOPT_INLINE Vec fromParts(const Each &each) {
  return {{each(0), each(1), each(2), each(3)}};
}
LLMOPT_INLINE Vec broadcast(float value) {
  FourFloats four = {value, value, value, value};
  return {{four, four, four, four}};
}
LLMOPT_INLINE Vec load(const float *p) {
  Vec a;
  std::memcpy(&a, p, sizeof(a));
  return a;
}
template <class T> LLMOPT_INLINE Vec load(const T *p) {
  return fromParts([&](int i) {
    const T *q = p + 4 * i;
    return FourFloats{toFloat(q[0]), toFloat(q[1]), toFloat(q[2]), toFloat(q[3])};
  });
}
LLMOPT_INLINE void store(float *p, Vec a) { std::memcpy(p, &a, sizeof(a)); }
template <class T> LLMOPT_INLINE void store(T *p, Vec a) {
  for (int i = 0; i < lanes; ++i)
    p[i] = fromFloat<T>(a.part[i / 4][i % 4]);
}
LLMOPT_INLINE Vec operator+(Vec a, Vec b) {
  return fromParts([&](int i) { return a.part[i] + b.part[i]; });
}
LLMOPT_INLINE Vec operator-(Vec a, Vec b) {
  return fromParts([&](int i) { return a.part[i] - b.part[i]; });
}
LLMOPT_INLINE Vec operator*(Vec a, Vec b) {
  return fromParts([&](int i) { return a.part[i] * b.part[i]; });
}
LLMOPT_INLINE Vec operator/(Vec a, Vec b) {
  return fromParts([&](int i) { return a.part[i] / b.part[i]; });
}
LLMOPT_INLINE Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
LLMOPT_INLINE Vec selectLess(Vec a, Vec b, Vec x, Vec y) {
  return fromParts([&](int i) {
    FourBits mask = (FourBits)(a.part[i] < b.part[i]);
    return (FourFloats)((mask & (FourBits)x.part[i]) | (~mask & (FourBits)y.part[i]));
  });
}
LLMOPT_INLINE Vec max(Vec a, Vec b) { return selectLess(b, a, a, b); }
LLMOPT_INLINE Vec min(Vec a, Vec b) { return selectLess(a, b, a, b); }
LLMOPT_INLINE Vec powerOfTwo(Vec shifted) {
  return fromParts([&](int i) { return (FourFloats)(((FourBits)shifted.part[i] + 127u) << 23); });
}

#endif

//===------------------------------------------------------------------------------------------===//
// The same for one float, so that a formula written as a template serves both
//===------------------------------------------------------------------------------------------===//

LLMOPT_INLINE float max(float a, float b) { return a > b ? a : b; }
LLMOPT_INLINE float min(float a, float b) { return a < b ? a : b; }
LLMOPT_INLINE float selectLess(float a, float b, float x, float y) { return a < b ? x : y; }
LLMOPT_INLINE float powerOfTwo(float shifted) {
  return bitCast<float>((bitCast<uint32_t>(shifted) + 127u) << 23);
}
template <class V> LLMOPT_INLINE V splat(float value);
template <> LLMOPT_INLINE float splat<float>(float value) { return value; }
template <> LLMOPT_INLINE Vec splat<Vec>(float value) { return broadcast(value); }

//===------------------------------------------------------------------------------------------===//
// Less than a whole Vec
//===------------------------------------------------------------------------------------------===//

/// The first `count` < 16 elements; zero behind them.
template <class T> LLMOPT_INLINE Vec loadPartial(const T *p, int64_t count) {
  float buffer[lanes] = {};
  for (int64_t i = 0; i < count; ++i)
    buffer[i] = toFloat(p[i]);
  return load(buffer);
}

template <class T> LLMOPT_INLINE void storePartial(T *p, Vec a, int64_t count) {
  float buffer[lanes];
  store(buffer, a);
  for (int64_t i = 0; i < count; ++i)
    p[i] = fromFloat<T>(buffer[i]);
}

/// Lane i holds i.
LLMOPT_INLINE Vec laneNumbers() {
  static constexpr float numbers[lanes] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return load(numbers);
}

/// Sum of the lanes: halves are added until one is left, the same tree on every target.
LLMOPT_INLINE float reduceAdd(Vec a) {
  float x[lanes];
  store(x, a);
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i)
      x[i] += x[i + width];
  return x[0];
}

LLMOPT_INLINE float reduceMax(Vec a) {
#if defined(LLMOPT_AVX512)
  return _mm512_reduce_max_ps(a.v);
#else
  float x[lanes];
  store(x, a);
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i)
      x[i] = max(x[i], x[i + width]);
  return x[0];
#endif
}

//===------------------------------------------------------------------------------------------===//
// bf16 products: 16 outputs x 2 k
//===------------------------------------------------------------------------------------------===//

#if defined(LLMOPT_AVX512_BF16)

struct Pairs {
  __m512bh v;
};
/// 32 bf16: [16 outputs][2 k].
LLMOPT_INLINE Pairs loadPairs(const bf16 *p) { return {(__m512bh)_mm512_loadu_si512(p)}; }
LLMOPT_INLINE Pairs broadcastPair(const bf16 *p) {
  int32_t pair;
  std::memcpy(&pair, p, sizeof(pair));
  return {(__m512bh)_mm512_set1_epi32(pair)};
}
/// c[o] + w[o][0] * x[0] + w[o][1] * x[1], rounded after each product as the instruction does.
LLMOPT_INLINE Vec dotPairs(Pairs w, Pairs x, Vec c) { return {_mm512_dpbf16_ps(c.v, w.v, x.v)}; }
/// 32 consecutive floats rounded to bf16.
LLMOPT_INLINE Pairs roundPairs(Vec first, Vec second) {
  return {_mm512_cvtne2ps_pbh(second.v, first.v)};
}
LLMOPT_INLINE void storePairs(bf16 *p, Vec first, Vec second) {
  _mm512_storeu_si512(p, (__m512i)roundPairs(first, second).v);
}

#else

/// The two k of the pairs, widened.
struct Pairs {
  Vec even, odd;
};
#if defined(LLMOPT_AVX512)
LLMOPT_INLINE Pairs widenPairs(__m512i bits) {
  return {{_mm512_castsi512_ps(_mm512_slli_epi32(bits, 16))},
          {_mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(int(0xffff0000u))))}};
}
LLMOPT_INLINE Pairs loadPairs(const bf16 *p) { return widenPairs(_mm512_loadu_si512(p)); }
#elif defined(LLMOPT_AVX2)
LLMOPT_INLINE Pairs loadPairs(const bf16 *p) {
  __m256i lo = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(p));
  __m256i hi = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(p) + 1);
  __m256i upper = _mm256_set1_epi32(int(0xffff0000u));
  return {{_mm256_castsi256_ps(_mm256_slli_epi32(lo, 16)),
           _mm256_castsi256_ps(_mm256_slli_epi32(hi, 16))},
          {_mm256_castsi256_ps(_mm256_and_si256(lo, upper)),
           _mm256_castsi256_ps(_mm256_and_si256(hi, upper))}};
}
#else
LLMOPT_INLINE Pairs loadPairs(const bf16 *p) {
  Pairs pairs;
  for (int64_t i = 0; i < 4; ++i) {
    FourBits bits;
    std::memcpy(&bits, p + 8 * i, sizeof(bits));
    pairs.even.part[i] = (FourFloats)(bits << 16);
    pairs.odd.part[i] = (FourFloats)(bits & 0xffff0000u);
  }
  return pairs;
}
#endif
LLMOPT_INLINE Pairs broadcastPair(const bf16 *p) {
  return {broadcast(toFloat(p[0])), broadcast(toFloat(p[1]))};
}
LLMOPT_INLINE Vec dotPairs(Pairs w, Pairs x, Vec c) {
  return fma(w.odd, x.odd, fma(w.even, x.even, c));
}
LLMOPT_INLINE void storePairs(bf16 *p, Vec first, Vec second) {
  store(p, first);
  store(p + lanes, second);
}
LLMOPT_INLINE Pairs roundPairs(Vec first, Vec second) {
  bf16 rounded[2 * lanes];
  storePairs(rounded, first, second);
  return loadPairs(rounded);
}

#endif

} // namespace llmopt::cpu

#endif // LLMOPT_KERNELS_SIMD_H
