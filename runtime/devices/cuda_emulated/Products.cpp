#include "runtime/devices/cuda_emulated/Products.h"

#include "support/FloatTypes.h"

#include <algorithm>

namespace llmopt::emulated {

using Type = CudaProduct::Type;

Status checkProduct(const CudaProduct &product) {
  if (product.rows < 1 || product.columns < 1 || product.depth < 1 ||
      product.strideB < product.depth)
    return makeError("a product of [{}, {}] and [{}, {}] with rows {} apart", product.rows,
                     product.depth, product.columns, product.depth, product.strideB);
  return success();
}

static float load(Type type, CudaAddress base, int64_t index) {
  if (type == Type::F32)
    return reinterpret_cast<const float *>(base)[index];
  uint16_t bits = reinterpret_cast<const uint16_t *>(base)[index];
  return type == Type::F16 ? float16ToFloat(bits) : bfloat16ToFloat(bits);
}

static void store(Type type, CudaAddress base, int64_t index, float value) {
  if (type == Type::F32)
    reinterpret_cast<float *>(base)[index] = value;
  else
    reinterpret_cast<uint16_t *>(base)[index] =
        type == Type::F16 ? floatToFloat16(value) : floatToBfloat16(value);
}

void multiplyOnHost(const CudaProduct &product) {
  const CudaProduct &p = product;
  // Columns together, [depth][block], so that the inner loop runs over neighbours.
  constexpr int64_t block = 64;
  std::vector<float> right(size_t(p.depth * block)), sums(block);
  for (int64_t first = 0; first < p.columns; first += block) {
    int64_t count = std::min(block, p.columns - first);
    for (int64_t column = 0; column < count; ++column)
      for (int64_t k = 0; k < p.depth; ++k)
        right[size_t(k * block + column)] = load(p.inputs, p.b, (first + column) * p.strideB + k);
    for (int64_t row = 0; row < p.rows; ++row) {
      std::fill(sums.begin(), sums.end(), 0.0f);
      for (int64_t k = 0; k < p.depth; ++k) {
        float x = load(p.inputs, p.a, row * p.depth + k);
        const float *weights = &right[size_t(k * block)];
        for (int64_t column = 0; column < block; ++column)
          sums[size_t(column)] += x * weights[column];
      }
      for (int64_t column = 0; column < count; ++column)
        store(p.output, p.c, row * p.columns + first + column, sums[size_t(column)]);
    }
  }
}

} // namespace llmopt::emulated
