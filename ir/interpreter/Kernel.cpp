//===- Kernel.cpp - Groups of ops that become one kernel --------------------------------------===//

#include "ir/interpreter/Evaluator.h"

namespace llmopt::interpreter {

template <typename Real> Status evaluate(KernelOp op, Frame<Real> &frame) {
  for (auto [argument, operand] : llvm::zip_equal(op.getBlock()->getArguments(), op.getOperands_()))
    frame.bind(argument, frame.slot(operand));
  LLMOPT_ASSIGN(auto yielded, evaluateBlock(*op.getBlock(), frame));
  for (auto [result, slot] : llvm::zip_equal(op.getResults_(), yielded))
    frame.bind(result, slot);
  return success();
}

LLMOPT_INTERPRET(KernelOp);

} // namespace llmopt::interpreter
