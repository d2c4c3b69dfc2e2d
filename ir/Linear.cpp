//===- Linear.cpp - Matrix products with weights ----------------------------------------------===//

#include "ir/ShapeInference.h"

using namespace mlir;

namespace llmopt {

LogicalResult LinearOp::inferReturnTypeComponents(MLIRContext *, std::optional<Location> location,
                                                  Adaptor adaptor,
                                                  SmallVectorImpl<ShapedTypeComponents> &inferred) {
  if (failed(expectRank(location, adaptor.getWeight(), "a weight", 2)))
    return failure();
  auto input = tensorType(adaptor.getInput());
  auto weight = tensorType(adaptor.getWeight());
  if (!sizesAgree(input.getDimSize(1), weight.getDimSize(1)))
    return emitOptionalError(location, "input has ", input.getDimSize(1),
                             " columns, the weight takes ", weight.getDimSize(1));
  if (adaptor.getBias()) {
    auto bias = tensorType(adaptor.getBias());
    if (bias.getRank() != 1 || !sizesAgree(bias.getDimSize(0), weight.getDimSize(0)))
      return emitOptionalError(location, "bias is ", bias, " for ", sizeText(weight.getDimSize(0)),
                               " outputs");
  }
  inferred.emplace_back(ArrayRef<int64_t>{input.getDimSize(0), weight.getDimSize(0)});
  return success();
}

LogicalResult LinearOp::verify() {
  Type input = tensorType(getInput()).getElementType();
  Type weight = tensorType(getWeight()).getElementType();
  if (input != weight && !isa<QuantizedType>(weight))
    return emitOpError() << "multiplies " << input << " by " << weight
                         << "; cast one of them first";
  return verifyInferredShape(*this);
}

} // namespace llmopt
