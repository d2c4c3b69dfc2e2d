//===- FuseProjections.cpp - Merge linears of one input into one linear -----------------------===//
//
// For each value that several linears read, in program order: concatenate their weights' recipes
// (and biases'), multiply once where the first of them stood, and slice the result.
//
//===------------------------------------------------------------------------------------------===//

#include "ir/ShapeInference.h"
#include "passes/Passes.h"
#include "passes/Phase.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace llmopt {

#define GEN_PASS_DEF_FUSEPROJECTIONS
#include "passes/Passes.h.inc"

/// The name of a fused weight: what the names share around what they differ in, for example
/// "layers.0.attn.q_proj+k_proj+v_proj.weight".
static std::string fusedName(ArrayRef<StringRef> names) {
  StringRef first = names.front();
  size_t prefix = first.size(), suffix = first.size();
  for (StringRef name : names.drop_front()) {
    size_t same = 0;
    while (same < std::min(prefix, name.size()) && first[same] == name[same])
      ++same;
    prefix = same;
    same = 0;
    while (same < std::min(suffix, name.size()) &&
           first[first.size() - 1 - same] == name[name.size() - 1 - same])
      ++same;
    suffix = same;
  }
  // Cut at dots, so that whole words differ.
  prefix = first.take_front(prefix).rfind('.') + 1;
  size_t dot = first.take_back(suffix).find('.');
  suffix = dot == StringRef::npos ? 0 : suffix - dot;
  std::string result = first.take_front(prefix).str();
  for (auto [index, name] : llvm::enumerate(names)) {
    if (prefix + suffix > name.size())
      return llvm::join(names, "+");
    result += (index ? "+" : "") + name.drop_front(prefix).drop_back(suffix).str();
  }
  return result + first.take_back(suffix).str();
}

namespace {
class FuseProjectionsPass : public impl::FuseProjectionsBase<FuseProjectionsPass> {
  using FuseProjectionsBase::FuseProjectionsBase;

  void runOnOperation() override {
    auto step = requirePhase(getOperation(), graphPhase);
    if (failed(step))
      return signalPassFailure();
    SymbolTable symbolTable(getOperation());
    symbols = &symbolTable;
    SmallVector<Value> inputs;
    for (Operation &op : step->getBody().front())
      if (auto linear = dyn_cast<LinearOp>(&op))
        if (!llvm::is_contained(inputs, linear.getInput()))
          inputs.push_back(linear.getInput());
    for (Value input : inputs)
      fuse(collect(input));
    eraseUnusedWeights(getOperation());
  }

  SymbolTable *symbols = nullptr;

  /// The weight symbol behind an operand, if nothing else uses it.
  WeightOp ownWeight(Value value) {
    auto use = value.getDefiningOp<GetWeightOp>();
    if (!use || !use->hasOneUse())
      return {};
    auto users = SymbolTable::getSymbolUses(use.getNameAttr().getAttr(), getOperation());
    if (!users || std::distance(users->begin(), users->end()) != 1)
      return {};
    return symbols->lookup<WeightOp>(use.getName());
  }

  /// The linears of an input that can become one, in program order.
  SmallVector<LinearOp> collect(Value input) {
    SmallVector<LinearOp> linears;
    for (Operation *user : input.getUsers()) {
      auto linear = dyn_cast<LinearOp>(user);
      if (!linear || linear.getInput() != input || !ownWeight(linear.getWeight()) ||
          (linear.getBias() && !ownWeight(linear.getBias())))
        continue;
      if (!linears.empty() && tensorType(linear.getResult()).getElementType() !=
                                  tensorType(linears.front().getResult()).getElementType())
        continue;
      // One weight is quantized in one way.
      if (!linears.empty() && tensorType(linear.getWeight()).getElementType() !=
                                  tensorType(linears.front().getWeight()).getElementType())
        continue;
      linears.push_back(linear);
    }
    llvm::sort(linears, [](LinearOp a, LinearOp b) { return a->isBeforeInBlock(b); });
    return linears;
  }

  void fuse(SmallVector<LinearOp> linears) {
    if (linears.size() < 2)
      return;
    OpBuilder builder(linears.front());
    SmallVector<Location> locations;
    bool anyBias = false;
    for (LinearOp linear : linears) {
      locations.push_back(linear.getLoc());
      anyBias |= static_cast<bool>(linear.getBias());
    }
    Location location = builder.getFusedLoc(locations);
    Value weight = concatenate(builder, location, linears, /*biases=*/false);
    Value bias = anyBias ? concatenate(builder, location, linears, /*biases=*/true) : Value();
    auto oldType = tensorType(linears.front().getResult());
    auto type = RankedTensorType::get({oldType.getDimSize(0), tensorType(weight).getDimSize(0)},
                                      oldType.getElementType());
    Value fused =
        builder.create<LinearOp>(location, type, linears.front().getInput(), weight, bias);
    int64_t offset = 0;
    for (LinearOp linear : linears) {
      int64_t size = tensorType(linear.getResult()).getDimSize(1);
      linear.replaceAllUsesWith(builder
                                    .create<SliceOp>(linear.getLoc(), linear.getResult().getType(),
                                                     fused, builder.getI64IntegerAttr(offset),
                                                     builder.getI64IntegerAttr(size))
                                    .getResult());
      offset += size;
    }
    for (LinearOp linear : linears)
      linear.erase();
  }

  /// One weight of all rows of the linears' weights or biases, and its value in the step.
  Value concatenate(OpBuilder &builder, Location location, SmallVector<LinearOp> linears,
                    bool biases) {
    SmallVector<StringRef> names;
    int64_t rows = 0;
    RankedTensorType part;
    for (LinearOp linear : linears) {
      Value value = biases ? linear.getBias() : linear.getWeight();
      rows += tensorType(linear.getWeight()).getDimSize(0);
      if (!value)
        continue;
      part = tensorType(value);
      names.push_back(value.getDefiningOp<GetWeightOp>().getName());
    }
    SmallVector<int64_t> shape(part.getShape());
    shape[0] = rows;
    auto type = RankedTensorType::get(shape, part.getElementType());

    OpBuilder moduleBuilder(symbols->lookup(names.front()));
    auto weight = moduleBuilder.create<WeightOp>(location, fusedName(names), type);
    OpBuilder recipe = OpBuilder::atBlockBegin(&weight.getRecipe().emplaceBlock());
    SmallVector<Value> parts;
    for (LinearOp linear : linears) {
      Value value = biases ? linear.getBias() : linear.getWeight();
      if (!value) {
        auto zeros = RankedTensorType::get({tensorType(linear.getWeight()).getDimSize(0)},
                                           type.getElementType());
        parts.push_back(recipe.create<FillOp>(location, zeros, recipe.getF64FloatAttr(0.0)));
        continue;
      }
      auto old = symbols->lookup<WeightOp>(value.getDefiningOp<GetWeightOp>().getName());
      IRMapping mapping;
      for (Operation &op : old.getRecipe().front().without_terminator())
        recipe.clone(op, mapping);
      parts.push_back(mapping.lookup(old.getResult()));
    }
    Value whole = recipe.create<ConcatOp>(location, type, parts);
    recipe.create<YieldOp>(location, whole);
    symbols->insert(weight);
    return builder.create<GetWeightOp>(location, type, weight.getSymName());
  }
};
} // namespace

} // namespace llmopt
