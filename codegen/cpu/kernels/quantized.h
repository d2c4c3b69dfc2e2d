//===- quantized.h - Weights of 8 or 4 bits with a scale for every group ----------------------===//
//
//   w[o, k] = scale[o, k / G] * (code[o, k] - zero)     the integers
//   w[o, k] = scale[o, k / G] * table[code[o, k]]       nf4, fp4
//
// computed in float32: code - zero is exact, so the product is rounded once. G, the group, is so
// many consecutive k of a row, a multiple of 32; 0 stands for the whole row, roundUp(K, 32).
//
//   Code | bits | zero                        | source
//   i8   | 8    | 128                         | symmetric
//   u8   | 8    | a byte per output and group | asymmetric
//   i4   | 4    | 8                           | symmetric
//   u4   | 4    | a byte per output and group | asymmetric
//   nf4  | 4    |                             | quantiles of the normal distribution: QLoRA,
//        |      |                             | Dettmers et al. 2023, appendix E
//   fp4  | 4    |                             | sign, 2 bits of exponent, 1 of mantissa:
//   bitsandbytes
//
// Packed weight of O rows and depth K, in bytes: [ceil(O / 16)] panels of [ceil(K / G)] groups. A
// group is
//
//   Scale    scale[16]            of output o
//   uint8_t  zero[16]             of output o; u8 and u4 only
//   uint32_t codes[G / I][16]     of step s and output o, little-endian. 8 bits: I = 4, byte j is
//                                 the code of k = 4 s + j; 4 bits: I = 8, bits 4 j .. 4 j + 3 are
//                                 the code of k = 8 s + j. k counts from the group's first.
//
// Codes are unsigned. Past K, up to the end of the last group, they mean zero: the middle (i8, i4),
// the zero point (u8, u4), 7 (nf4), 0 (fp4). Rows past O have scale 0. Scales are below 2^100. A
// weight begins at a 64-byte boundary, for speed; its groups need not.
//
// So 16 outputs share every vector, as in a dense panel: one load has 4 or 8 k of all of them, and
// the scales are a vector too.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_KERNELS_QUANTIZED_H
#define LLMOPT_KERNELS_QUANTIZED_H

#include "simd.h"

#include <type_traits>

namespace llmopt::cpu {

enum class Code { i8, u8, i4, u4, nf4, fp4 };

/// A byte of a packed weight, so that pointers count bytes. Scale: float, f16 or bf16.
template <Code code, int64_t group, class Scale> struct Quantized {
  static_assert(group >= 0 && group % 32 == 0, "a group is whole steps of all codes");
  uint8_t byte;
};

template <class Weight> constexpr bool isQuantized = false;
template <Code code, int64_t group, class Scale>
constexpr bool isQuantized<Quantized<code, group, Scale>> = true;

/// Where things lie in a panel of a quantized weight, in bytes.
template <class Weight, int64_t depth> struct QuantizedPanel;
template <Code kind, int64_t group, class ScaleType, int64_t depth>
struct QuantizedPanel<Quantized<kind, group, ScaleType>, depth> {
  using Weight = Quantized<kind, group, ScaleType>;
  using Scale = ScaleType;
  static constexpr Code code = kind;
  static constexpr bool storesZeros = code == Code::u8 || code == Code::u4;
  static constexpr bool isTable = code == Code::nf4 || code == Code::fp4;
  static constexpr int bits = code == Code::i8 || code == Code::u8 ? 8 : 4;
  /// k of a step, whose codes are one word of each output.
  static constexpr int64_t stepDepth = 32 / bits;
  static constexpr int64_t stepBytes = 4 * lanes;

  static constexpr int64_t groupDepth = group ? group : roundUp(depth, 32);
  static constexpr int64_t scaleBytes = lanes * int64_t(sizeof(Scale));
  static constexpr int64_t headBytes = scaleBytes + (storesZeros ? lanes : 0);
  static constexpr int64_t groupBytes = headBytes + groupDepth / stepDepth * stepBytes;
  static constexpr int64_t bytes = ceilDivide(depth, groupDepth) * groupBytes;

