//===- Pointwise.cpp - Ops that treat every element alike -------------------------------------===//

#include "ir/interpreter/Evaluator.h"

#include <cmath>

namespace llmopt::interpreter {

template <typename Real, typename Op, typename Function>
static Status evaluateBinary(Op op, Frame<Real> &frame, Function function) {
  const Matrix<Real> &lhs = frame.matrix(op.getLhs());
  const Matrix<Real> &rhs = frame.matrix(op.getRhs());
  if (lhs.rows != rhs.rows || lhs.columns != rhs.columns)
    return opError(op, fmt::format("operands of {}x{} and {}x{} elements", lhs.rows, lhs.columns,
                                   rhs.rows, rhs.columns));
  Matrix<Real> result(lhs.rows, lhs.columns);
  for (size_t i = 0; i < result.values.size(); ++i)
    result.values[i] = function(lhs.values[i], rhs.values[i]);
  frame.define(op.getResult(), std::move(result));
  return success();
}

template <typename Real> Status evaluate(AddOp op, Frame<Real> &frame) {
  return evaluateBinary(op, frame, [](Real a, Real b) { return a + b; });
}

template <typename Real> Status evaluate(MulOp op, Frame<Real> &frame) {
  return evaluateBinary(op, frame, [](Real a, Real b) { return a * b; });
}

template <typename Real> static Real activate(ActivationKind kind, Real x) {
  switch (kind) {
  case ActivationKind::Gelu:
    return x / 2 * (1 + std::erf(x * static_cast<Real>(M_SQRT1_2)));
  case ActivationKind::GeluTanh: {
    const Real scale = static_cast<Real>(M_SQRT2 * M_2_SQRTPI / 2); // sqrt(2 / pi)
    return x / 2 * (1 + std::tanh(scale * (x + static_cast<Real>(0.044715) * x * x * x)));
  }
  case ActivationKind::Silu:
    return x / (1 + std::exp(-x));
  case ActivationKind::Relu:
    return x > 0 ? x : 0;
  }
  return x;
}

template <typename Real> Status evaluate(ActivationOp op, Frame<Real> &frame) {
  Matrix<Real> result = frame.matrix(op.getInput());
  for (Real &value : result.values)
    value = activate(op.getKind(), value);
  frame.define(op.getResult(), std::move(result));
  return success();
}

template <typename Real> Status evaluate(CastOp op, Frame<Real> &frame) {
  frame.define(op.getResult(), frame.matrix(op.getInput()));
  return success();
}

LLMOPT_INTERPRET(ActivationOp);
LLMOPT_INTERPRET(AddOp);
LLMOPT_INTERPRET(CastOp);
LLMOPT_INTERPRET(MulOp);

} // namespace llmopt::interpreter
