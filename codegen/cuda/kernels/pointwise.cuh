//===- pointwise.cuh - Functions of one element or one pair -----------------------------------===//
//
// What generated prologues and epilogues call. Everything in float32.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_POINTWISE_CUH
#define LLMOPT_CUDA_POINTWISE_CUH

#include "types.cuh"

namespace llmopt::cuda {

LLMOPT_DEVICE float relu(float x) { return fmaxf(x, 0.0f); }
LLMOPT_DEVICE float silu(float x) { return x / (1.0f + expf(-x)); }
LLMOPT_DEVICE float gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.7071067811865476f)); }
LLMOPT_DEVICE float geluTanh(float x) {
  return 0.5f * x * (1.0f + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
}

/// Element `column` of a row of the rotary table, `width` wide: cosines, then sines, of
/// position * frequency, times `factor`.
LLMOPT_DEVICE float ropeTableElement(int position, const float *frequencies, int width, int column,
                                     float factor) {
  int half = width / 2;
  float angle = float(position) * frequencies[column % half];
  return (column < half ? cosf(angle) : sinf(angle)) * factor;
}

enum class RopeStyle { Half, Interleaved };

/// Element `column` of a row of heads after rotation; input(column) and table(i) read the row and
/// its row of the table, `width` wide. The epilogues of linears rotate pairs instead.
template <RopeStyle Style, class Input, class Table>
LLMOPT_DEVICE float rotatedElement(int column, int headDim, int width, const Input &input,
                                   const Table &table) {
  int half = width / 2, inner = column % headDim;
  if (inner >= width)
    return input(column);
  bool second = Style == RopeStyle::Half ? inner >= half : inner % 2 == 1;
  int i = Style == RopeStyle::Half ? inner % half : inner / 2;
  int distance = Style == RopeStyle::Half ? half : 1;
  float c = table(i), s = table(half + i);
  return second ? input(column) * c + input(column - distance) * s
                : input(column) * c - input(column + distance) * s;
}

/// Rotates pair i of a head in place; `row` is the token's row of the table, `width` wide.
LLMOPT_DEVICE void rotate(float &a, float &b, const float *row, int width, int i) {
  float c = row[i], s = row[width / 2 + i];
  float rotated = a * c - b * s;
  b = b * c + a * s;
  a = rotated;
}

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_POINTWISE_CUH
