//===- Weights.cpp - Weights as values of the step --------------------------------------------===//

#include "ir/interpreter/Evaluator.h"

namespace llmopt::interpreter {

template <typename Real> Status evaluate(GetWeightOp op, Frame<Real> &frame) {
  LLMOPT_ASSIGN(auto matrix, frame.weights.get(op.getName()));
  frame.bind(op.getResult(), {std::move(matrix), nullptr});
  return success();
}

LLMOPT_INTERPRET(GetWeightOp);

} // namespace llmopt::interpreter
