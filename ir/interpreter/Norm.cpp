//===- Norm.cpp - Normalization of rows -------------------------------------------------------===//

#include "ir/interpreter/Evaluator.h"

#include <cmath>

namespace llmopt::interpreter {

template <typename Real> Status evaluate(NormOp op, Frame<Real> &frame) {
  const Matrix<Real> &input = frame.matrix(op.getInput());
  const Matrix<Real> &weight = frame.matrix(op.getWeight());
  const Matrix<Real> *bias = op.getBias() ? &frame.matrix(op.getBias()) : nullptr;
  const Real epsilon = static_cast<Real>(op.getEpsilon().convertToDouble());
  const int64_t width = input.columns;

  Matrix<Real> result(input.rows, width);
  for (int64_t n = 0; n < input.rows; ++n) {
    const Real *x = input.row(n);
    Real mean = 0;
    if (op.getKind() == NormKind::Layer) {
      for (int64_t i = 0; i < width; ++i)
        mean += x[i];
      mean /= static_cast<Real>(width);
    }
    Real squares = 0;
    for (int64_t i = 0; i < width; ++i)
      squares += (x[i] - mean) * (x[i] - mean);
    const Real scale = 1 / std::sqrt(squares / static_cast<Real>(width) + epsilon);
    for (int64_t i = 0; i < width; ++i)
      result.row(n)[i] = (x[i] - mean) * scale * weight[i] + (bias ? (*bias)[i] : 0);
  }
  frame.define(op.getResult(), std::move(result));
  return success();
}

LLMOPT_INTERPRET(NormOp);

} // namespace llmopt::interpreter
