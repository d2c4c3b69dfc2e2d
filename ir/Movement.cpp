//===- Movement.cpp - Ops that only move elements ---------------------------------------------===//

#include "ir/ShapeInference.h"

using namespace mlir;

namespace llmopt {

LogicalResult SliceOp::inferReturnTypeComponents(MLIRContext *, std::optional<Location> location,
                                                 Adaptor adaptor,
                                                 SmallVectorImpl<ShapedTypeComponents> &inferred) {
  auto input = tensorType(adaptor.getInput());
  int64_t offset = adaptor.getOffset(), size = adaptor.getSize();
  if (offset < 0 || size <= 0 || offset > input.getDimSize(1) - size)
    return emitOptionalError(location, "columns [", offset, ", ", size, "] of ",
                             input.getDimSize(1));
  inferred.emplace_back(ArrayRef<int64_t>{input.getDimSize(0), size});
  return success();
}

LogicalResult SliceOp::verify() { return verifyInferredShape(*this); }

OpFoldResult SliceOp::fold(FoldAdaptor) {
  if (getInput().getType() == getResult().getType())
    return getInput();
  if (auto inner = getInput().getDefiningOp<SliceOp>();
      inner && tensorType(inner.getInput()).getElementType() ==
                   tensorType(inner.getResult()).getElementType()) {
    setOffset(getOffset() + inner.getOffset());
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

} // namespace llmopt