  static constexpr int64_t groupAt(int64_t k) { return k / groupDepth * groupBytes; }
  /// The codes of depth k, a whole number of steps.
  static constexpr int64_t codesAt(int64_t k) {
    return groupAt(k) + headBytes + k % groupDepth / stepDepth * stepBytes;
  }
  /// The first byte that k needs and smaller k do not: its group's head, if it begins one.
  static constexpr int64_t at(int64_t k) { return k % groupDepth ? codesAt(k) : groupAt(k); }
};

//===------------------------------------------------------------------------------------------===//
// Sixteen words at a time
//===------------------------------------------------------------------------------------------===//

namespace detail {

#if defined(LLMOPT_AVX512)

struct Words {
  __m512i v;
};

LLMOPT_INLINE Words loadWords(const uint8_t *p) { return {_mm512_loadu_si512(p)}; }
LLMOPT_INLINE Words operator>>(Words a, int count) { return {(__m512i)((__v16su)a.v >> count)}; }
LLMOPT_INLINE Words operator<<(Words a, int count) { return {(__m512i)((__v16su)a.v << count)}; }
/// (a & mask) | bits, as floats.
LLMOPT_INLINE Vec insertBits(Words a, uint32_t mask, uint32_t bits) {
  constexpr int andOr = 0xea; // of all eight inputs: (a & b) | c
  return {_mm512_castsi512_ps(_mm512_ternarylogic_epi32(a.v, _mm512_set1_epi32(int(mask)),
                                                        _mm512_set1_epi32(int(bits)), andOr))};
}
/// table[a & 15].
LLMOPT_INLINE Vec lookUp(Words a, const float *table) {
  return {_mm512_permutexvar_ps(a.v, _mm512_loadu_ps(table))};
}

#elif defined(LLMOPT_AVX2)

struct Words {
  __m256i lo, hi;
};

LLMOPT_INLINE Words loadWords(const uint8_t *p) {
  const __m256i *q = reinterpret_cast<const __m256i *>(p);
  return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
LLMOPT_INLINE Words operator>>(Words a, int count) {
  return {(__m256i)((__v8su)a.lo >> count), (__m256i)((__v8su)a.hi >> count)};
}
LLMOPT_INLINE Words operator<<(Words a, int count) {
  return {(__m256i)((__v8su)a.lo << count), (__m256i)((__v8su)a.hi << count)};
}
LLMOPT_INLINE Vec insertBits(Words a, uint32_t mask, uint32_t bits) {
  __m256i masks = _mm256_set1_epi32(int(mask)), inserted = _mm256_set1_epi32(int(bits));
  return {_mm256_castsi256_ps(_mm256_or_si256(_mm256_and_si256(a.lo, masks), inserted)),
          _mm256_castsi256_ps(_mm256_or_si256(_mm256_and_si256(a.hi, masks), inserted))};
}
/// A permutation takes 8 entries by the lower 3 bits; bit 3 chooses between two.
LLMOPT_INLINE __m256 lookUp(__m256i a, const float *table) {
  __m256 lower = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), a);
  __m256 upper = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), a);
  return _mm256_blendv_ps(lower, upper, _mm256_castsi256_ps(_mm256_slli_epi32(a, 28)));
}
LLMOPT_INLINE Vec lookUp(Words a, const float *table) {
  return {lookUp(a.lo, table), lookUp(a.hi, table)};
}

#else

struct Words {
  FourBits part[4];
};

LLMOPT_INLINE Words loadWords(const uint8_t *p) {
  Words a;
  std::memcpy(&a, p, sizeof(a));
  return a;
}
LLMOPT_INLINE Words operator>>(Words a, int count) {
  return {{a.part[0] >> count, a.part[1] >> count, a.part[2] >> count, a.part[3] >> count}};
}
LLMOPT_INLINE Words operator<<(Words a, int count) {
  return {{a.part[0] << count, a.part[1] << count, a.part[2] << count, a.part[3] << count}};
}
LLMOPT_INLINE Vec insertBits(Words a, uint32_t mask, uint32_t bits) {
  return fromParts([&](int i) { return (FourFloats)((a.part[i] & mask) | bits); });
}
LLMOPT_INLINE Vec lookUp(Words a, const float *table) {
  return fromParts([&](int i) {
    FourBits at = a.part[i] & 15u;
    return FourFloats{table[at[0]], table[at[1]], table[at[2]], table[at[3]]};
  });
}

