#include "passes/Phase.h"

#include "ir/Dialect.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace llmopt {

/// Whether a function has the arguments and results of a step; see Dialect.td.
static bool isStep(func::FuncOp function) {
  if (function.isExternal() || !function.getBody().hasOneBlock() ||
      function.getNumArguments() != 5 || function.getNumResults() != 2)
    return false;
  auto isIndices = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && tensor.getRank() == 1 && tensor.getElementType().isInteger(32);
  };
  auto logits = dyn_cast<RankedTensorType>(function.getResultTypes()[0]);
  ArrayRef<Type> arguments = function.getArgumentTypes();
  return llvm::all_of(arguments.take_front(3), isIndices) && isa<BatchType>(arguments[3]) &&
         isa<CacheType>(arguments[4]) && logits && logits.getRank() == 2 &&
         function.getResultTypes()[1] == arguments[4];
}

FailureOr<func::FuncOp> requirePhase(ModuleOp module, StringRef phase) {
  auto actual = module->getAttrOfType<StringAttr>(LLMDialect::phaseAttrName);
  if (!actual || actual.getValue() != phase) {
    module.emitError() << "the module must be in phase '" << phase << "', it is in '"
                       << (actual ? actual.getValue() : "none") << "'";
    return failure();
  }
  auto step = module.lookupSymbol<func::FuncOp>(LLMDialect::stepFunctionName);
  if (!step || !isStep(step)) {
    module.emitError() << "the module has no function @" << LLMDialect::stepFunctionName
                       << " of (tokens, positions, rows, batch, cache) -> (logits, cache)";
    return failure();
  }
  return step;
}

void setPhase(ModuleOp module, StringRef phase) {
  module->setAttr(LLMDialect::phaseAttrName, StringAttr::get(module.getContext(), phase));
}

int64_t configInteger(ModuleOp module, StringRef key, int64_t otherwise) {
  auto config = module->getAttrOfType<DictionaryAttr>(LLMDialect::configAttrName);
  auto value = config ? config.getAs<IntegerAttr>(key) : IntegerAttr();
  return value ? value.getInt() : otherwise;
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
