//===- Attention.cpp - Rotary positions, the cache and attention ------------------------------===//

#include "ir/ShapeInference.h"

using namespace mlir;

namespace llmopt {

LogicalResult
RopeTableOp::inferReturnTypeComponents(MLIRContext *, std::optional<Location> location,
                                       Adaptor adaptor,
                                       SmallVectorImpl<ShapedTypeComponents> &inferred) {
  if (adaptor.getFrequencies().empty())
    return emitOptionalError(location, "expects at least one frequency");
  inferred.emplace_back(
      ArrayRef<int64_t>{tensorType(adaptor.getPositions()).getDimSize(0),
                        static_cast<int64_t>(2 * adaptor.getFrequencies().size())});
  return success();
}

LogicalResult RopeTableOp::verify() {
  if (!tensorType(getResult()).getElementType().isF32())
    return emitOpError() << "makes a table of f32, got " << getResult().getType();
  return verifyInferredShape(*this);
}

LogicalResult RopeOp::inferReturnTypeComponents(MLIRContext *, std::optional<Location> location,
                                                Adaptor adaptor,
                                                SmallVectorImpl<ShapedTypeComponents> &inferred) {
  int64_t width = tensorType(adaptor.getInput()).getDimSize(1);
  int64_t rotary = tensorType(adaptor.getTable()).getDimSize(1);
  int64_t headDim = static_cast<int64_t>(adaptor.getHeadDim());
  if (headDim <= 0 || width % headDim != 0)
    return emitOptionalError(location, width, " columns are not heads of ", headDim);
  if (rotary > headDim || rotary % 2 != 0)
    return emitOptionalError(location, "a table of ", rotary, " columns does not fit heads of ",
                             headDim);
  inferred.emplace_back(tensorType(adaptor.getInput()).getShape());
  return success();
}

LogicalResult RopeOp::verify() { return verifyInferredShape(*this); }

static LogicalResult verifyLayer(Operation *op, CacheType cache, int64_t layer) {
  if (layer < 0 || layer >= cache.getLayers())
    return op->emitOpError() << "layer " << layer << " of a cache of " << cache.getLayers()
                             << " layers";
  return success();
}

LogicalResult CacheAppendOp::verify() {
  CacheType cache = getCache().getType();
  for (Value part : {getKeys(), getValues()}) {
    auto type = tensorType(part);
    if (type.getDimSize(1) != cache.getWidth())
      return emitOpError() << "appends " << type << " to a cache of " << cache.getHeads()
                           << " heads of " << cache.getHeadDim();
  }
  return verifyLayer(*this, cache, getLayer());
}

LogicalResult
AttentionOp::inferReturnTypeComponents(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                       SmallVectorImpl<ShapedTypeComponents> &inferred) {
  inferred.emplace_back(tensorType(adaptor.getQuery()).getShape());
  return success();
}

LogicalResult AttentionOp::verify() {
  CacheType cache = getCache().getType();
  int64_t width = tensorType(getQuery()).getDimSize(1);
  if (width % cache.getWidth() != 0)
    return emitOpError() << "query of " << width << " columns does not group over "
                         << cache.getHeads() << " heads of " << cache.getHeadDim();
  if (getSlopes() && static_cast<int64_t>(getSlopes()->size()) != getHeads())
    return emitOpError() << "has " << getSlopes()->size() << " slopes for " << getHeads()
                         << " heads";
  if (getWindow() && static_cast<int64_t>(*getWindow()) <= 0)
    return emitOpError() << "window must be positive";
  if (getSoftcap() && !(getSoftcap()->convertToDouble() > 0))
    return emitOpError() << "softcap must be positive";
  if (failed(verifyLayer(*this, cache, getLayer())))
    return failure();
  return verifyInferredShape(*this);
}

} // namespace llmopt
