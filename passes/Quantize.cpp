//===- Quantize.cpp - Weights of linears as codes and scales ----------------------------------===//

#include "ir/KernelAnatomy.h"
#include "ir/ShapeInference.h"
#include "passes/Passes.h"
#include "passes/Phase.h"
#include "passes/QuantizationRules.h"
#include "passes/VerifySemantics.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace llmopt {

#define GEN_PASS_DEF_QUANTIZE
#include "passes/Passes.h.inc"

namespace {
class QuantizePass : public impl::QuantizeBase<QuantizePass>, public PassTolerance {
  using QuantizeBase::QuantizeBase;

  /// Rounding to 16 values a group, in every layer of a model of random weights.
  double getTolerance() const override { return 0.5; }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto step = requirePhase(module, graphPhase);
    if (failed(step))
      return signalPassFailure();
    auto rules = QuantizationRules::parse(scheme);
    if (!rules) {
      module.emitError() << "quantization: " << rules.error().message();
      return signalPassFailure();
    }
    Block &body = step->getBody().front();
    quantized.clear();
    for (auto linear : body.getOps<LinearOp>())
      if (failed(quantize(linear, rowsOf(linear.getResult()) == Rows::Logit, *rules)))
        return signalPassFailure();
    if (const QuantizationRules::Rule *rule = rules->unused()) {
      module.emitError() << "quantization: no linear has a weight '" << rule->pattern << "'";
      return signalPassFailure();
    }
    module->setAttr(LLMDialect::quantizationAttrName, StringAttr::get(&getContext(), scheme));
  }

  llvm::SmallPtrSet<Operation *, 16> quantized;

  /// The head decides between tokens that are often near each other, and is a small part of a large
  /// model: it is quantized only where a rule names it.
  LogicalResult quantize(LinearOp linear, bool isHead, QuantizationRules &rules) {
    auto use = linear.getWeight().getDefiningOp<GetWeightOp>();
    auto weight =
        use ? getOperation().lookupSymbol<WeightOp>(use.getNameAttr().getAttr()) : WeightOp();
    if (!weight)
      return linear.emitOpError() << "multiplies by something that is not a weight";
    auto type = cast<RankedTensorType>(weight.getType());
    if (quantized.contains(weight)) // by another linear that it belongs to
      return mlir::success();
    if (isa<QuantizedType>(type.getElementType()))
      return weight.emitError() << "weight @" << weight.getSymName() << " is quantized already";
    const QuantizationRules::Rule &rule = rules.ruleFor(weight.getSymName());
    const bool named = !rule.pattern.empty();
    if (!rule.format || (isHead && !named))
      return mlir::success();
    if (!isUsedByLinearsOnly(weight)) {
      if (!named)
        return mlir::success();
      return weight.emitError() << "weight @" << weight.getSymName()
                                << " is the embedding's table too, which is not quantized";
    }
    const QuantFormat &format = *rule.format;
    if (format.group && type.getDimSize(1) % format.group != 0)
      return weight.emitError() << "weight @" << weight.getSymName() << " has rows of "
                                << type.getDimSize(1) << " elements, which groups of "
                                << format.group << " do not divide";
    rewrite(weight, type, format);
    quantized.insert(weight);
    return mlir::success();
  }

  bool isUsedByLinearsOnly(WeightOp weight) {
    bool only = true;
    getOperation().walk([&](GetWeightOp use) {
      if (use.getNameAttr().getAttr() == weight.getSymNameAttr())
        for (OpOperand &operand : use->getUses())
          only &= isa<LinearOp>(operand.getOwner());
    });
    return only;
  }

  void rewrite(WeightOp weight, RankedTensorType type, const QuantFormat &format) {
    Builder types(&getContext());
    Type scale = format.scale == ScaleType::F32   ? Type(types.getF32Type())
                 : format.scale == ScaleType::F16 ? Type(types.getF16Type())
                                                  : Type(types.getBF16Type());
    auto codes = RankedTensorType::get(
        type.getShape(), QuantizedType::get(&getContext(), format.code, format.group, scale));
    Operation *yield = weight.getRecipe().front().getTerminator();
    OpBuilder builder(yield);
    yield->setOperand(0, builder.create<QuantizeOp>(weight.getLoc(), codes, yield->getOperand(0)));
    weight.setType(codes);
    getOperation().walk([&](GetWeightOp use) {
      if (use.getNameAttr().getAttr() == weight.getSymNameAttr())
        use.getResult().setType(codes);
    });
  }
};
} // namespace

} // namespace llmopt
