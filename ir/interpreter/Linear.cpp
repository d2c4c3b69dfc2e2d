//===- Linear.cpp - Matrix products with weights ----------------------------------------------===//

#include "ir/interpreter/Evaluator.h"
#include "support/ThreadPool.h"

#include <algorithm>

using namespace mlir;

namespace llmopt::interpreter {

/// The values of a quantized weight, rounded to the type of the products.
template <typename Real>
static std::shared_ptr<const Matrix<Real>> roundedWeight(LinearOp op, const Matrix<Real> &weight) {
  auto rounded = std::make_shared<Matrix<Real>>(weight);
  Type type = cast<RankedTensorType>(op.getInput().getType()).getElementType();
  for (Real &value : rounded->values)
    value = static_cast<Real>(roundToElement(value, type));
  return rounded;
}

/// A product of two values of float16 or bfloat16 is exact in either arithmetic, so low precision
/// needs nothing special: the operands are rounded already.
template <typename Real> Status evaluate(LinearOp op, Frame<Real> &frame) {
  const Matrix<Real> &input = frame.matrix(op.getInput());
  std::shared_ptr<const Matrix<Real>> ownWeight;
  auto weightType = cast<RankedTensorType>(op.getWeight().getType());
  if (isa<QuantizedType>(weightType.getElementType()))
    ownWeight = roundedWeight(op, frame.matrix(op.getWeight()));
  const Matrix<Real> &weight = ownWeight ? *ownWeight : frame.matrix(op.getWeight());
  const Matrix<Real> *bias = op.getBias() ? &frame.matrix(op.getBias()) : nullptr;

  Matrix<Real> result(input.rows, weight.rows);
  auto computeOutputs = [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o)
      for (int64_t n = 0; n < input.rows; ++n)
        result.row(n)[o] =
            dot(input.row(n), weight.row(o), input.columns) + (bias ? (*bias)[o] : 0);
  };
  // Threads pay from about a million products on.
  const bool large = input.rows * input.columns * weight.rows > (int64_t(1) << 20);
  constexpr int64_t block = 64;
  parallelFor((weight.rows + block - 1) / block, large ? frame.threads : 1, [&](int64_t i) {
    computeOutputs(i * block, std::min((i + 1) * block, weight.rows));
  });
  frame.define(op.getResult(), std::move(result));
  return success();
}

LLMOPT_INTERPRET(LinearOp);

} // namespace llmopt::interpreter
