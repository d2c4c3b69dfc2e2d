#include "codegen/OperandRole.h"

#include "ir/Dialect.h"

using namespace mlir;

namespace llmopt {

std::string roleOf(Value operand) {
  if (isa<CacheType>(operand.getType()))
    return "cache";
  for (OpOperand &use : operand.getUses()) {
    Operation *user = use.getOwner();
    unsigned index = use.getOperandNumber();
    if (isa<LinearOp>(user))
      return index == 0 ? "input" : index == 1 ? "weight" : "bias";
    if (isa<NormOp>(user))
      return index == 0 ? "input" : index == 1 ? "normWeight" : "normBias";
    if (isa<EmbedOp>(user))
      return "table";
    if (isa<RopeOp>(user))
      return index == 0 ? "input" : "ropeTable";
    if (isa<AttentionOp>(user))
      return "query";
    if (isa<AddOp>(user))
      return "addend";
    if (isa<MulOp>(user))
      return "factor";
    if (isa<CastOp>(user) && isa<BlockArgument>(operand))
      return roleOf(user->getResult(0));
  }
  return "input";
}

} // namespace llmopt