#endif

/// Two k of 16 outputs, rounded to bf16, as loadPairs reads them: [16][2].
#if defined(LLMOPT_AVX512_BF16)
LLMOPT_INLINE void storeInterleaved(bf16 *to, Vec even, Vec odd) {
  // Number 16 i + o of the rounded goes to 2 o + i.
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  _mm512_storeu_si512(to, _mm512_permutexvar_epi16(order, (__m512i)roundPairs(even, odd).v));
}
#elif defined(LLMOPT_AVX512)
/// Float bits whose upper halves are the bf16. Finite values alone.
LLMOPT_INLINE __m512i roundedBits(__m512 a) {
  __m512i bits = _mm512_castps_si512(a);
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  return _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
}
LLMOPT_INLINE void storeInterleaved(bf16 *to, Vec even, Vec odd) {
  __m512i lower = _mm512_srli_epi32(roundedBits(even.v), 16);
  _mm512_storeu_si512(to, _mm512_mask_blend_epi16(0xaaaaaaaau, lower, roundedBits(odd.v)));
}
#elif defined(LLMOPT_AVX2)
LLMOPT_INLINE __m256i roundedBits(__m256 a) {
  __m256i bits = _mm256_castps_si256(a);
  __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  return _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
}
LLMOPT_INLINE __m256i interleave(__m256 even, __m256 odd) {
  return _mm256_blend_epi16(_mm256_srli_epi32(roundedBits(even), 16), roundedBits(odd), 0xaa);
}
LLMOPT_INLINE void storeInterleaved(bf16 *to, Vec even, Vec odd) {
  __m256i *q = reinterpret_cast<__m256i *>(to);
  _mm256_storeu_si256(q, interleave(even.lo, odd.lo));
  _mm256_storeu_si256(q + 1, interleave(even.hi, odd.hi));
}
#else
LLMOPT_INLINE FourBits roundedBits(FourFloats a) {
  FourBits bits = (FourBits)a;
  return bits + 0x7fffu + ((bits >> 16) & 1u);
}
LLMOPT_INLINE void storeInterleaved(bf16 *to, Vec even, Vec odd) {
  for (int64_t i = 0; i < 4; ++i) {
    FourBits pairs = (roundedBits(even.part[i]) >> 16) | (roundedBits(odd.part[i]) & 0xffff0000u);
    std::memcpy(to + 8 * i, &pairs, sizeof(pairs));
  }
}
#endif

//===------------------------------------------------------------------------------------------===//
// Codes to values
//===------------------------------------------------------------------------------------------===//

/// What a code of nf4 (QLoRA, appendix E) and of fp4 (bitsandbytes) is worth.
inline constexpr float nf4Values[16] = {
    -1.0f,
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
    1.0f,
};
inline constexpr float fp4Values[16] = {
    0.0f,  0.0052083333f,  0.66666667f,  1.0f,  0.33333333f,  0.5f,  0.16666667f,  0.25f,
    -0.0f, -0.0052083333f, -0.66666667f, -1.0f, -0.33333333f, -0.5f, -0.16666667f, -0.25f,
};

