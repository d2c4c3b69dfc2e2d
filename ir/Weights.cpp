//===- Weights.cpp - Weights and the recipes that make them -----------------------------------===//

#include "ir/ShapeInference.h"

using namespace mlir;

namespace llmopt {

Value WeightOp::getResult() { return getRecipe().front().getTerminator()->getOperand(0); }

LogicalResult WeightOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  if (type.getRank() < 1 || type.getRank() > 2 || !type.hasStaticShape())
    return emitOpError() << "must be a vector or matrix of known size, got " << type;
  if (isa_and_present<PackedAttr>(type.getEncoding()) && type.getRank() != 2)
    return emitOpError() << "packs a matrix only, got " << type;
  if (isa<QuantizedType>(type.getElementType()) && type.getRank() != 2)
    return emitOpError() << "quantizes a matrix only, got " << type;
  return success();
}

LogicalResult WeightOp::verifyRegions() {
  Block &block = getRecipe().front();
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield || yield.getNumOperands() != 1 || yield.getOperand(0).getType() != getType())
    return emitOpError() << "recipe must yield one value of " << getType();
  return success();
}

LogicalResult GetWeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getNameAttr());
  if (!weight)
    return emitOpError() << "no weight @" << getName();
  if (weight.getType() != getResult().getType())
    return emitOpError() << "weight @" << getName() << " is " << weight.getType() << ", not "
                         << getResult().getType();
  return success();
}

/// The type of `input` with other rows.
static RankedTensorType withRows(RankedTensorType input, int64_t rows) {
  SmallVector<int64_t, 2> shape(input.getShape());
  shape[0] = rows;
  return RankedTensorType::get(shape, input.getElementType());
}

LogicalResult RowsOp::verify() {
  auto input = tensorType(getInput());
  int64_t offset = getOffset(), block = getBlock(), stride = getStride(), count = getCount();
  int64_t rows = input.getDimSize(0);
  if (offset < 0 || block <= 0 || count <= 0 || (count > 1 && stride < block))
    return emitOpError() << "takes positive, separate blocks";
  // The blocks after the first are compared by division, since their product could overflow.
  if (offset > rows || block > rows - offset ||
      (count > 1 && count - 1 > (rows - offset - block) / stride))
    return emitOpError() << "takes rows past the " << sizeText(rows) << " of its input";
  if (getResult().getType() != withRows(input, block * count))
    return emitOpError() << "takes " << block * count << " rows of " << input << ", got "
                         << getResult().getType();
  return success();
}

OpFoldResult RowsOp::fold(FoldAdaptor) {
  return getInput().getType() == getResult().getType() ? getInput() : Value();
}

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return emitOpError() << "needs an input";
  auto result = tensorType(getResult());
  int64_t rows = 0;
  for (Value input : getInputs()) {
    auto type = tensorType(input);
    if (withRows(type, 1) != withRows(result, 1) || type.getEncoding() || result.getEncoding())
      return emitOpError() << "cannot put " << type << " into " << result;
    bool known = !type.isDynamicDim(0) && !ShapedType::isDynamic(rows);
    rows = known ? rows + type.getDimSize(0) : ShapedType::kDynamic;
  }
  if (rows != result.getDimSize(0))
    return emitOpError() << "inputs have " << sizeText(rows) << " rows together, the result "
                         << sizeText(result.getDimSize(0));
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getInputs().size() == 1 ? getInputs().front() : Value();
}

LogicalResult TransposeOp::verify() {
  auto input = tensorType(getInput());
  auto result = tensorType(getResult());
  if (input.getRank() != 2 || input.getEncoding() ||
      result !=
          RankedTensorType::get({input.getDimSize(1), input.getDimSize(0)}, input.getElementType()))
    return emitOpError() << "of " << input << " is not " << result;
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (auto inner = getInput().getDefiningOp<TransposeOp>())
    return inner.getInput();
  return {};
}

LogicalResult QuantizeOp::verify() {
  auto input = tensorType(getInput());
  auto result = tensorType(getResult());
  if (input.getEncoding() || result.getEncoding() || input.getRank() != 2 ||
      result.getShape() != input.getShape() || !isa<QuantizedType>(result.getElementType()))
    return emitOpError() << "makes a matrix of codes of the same shape, got " << input << " to "
                         << result;
  return success();
}

LogicalResult PackOp::verify() {
  auto input = tensorType(getInput());
  auto result = tensorType(getResult());
  if (input.getEncoding() || !isa_and_present<PackedAttr>(result.getEncoding()) ||
      input.getRank() != 2 || result.getShape() != input.getShape() ||
      result.getElementType() != input.getElementType())
    return emitOpError() << "changes only the layout of a matrix, got " << input << " to "
                         << result;
  return success();
}

} // namespace llmopt
