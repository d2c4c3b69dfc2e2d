#include "ir/ShapeInference.h"

using namespace mlir;

namespace llmopt {

LogicalResult expectRank(std::optional<Location> location, Value value, const char *role,
                         int64_t rank) {
  if (tensorType(value).getRank() == rank)
    return success();
  return emitOptionalError(location, "expects ", role, " of rank ", rank, ", got ",
                           value.getType());
}

} // namespace llmopt
