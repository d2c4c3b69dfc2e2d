//===- Pointwise.cpp - Ops that treat every element alike -------------------------------------===//

#include "ir/ShapeInference.h"

using namespace mlir;

namespace llmopt {

static LogicalResult inferBinary(std::optional<Location> location, Value lhs, Value rhs,
                                 SmallVectorImpl<ShapedTypeComponents> &inferred) {
  auto left = tensorType(lhs), right = tensorType(rhs);
  bool agree = left.getRank() == right.getRank();
  for (int64_t i = 0; agree && i < left.getRank(); ++i)
    agree = sizesAgree(left.getDimSize(i), right.getDimSize(i));
  if (!agree)
    return emitOptionalError(location, "operands of different shapes: ", left, " and ", right);
  inferred.emplace_back(left.getShape());
  return success();
}

LogicalResult AddOp::inferReturnTypeComponents(MLIRContext *, std::optional<Location> location,
                                               Adaptor adaptor,
                                               SmallVectorImpl<ShapedTypeComponents> &inferred) {
  return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), inferred);
}

LogicalResult AddOp::verify() { return verifyInferredShape(*this); }

LogicalResult MulOp::inferReturnTypeComponents(MLIRContext *, std::optional<Location> location,
                                               Adaptor adaptor,
                                               SmallVectorImpl<ShapedTypeComponents> &inferred) {
  return inferBinary(location, adaptor.getLhs(), adaptor.getRhs(), inferred);
}

LogicalResult MulOp::verify() { return verifyInferredShape(*this); }

LogicalResult
ActivationOp::inferReturnTypeComponents(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                        SmallVectorImpl<ShapedTypeComponents> &inferred) {
  inferred.emplace_back(tensorType(adaptor.getInput()).getShape());
  return success();
}

LogicalResult ActivationOp::verify() { return verifyInferredShape(*this); }

LogicalResult CastOp::inferReturnTypeComponents(MLIRContext *, std::optional<Location>,
                                                Adaptor adaptor,
                                                SmallVectorImpl<ShapedTypeComponents> &inferred) {
  inferred.emplace_back(tensorType(adaptor.getInput()).getShape());
  return success();
}

LogicalResult CastOp::verify() {
  if (tensorType(getInput()).getEncoding() != tensorType(getResult()).getEncoding())
    return emitOpError() << "changes the element type only, not the layout: "
                         << getInput().getType() << " to " << getResult().getType();
  return verifyInferredShape(*this);
}

/// Whether every value of `from` is a value of `to`.
static bool widens(Type from, Type to) { return from == to || to.isF32(); }

OpFoldResult CastOp::fold(FoldAdaptor) {
  if (getInput().getType() == getResult().getType())
    return getInput();
  // Widening first changes no value, so cast(cast(x)) is one cast, or none.
  if (auto inner = getInput().getDefiningOp<CastOp>()) {
    Type from = tensorType(inner.getInput()).getElementType();
    if (widens(from, tensorType(inner.getResult()).getElementType())) {
      getInputMutable().assign(inner.getInput());
      return getResult();
    }
  }
  return {};
}

} // namespace llmopt
