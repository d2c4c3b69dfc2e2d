#include "ir/ShapeInference.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace llmopt {

LogicalResult expectRank(std::optional<Location> location, Value value, const char *role,
                         int64_t rank) {
  if (tensorType(value).getRank() == rank)
    return success();
  return emitOptionalError(location, "expects ", role, " of rank ", rank, ", got ",
                           value.getType());
}

std::string sizeText(int64_t size) {
  return ShapedType::isDynamic(size) ? "?" : std::to_string(size);
}

std::string shapeText(ArrayRef<int64_t> shape) {
  return llvm::join(llvm::map_range(shape, sizeText), ", ");
}

} // namespace llmopt
