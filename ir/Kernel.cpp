//===- Kernel.cpp - Groups of ops that become one kernel --------------------------------------===//

#include "ir/Dialect.h"

using namespace mlir;

namespace llmopt {

OperandRange KernelOp::getYielded() { return getBlock()->getTerminator()->getOperands(); }

LogicalResult KernelOp::verify() {
  if (getBody().front().getArgumentTypes() != getOperands_().getTypes())
    return emitOpError() << "region arguments differ from the operands in type";
  return success();
}

LogicalResult KernelOp::verifyRegions() {
  auto yield = dyn_cast<YieldOp>(getBody().front().getTerminator());
  if (!yield || yield.getOperandTypes() != getResults_().getTypes())
    return emitOpError() << "region does not yield the results' types";
  return success();
}

} // namespace llmopt
