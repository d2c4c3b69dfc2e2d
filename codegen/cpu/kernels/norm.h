//===- norm.h - Normalization of one row ------------------------------------------------------===//
//
// Statistics are float32, summed in one fixed order. x, weight, bias and out are of any storage
// type. `out` may be `x`.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_KERNELS_NORM_H
#define LLMOPT_KERNELS_NORM_H

#include "simd.h"

namespace llmopt::cpu {

/// Calls each(i, count) for 0, 16, 32, ...: count is 16, or less in the last.
template <class Each> LLMOPT_INLINE void forEachVec(int64_t size, const Each &each) {
  int64_t whole = size / lanes * lanes;
  for (int64_t i = 0; i < whole; i += lanes)
    each(i, std::integral_constant<int64_t, lanes>());
  if (whole < size)
    each(whole, size - whole);
}

template <class T> LLMOPT_INLINE Vec loadUpTo(const T *p, std::integral_constant<int64_t, lanes>) {
  return load(p);
}
template <class T> LLMOPT_INLINE Vec loadUpTo(const T *p, int64_t count) {
  return loadPartial(p, count);
}
template <class T>
LLMOPT_INLINE void storeUpTo(T *p, Vec a, std::integral_constant<int64_t, lanes>) {
  store(p, a);
}
template <class T> LLMOPT_INLINE void storeUpTo(T *p, Vec a, int64_t count) {
  storePartial(p, a, count);
}

/// out[i] = x[i] / sqrt(mean(x^2) + epsilon) * weight[i]. (Zhang and Sennrich 2019)
template <class X, class W, class Y>
void rmsNormRow(const X *x, const W *weight, int64_t size, float epsilon, Y *out) {
  Vec squares = broadcast(0.0f);
  forEachVec(size, [&](int64_t i, auto count) {
    Vec a = loadUpTo(x + i, count);
    squares = fma(a, a, squares);
  });
  Vec scale = broadcast(1.0f / std::sqrt(reduceAdd(squares) / float(size) + epsilon));
  forEachVec(size, [&](int64_t i, auto count) {
    storeUpTo(out + i, loadUpTo(x + i, count) * scale * loadUpTo(weight + i, count), count);
  });
}

/// out[i] = (x[i] - mean) / sqrt(variance + epsilon) * weight[i] + bias[i]; the variance is taken
/// in a second pass over x - mean. `bias` may be null. (Ba, Kiros and Hinton 2016)
template <class X, class W, class Y>
void layerNormRow(const X *x, const W *weight, const W *bias, int64_t size, float epsilon, Y *out) {
  Vec sum = broadcast(0.0f);
  forEachVec(size, [&](int64_t i, auto count) { sum = sum + loadUpTo(x + i, count); });
  Vec mean = broadcast(reduceAdd(sum) / float(size));
  Vec numbers = laneNumbers();
  Vec squares = broadcast(0.0f);
  forEachVec(size, [&](int64_t i, auto count) {
    Vec a = loadUpTo(x + i, count) - mean;
    a = selectLess(numbers, broadcast(float(count)), a, broadcast(0.0f));
    squares = fma(a, a, squares);
  });
  Vec scale = broadcast(1.0f / std::sqrt(reduceAdd(squares) / float(size) + epsilon));
  forEachVec(size, [&](int64_t i, auto count) {
    Vec a = (loadUpTo(x + i, count) - mean) * scale;
    Vec shift = bias ? loadUpTo(bias + i, count) : broadcast(0.0f);
    storeUpTo(out + i, fma(a, loadUpTo(weight + i, count), shift), count);
  });
}

} // namespace llmopt::cpu

#endif // LLMOPT_KERNELS_NORM_H
