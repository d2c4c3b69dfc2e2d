//===- pointwise.h - Functions of single elements ---------------------------------------------===//
//
// Each is a template over float and Vec, with the same operations in the same order: a loop over
// floats, which the compiler vectorizes, gives bit for bit what the Vec form gives. NaN stays NaN.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_KERNELS_POINTWISE_H
#define LLMOPT_KERNELS_POINTWISE_H

#include "simd.h"

namespace llmopt::cpu {

/// e^x to 2 units in the last place. 0 below -87.3 (where the result would be subnormal); 1.65e38
/// from 88 on. x = n ln 2 + r with |r| <= ln 2 / 2, and e^r by its polynomial (Cephes expf).
template <class V> LLMOPT_INLINE V exp(V x) {
  V lowest = splat<V>(-87.3f);
  V bounded = max(lowest, min(splat<V>(88.0f), x));
  V magic = splat<V>(12582912.0f); // 1.5 * 2^23: adding it rounds to whole numbers.
  V shifted = fma(bounded, splat<V>(1.44269504f), magic);
  V n = shifted - magic;
  V r = fma(n, splat<V>(-0.693359375f), bounded);
  r = fma(n, splat<V>(2.12194440e-4f), r);
  V p = splat<V>(1.9875691500e-4f);
  p = fma(p, r, splat<V>(1.3981999507e-3f));
  p = fma(p, r, splat<V>(8.3334519073e-3f));
  p = fma(p, r, splat<V>(4.1665795894e-2f));
  p = fma(p, r, splat<V>(1.6666665459e-1f));
  p = fma(p, r, splat<V>(5.0000001201e-1f));
  p = fma(p, r * r, r) + splat<V>(1.0f);
  return selectLess(x, lowest, splat<V>(0.0f), p * powerOfTwo(shifted));
}

template <class V> LLMOPT_INLINE V sigmoid(V x) {
  V one = splat<V>(1.0f);
  return one / (one + exp(splat<V>(0.0f) - x));
}

template <class V> LLMOPT_INLINE V silu(V x) {
  return x / (splat<V>(1.0f) + exp(splat<V>(0.0f) - x));
}

/// To 1e-7 absolute.
template <class V> LLMOPT_INLINE V tanh(V x) {
  V one = splat<V>(1.0f);
  return one - splat<V>(2.0f) / (one + exp(x + x));
}

template <class V> LLMOPT_INLINE V relu(V x) { return max(splat<V>(0.0f), x); }

/// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), written with 1 + tanh(u) = 2 sigmoid(2 u).
template <class V> LLMOPT_INLINE V geluTanh(V x) {
  V inner = fma(splat<V>(0.044715f) * x * x, x, x);
  return x / (splat<V>(1.0f) + exp(splat<V>(-1.59576912f) * inner));
}

/// 0.5 x (1 + erf(x / sqrt 2)) = x Phi(x). With z = |x| / sqrt 2 and t = 1 / (1 + 0.4 z),
/// erfc(z) = e^(-z^2) Q(t); Q is the polynomial of degree 9 with the least largest relative error
/// on 0 <= z <= 6.5 (1e-8, before rounding).
template <class V> LLMOPT_INLINE V gelu(V x) {
  V zero = splat<V>(0.0f), one = splat<V>(1.0f);
  V z = max(x, zero - x) * splat<V>(0.707106781f);
  V t = one / fma(splat<V>(0.4f), z, one);
  V q = splat<V>(0.0109946299f);
  q = fma(q, t, splat<V>(0.0230935812f));
  q = fma(q, t, splat<V>(-0.298667282f));
  q = fma(q, t, splat<V>(0.59719044f));
  q = fma(q, t, splat<V>(-0.34414041f));
  q = fma(q, t, splat<V>(0.422068983f));
  q = fma(q, t, splat<V>(0.121993609f));
  q = fma(q, t, splat<V>(0.243872061f));
  q = fma(q, t, splat<V>(0.223479226f));
  q = fma(q, t, splat<V>(0.000115170624f));
  V half = splat<V>(0.5f) * q * exp(zero - z * z);
  return x * selectLess(x, zero, half, one - half);
}

} // namespace llmopt::cpu

#endif // LLMOPT_KERNELS_POINTWISE_H