/// Values of a group.
///
/// An integer becomes a float where it stands: code << p below the exponent of 2^(23 - p) is
/// 2^(23 - p) + code, whatever p, as long as the code ends below bit 23. Subtracting
/// 2^(23 - p) + zero is exact, and so one shift serves the several codes in reach.
///
/// Where scale * (2^(23 - p) + zero) fits 24 bits, the subtraction and the product are one fma. A
/// scale of 11 bits (f16; bf16 has 8) leaves 13, hence p >= 11: three codes of 4 bits in reach.
/// Product and sum are exact, so it is no matter whether the fma is a fused one.
template <class Panel> class GroupValues {
public:
  explicit LLMOPT_INLINE GroupValues(const uint8_t *group)
      : scale(load(reinterpret_cast<const typename Panel::Scale *>(group))) {
    if constexpr (!Panel::isTable) {
      Vec zero = broadcast(float(1 << (Panel::bits - 1)));
      if constexpr (Panel::storesZeros) {
        float zeros[lanes];
        for (int64_t o = 0; o < lanes; ++o)
          zeros[o] = float(group[Panel::scaleBytes + o]);
        zero = load(zeros);
      }
      for (int i = 0; i < inReach; ++i) {
        offset[i] = broadcast(-power(i)) - zero;
        if constexpr (fused)
          offset[i] = offset[i] * scale;
      }
    }
  }

  /// Of code j of the words.
  LLMOPT_INLINE Vec operator()(Words words, int j) const {
    if constexpr (Panel::isTable) {
      return lookUp(words >> (Panel::bits * j), Panel::code == Code::nf4 ? nf4Values : fp4Values) *
             scale;
    } else {
      int i = j % inReach, by = Panel::bits * (j - i) - firstBit;
      uint32_t mask = ((1u << Panel::bits) - 1) << bitOf(i);
      Vec shifted = insertBits(by < 0 ? words << -by : words >> by, mask,
                               uint32_t(127 + 23 - bitOf(i)) << 23);
      return fused ? fma(shifted, scale, offset[i]) : (shifted + offset[i]) * scale;
    }
  }

private:
  static constexpr bool fused = Panel::bits == 4 && sizeof(typename Panel::Scale) == 2;
  static constexpr int firstBit = fused ? 11 : 0;
  static constexpr int inReach = fused ? 3 : int(Panel::stepDepth / 2);
  static constexpr int bitOf(int i) { return firstBit + Panel::bits * i; }
  static constexpr float power(int i) { return float(1 << (23 - bitOf(i))); }

  Vec scale;
  Vec offset[inReach];
};

} // namespace detail

/// Dequantizes `count` k of a panel from k on, a whole number of steps, as the inner loop wants
/// them: for Compute bf16 [ceil(count / 2)][16][2] bf16, else [count][16] floats, rounded to
/// Compute. Writes whole steps: 4 or 8 k of which the last may lie past `count`. On the way as many
/// bytes are fetched from `next` on: there lies what will be dequantized next.
template <class Compute, class Panel, class Operand>
LLMOPT_INLINE void dequantize(const typename Panel::Weight *weight, int64_t k, int64_t count,
                              Operand *to, const typename Panel::Weight *next) {
  const uint8_t *panel = reinterpret_cast<const uint8_t *>(weight);
  const int64_t end = k + roundUp(count, Panel::stepDepth);
  while (k < end) {
    const detail::GroupValues<Panel> values(panel + Panel::groupAt(k));
    const uint8_t *codes = panel + Panel::codesAt(k);
    prefetch(next);
    next += Panel::headBytes;
    const int64_t here = smaller(Panel::groupDepth - k % Panel::groupDepth, end - k);
    k += here;
    for (int64_t i = 0; i < here; i += Panel::stepDepth) {
      detail::Words words = detail::loadWords(codes);
      prefetch(next);
      next += Panel::stepBytes;
      LLMOPT_UNROLL
      for (int j = 0; j < Panel::stepDepth; j += 2) {
        Vec even = values(words, j), odd = values(words, j + 1);
        if constexpr (std::is_same_v<Compute, bf16>) {
          detail::storeInterleaved(to + j * lanes, even, odd);
        } else {
          if constexpr (std::is_same_v<Compute, f16>) {
            f16 rounded[2 * lanes];
            store(rounded, even);
            store(rounded + lanes, odd);
            even = load(rounded);
            odd = load(rounded + lanes);
          }
          store(to + j * lanes, even);
          store(to + (j + 1) * lanes, odd);
        }
      }
      codes += Panel::stepBytes;
      to += Panel::stepDepth * lanes;
    }
  }
}

} // namespace llmopt::cpu

#endif // LLMOPT_KERNELS_QUANTIZED_H
