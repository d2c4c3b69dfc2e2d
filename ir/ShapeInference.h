//===- ShapeInference.h - Helpers of the ops' shape inference and verifiers -------------------===//

#ifndef LLMOPT_IR_SHAPEINFERENCE_H
#define LLMOPT_IR_SHAPEINFERENCE_H

#include "ir/Dialect.h"

namespace llmopt {

inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}

/// The columns of a value of rank 2, whose rows are tokens or sequences.
inline int64_t columnsOf(mlir::Value value) { return tensorType(value).getDimSize(1); }

/// Fails with "expects <role> of rank <rank>, got <type>".
mlir::LogicalResult expectRank(std::optional<mlir::Location> location, mlir::Value value,
                               const char *role, int64_t rank);

/// Whether two sizes may be the same; a dynamic size may be any.
inline bool sizesAgree(int64_t a, int64_t b) {
  return mlir::ShapedType::isDynamic(a) || mlir::ShapedType::isDynamic(b) || a == b;
}

/// Sizes as messages show them, as types do: "?" for a dynamic one; "?, 8" of a shape.
std::string sizeText(int64_t size);
std::string shapeText(llvm::ArrayRef<int64_t> shape);

/// Compares an op's declared result shape with the one that its own inference gives, so that the
/// verifier and the inference cannot disagree.
template <typename OpT> mlir::LogicalResult verifyInferredShape(OpT op) {
  llvm::SmallVector<mlir::ShapedTypeComponents, 1> inferred;
  if (mlir::failed(OpT::inferReturnTypeComponents(op.getContext(), op.getLoc(),
                                                  typename OpT::Adaptor(op), inferred)))
    return mlir::failure();
  auto declared = tensorType(op.getResult());
  llvm::ArrayRef<int64_t> shape = inferred.front().getDims();
  bool agree = static_cast<int64_t>(shape.size()) == declared.getRank();
  for (size_t i = 0; agree && i < shape.size(); ++i)
    agree = sizesAgree(shape[i], declared.getDimSize(i));
  if (!agree)
    return op.emitOpError() << "result is " << declared << " but its operands give shape ["
                            << shapeText(shape) << "]";
  return mlir::success();
}

} // namespace llmopt

#endif // LLMOPT_IR_SHAPEINFERENCE_H
