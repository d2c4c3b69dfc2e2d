//===- Embedding.cpp - Rows by index ----------------------------------------------------------===//

#include "ir/ShapeInference.h"

using namespace mlir;

namespace llmopt {

LogicalResult EmbedOp::inferReturnTypeComponents(MLIRContext *, std::optional<Location> location,
                                                 Adaptor adaptor,
                                                 SmallVectorImpl<ShapedTypeComponents> &inferred) {
  if (failed(expectRank(location, adaptor.getTable(), "a table", 2)))
    return failure();
  inferred.emplace_back(ArrayRef<int64_t>{tensorType(adaptor.getIndices()).getDimSize(0),
                                          tensorType(adaptor.getTable()).getDimSize(1)});
  return success();
}

LogicalResult EmbedOp::verify() { return verifyInferredShape(*this); }

LogicalResult
GatherRowsOp::inferReturnTypeComponents(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                        SmallVectorImpl<ShapedTypeComponents> &inferred) {
  inferred.emplace_back(ArrayRef<int64_t>{tensorType(adaptor.getRows()).getDimSize(0),
                                          tensorType(adaptor.getInput()).getDimSize(1)});
  return success();
}

LogicalResult GatherRowsOp::verify() { return verifyInferredShape(*this); }

} // namespace llmopt
