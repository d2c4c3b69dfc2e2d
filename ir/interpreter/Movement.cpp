//===- Movement.cpp - Ops that only move elements ---------------------------------------------===//

#include "ir/interpreter/Evaluator.h"

#include <algorithm>

namespace llmopt::interpreter {

template <typename Real> Status evaluate(SliceOp op, Frame<Real> &frame) {
  const Matrix<Real> &input = frame.matrix(op.getInput());
  const auto offset = static_cast<int64_t>(op.getOffset());
  const auto size = static_cast<int64_t>(op.getSize());
  Matrix<Real> result(input.rows, size);
  for (int64_t n = 0; n < input.rows; ++n)
    std::copy_n(input.row(n) + offset, size, result.row(n));
  frame.define(op.getResult(), std::move(result));
  return success();
}

LLMOPT_INTERPRET(SliceOp);

} // namespace llmopt::interpreter
