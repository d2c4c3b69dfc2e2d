#include "frontends/WeightRecipes.h"

#include "support/RandomWeights.h"

#include "llvm/ADT/STLExtras.h"

#include <fmt/ranges.h>

using namespace mlir;

namespace llmopt {

llvm::SmallVector<int64_t, 2> WeightSpec::resultShape() const {
  llvm::SmallVector<int64_t, 2> result = shape;
  if (transposed && result.size() == 2)
    std::swap(result[0], result[1]);
  if (rows)
    result[0] = rows->rows();
  return result;
}

RankedTensorType WeightRecipes::add(OpBuilder &builder, const WeightSpec &spec) {
  auto type = RankedTensorType::get(spec.resultShape(), builder.getF32Type());
  auto [known, isNew] = made.try_emplace(spec.symbol, type);
  if (!isNew) {
    if (known->second != type && !firstError)
      firstError = makeError("weight '{}' is used with two shapes", spec.symbol);
    return known->second;
  }
  elements += type.getNumElements();

  Location location = NameLoc::get(builder.getStringAttr(spec.symbol));
  auto weight = builder.create<WeightOp>(location, spec.symbol, type);
  OpBuilder::InsertionGuard guard(builder);
  builder.createBlock(&weight.getRecipe());
  Value value = checkpoint ? load(builder, location, spec) : Value();
  if (!value)
    value = initial(builder, location, spec, type);
  builder.create<YieldOp>(location, value);
  return type;
}

std::optional<std::string> WeightRecipes::stored(const std::string &tensor) const {
  if (checkpoint->has(tensor))
    return tensor;
  if (tensor.compare(0, basePrefix.size(), basePrefix) == 0 &&
      checkpoint->has(tensor.substr(basePrefix.size())))
    return tensor.substr(basePrefix.size());
  return std::nullopt;
}

bool WeightRecipes::has(const std::string &tensor) const {
  return checkpoint && stored(tensor).has_value();
}

static Type elementType(OpBuilder &builder, TensorSource::Type type) {
  switch (type) {
  case TensorSource::Type::F32:
    return builder.getF32Type();
  case TensorSource::Type::F16:
    return builder.getF16Type();
  case TensorSource::Type::BF16:
    return builder.getBF16Type();
  }
  llvm_unreachable("no such type");
}

/// The recipe from the stored tensor to float32, or null after an error.
Value WeightRecipes::load(OpBuilder &builder, Location location, const WeightSpec &spec) {
  std::string name = stored(spec.tensor).value_or(spec.tensor);
  Result<TensorSource::Tensor> tensor = checkpoint->find(name);
  if (tensor && !llvm::equal(tensor->shape, spec.shape))
    tensor = makeError("{}: tensor '{}' has shape [{}], but the config gives [{}]", tensor->file,
                       name, fmt::join(tensor->shape, ", "), fmt::join(spec.shape, ", "));
  if (!tensor) {
    if (!firstError)
      firstError = tensor.error();
    return {};
  }
  used.insert(name);

  Type element = elementType(builder, tensor->type);
  Value value =
      builder.create<LoadOp>(location, RankedTensorType::get(tensor->shape, element), name);
  if (spec.transposed && spec.shape.size() == 2)
    value = builder.create<TransposeOp>(
        location, RankedTensorType::get({spec.shape[1], spec.shape[0]}, element), value);
  auto type = RankedTensorType::get(spec.resultShape(), element);
  if (spec.rows && value.getType() != type)
    value = builder.create<RowsOp>(location, type, value, spec.rows->offset, spec.rows->block,
                                   spec.rows->stride, spec.rows->count);
  if (!element.isF32())
    value = builder.create<CastOp>(location, type.clone(builder.getF32Type()), value);
  return value;
}

/// A weight of a checkpoint that does not exist. Each has a seed of its own.
Value WeightRecipes::initial(OpBuilder &builder, Location location, const WeightSpec &spec,
                             RankedTensorType type) {
  if (spec.initial != WeightSpec::Initial::Random) {
    double value = spec.initial == WeightSpec::Initial::Ones ? 1 : 0;
    return builder.create<FillOp>(location, type, builder.getF64FloatAttr(value));
  }
  uint32_t ownSeed = randomHash(seed ^ randomHash(static_cast<uint32_t>(made.size())));
  return builder.create<RandomOp>(location, type, builder.getI64IntegerAttr(ownSeed),
                                  builder.getF64FloatAttr(0), builder.getF64FloatAttr(deviation));
}

/// Masks and frequencies that old versions of transformers saved beside the weights.
static bool isBuffer(llvm::StringRef tensor) {
  return tensor.ends_with(".attn.bias") || tensor.ends_with(".masked_bias") ||
         tensor.ends_with(".attention.bias") || tensor.ends_with(".inv_freq");
}

Status WeightRecipes::finish() const {
  if (firstError)
    return *firstError;
  if (!checkpoint)
    return success();
  for (const std::string &name : checkpoint->names())
    // A tied head may be stored as well.
    if (!used.count(name) && !isBuffer(name) && name != "lm_head.weight" &&
        name != "embed_out.weight")
      return makeError("{} holds tensor '{}', which a model of its config.json does not have",
                       checkpoint->directory(), name);
  return success();
}

} // namespace llmopt
