#include "passes/Phase.h"

#include "ir/Dialect.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace llmopt {

FailureOr<func::FuncOp> requirePhase(ModuleOp module, StringRef phase) {
  auto actual = module->getAttrOfType<StringAttr>(LLMDialect::phaseAttrName);
  if (!actual || actual.getValue() != phase) {
    module.emitError() << "the module must be in phase '" << phase << "', it is in '"
                       << (actual ? actual.getValue() : "none") << "'";
    return failure();
  }
  auto step = module.lookupSymbol<func::FuncOp>(LLMDialect::stepFunctionName);
  if (!step || step.isExternal() || !step.getBody().hasOneBlock() || step.getNumArguments() != 5 ||
      step.getNumResults() != 2) {
    module.emitError() << "the module has no function @" << LLMDialect::stepFunctionName
                       << " of five arguments and two results";
    return failure();
  }
  return step;
}

void setPhase(ModuleOp module, StringRef phase) {
  module->setAttr(LLMDialect::phaseAttrName, StringAttr::get(module.getContext(), phase));
}

void eraseUnusedWeights(ModuleOp module) {
  module.walk([](GetWeightOp use) {
    if (use->use_empty())
      use.erase();
  });
  SymbolTable symbols(module);
  llvm::DenseSet<StringAttr> used;
  module.walk([&](GetWeightOp use) { used.insert(use.getNameAttr().getAttr()); });
  for (auto weight : llvm::make_early_inc_range(module.getOps<WeightOp>()))
    if (!used.contains(weight.getSymNameAttr()))
      symbols.erase(weight);
}

} // namespace llmopt
