//===- TestValues.h - Operands for tests of kernel templates ----------------------------------===//

#ifndef LLMOPT_TEST_UNIT_CUDA_TESTVALUES_H
#define LLMOPT_TEST_UNIT_CUDA_TESTVALUES_H

#include "codegen/cuda/kernels/types.cuh"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace llmopt::cuda {

template <class T> std::vector<T> randomValues(size_t count, unsigned seed, float scale = 1) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-scale, scale);
  std::vector<T> values(count);
  for (T &value : values)
    value = fromFloat<T>(uniform(generator));
  return values;
}

/// A vector whose first element is 16-byte aligned.
template <class T> class Aligned {
public:
  explicit Aligned(const std::vector<T> &values) : storage(values.size() + 16) {
    size_t offset = 0;
    while (reinterpret_cast<uintptr_t>(storage.data() + offset) % 16)
      ++offset;
    std::copy(values.begin(), values.end(), storage.begin() + long(offset));
    first = storage.data() + offset;
  }
  T *data() { return first; }

private:
  std::vector<T> storage;
  T *first;
};

template <class T> double tolerance() { return same<T, float> ? 1e-5 : same<T, f16> ? 2e-3 : 1e-2; }

} // namespace llmopt::cuda

#endif // LLMOPT_TEST_UNIT_CUDA_TESTVALUES_H
