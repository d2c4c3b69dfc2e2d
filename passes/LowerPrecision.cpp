//===- LowerPrecision.cpp - Store or compute in 16 bits ---------------------------------------===//

#include "ir/ShapeInference.h"
#include "passes/Passes.h"
#include "passes/Phase.h"
#include "passes/VerifySemantics.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace llmopt {

#define GEN_PASS_DEF_LOWERPRECISION
#include "passes/Passes.h.inc"

namespace {
class LowerPrecisionPass : public impl::LowerPrecisionBase<LowerPrecisionPass>,
                           public PassTolerance {
  using LowerPrecisionBase::LowerPrecisionBase;

  /// Rounding to 8 or 11 bits of mantissa, in every layer.
  double getTolerance() const override {
    return precision == "32-true" ? defaultPassTolerance : 5e-2;
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto found = requirePhase(module, graphPhase);
    if (failed(found))
      return signalPassFailure();
    step = *found;
    StringRef kind = precision;
    bool mixed = kind.consume_back("-mixed");
    if ((!mixed && !kind.consume_back("-true")) ||
        !llvm::is_contained(ArrayRef<StringRef>{"32", "16", "bf16"}, kind) ||
        (mixed && kind == "32")) {
      module.emitError() << "unknown precision '" << precision
                         << "'; known: 32-true, 16-true, bf16-true, 16-mixed, bf16-mixed";
      return signalPassFailure();
    }
    if (failed(expectFloat32()))
      return signalPassFailure();
    module->setAttr(LLMDialect::precisionAttrName, StringAttr::get(&getContext(), precision));
    if (kind == "32")
      return;
    Builder builder(module.getContext());
    type = kind == "16" ? Type(builder.getF16Type()) : Type(builder.getBF16Type());
    if (mixed) {
      computeLinearsInType();
    } else {
      storeWeightsInType();
      storeActivationsInType();
    }
  }

  func::FuncOp step;
  Type type;

  /// Codes and scales stay as they are; products with them are of the type of the input.
  static bool isQuantized(Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && isa<QuantizedType>(tensor.getElementType());
  }

  static RankedTensorType withElementType(Type tensor, Type element) {
    auto ranked = cast<RankedTensorType>(tensor);
    return RankedTensorType::get(ranked.getShape(), element, ranked.getEncoding());
  }

  LogicalResult expectFloat32() {
    for (auto weight : getOperation().getOps<WeightOp>())
      if (!isQuantized(weight.getType()) &&
          !cast<RankedTensorType>(weight.getType()).getElementType().isF32())
        return weight.emitError() << "weight @" << weight.getSymName() << " is " << weight.getType()
                                  << "; precision is lowered once, from f32";
    for (Operation &op : step.getBody().front())
      for (Type result : op.getResultTypes())
        if (auto tensor = dyn_cast<RankedTensorType>(result);
            tensor && !isQuantized(tensor) && !tensor.getElementType().isF32())
          return op.emitError() << "makes " << tensor << "; precision is lowered once, from f32";
    return success();
  }

  /// 16-mixed, bf16-mixed: casts around each product, sums in float32.
  void computeLinearsInType() {
    llvm::DenseMap<Value, Value> casts;
    for (Operation &op : llvm::make_early_inc_range(step.getBody().front())) {
      auto linear = dyn_cast<LinearOp>(&op);
      if (!linear)
        continue;
      OpBuilder builder(linear);
      auto narrow = [&](Value value) {
        Value &narrowed = casts[value];
        if (!narrowed)
          narrowed = builder.create<CastOp>(linear.getLoc(), withElementType(value.getType(), type),
                                            value);
        return narrowed;
      };
      linear.getInputMutable().assign(narrow(linear.getInput()));
      if (!isQuantized(linear.getWeight().getType()))
        linear.getWeightMutable().assign(narrow(linear.getWeight()));
    }
  }

  void storeWeightsInType() {
    for (auto weight : getOperation().getOps<WeightOp>()) {
      if (isQuantized(weight.getType()))
        continue;
      auto narrow = withElementType(weight.getType(), type);
      Operation *yield = weight.getRecipe().front().getTerminator();
      OpBuilder builder(yield);
      Value result = yield->getOperand(0);
      // Loaded in the wanted type already: no need to widen and round.
      if (auto widening = result.getDefiningOp<CastOp>();
          widening && widening.getInput().getType() == narrow)
        result = widening.getInput();
      else
        result = builder.create<CastOp>(weight.getLoc(), narrow, result);
      Operation *old = yield->getOperand(0).getDefiningOp();
      yield->setOperand(0, result);
      if (old && old->use_empty())
        old->erase();
      weight.setType(narrow);
    }
  }

  /// 16-true, bf16-true: every tensor but rotary tables and the logits.
  void storeActivationsInType() {
    Block &body = step.getBody().front();
    Value logits = body.getTerminator()->getOperand(0);
    auto oldCache = cast<CacheType>(body.getArgument(4).getType());
    auto cache = CacheType::get(&getContext(), oldCache.getLayers(), oldCache.getHeads(),
                                oldCache.getHeadDim(), oldCache.getPage(), type);
    body.getArgument(4).setType(cache);
    for (Operation &op : body)
      for (Value result : op.getResults()) {
        if (isa<CacheType>(result.getType()))
          result.setType(cache);
        else if (isa<RankedTensorType>(result.getType()) && result != logits &&
                 !isa<RopeTableOp>(op) && !isQuantized(result.getType()))
          result.setType(withElementType(result.getType(), type));
      }
    Builder builder(&getContext());
    step.setType(
        builder.getFunctionType(body.getArgumentTypes(), body.getTerminator()->getOperandTypes()));
  }
};
} // namespace

} // namespace llmopt
