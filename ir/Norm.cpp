//===- Norm.cpp - Normalization of rows -------------------------------------------------------===//

#include "ir/ShapeInference.h"

using namespace mlir;

namespace llmopt {

LogicalResult NormOp::inferReturnTypeComponents(MLIRContext *, std::optional<Location> location,
                                                Adaptor adaptor,
                                                SmallVectorImpl<ShapedTypeComponents> &inferred) {
  auto input = tensorType(adaptor.getInput());
  for (Value vector : {adaptor.getWeight(), adaptor.getBias()}) {
    if (!vector)
      continue;
    auto type = tensorType(vector);
    if (type.getRank() != 1 || !sizesAgree(type.getDimSize(0), input.getDimSize(1)))
      return emitOptionalError(location, "normalizes ", input.getDimSize(1), " columns with ",
                               type);
  }
  inferred.emplace_back(input.getShape());
  return success();
}

LogicalResult NormOp::verify() {
  if (getKind() == NormKind::Rms && getBias())
    return emitOpError() << "of kind rms takes no bias";
  double epsilon = getEpsilon().convertToDouble();
  if (!(epsilon > 0))
    return emitOpError() << "epsilon must be positive, got " << epsilon;
  return verifyInferredShape(*this);
}

} // namespace llmopt
