//===- RandomRows.cpp - Recipes that come down to random values -------------------------------===//

#include "ir/weights/FloatConversion.h"
#include "ir/weights/Recipe.h"

#include "ir/Dialect.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace llmopt {

using ElementType = TensorSource::Type;

namespace {
/// Random rows of a value inside a recipe.
struct Segment : RandomRows {
  /// One value everywhere, so that rounding and moving it need no care.
  bool constant() const { return scale == 0.0f; }
};
using Segments = std::vector<Segment>;
} // namespace

/// Appends rows [begin, begin + count) of `input` to `out`; false if random ones are among them
/// from their middle on.
static bool takeRows(const Segments &input, int64_t begin, int64_t count, Segments &out) {
  for (const Segment &segment : input) {
    const int64_t first = std::max(begin, int64_t(0));
    const int64_t taken = std::min(segment.rows, begin + count) - first;
    if (taken > 0) {
      // A value depends on its distance from the segment's first row.
      if (first != 0 && !segment.constant())
        return false;
      out.push_back(segment);
      out.back().rows = taken;
    }
    begin -= segment.rows;
  }
  return true;
}

/// Rounds constants to `type`; random values only to the weight's own type, and there the runtime
/// does it.
static bool roundSegments(Segments &segments, ElementType type, ElementType weightType) {
  for (Segment &segment : segments) {
    if (segment.constant())
      segment.mean = roundToType(type, segment.mean);
    else if (type != ElementType::F32 && type != weightType)
      return false;
  }
  return true;
}

static std::optional<Segments> segmentsOf(Value value, ElementType weightType) {
  Operation *op = value.getDefiningOp();
  auto type = dyn_cast<RankedTensorType>(value.getType());
  auto elementType = type ? sourceType(type.getElementType()) : std::nullopt;
  if (!op || !elementType)
    return std::nullopt;
  Segments result;
  if (auto random = dyn_cast<RandomOp>(op)) {
    result.push_back(
        {{type.getDimSize(0), static_cast<uint32_t>(random.getSeed()),
          static_cast<float>(random.getMean().convertToDouble()),
          static_cast<float>(std::sqrt(3.0) * random.getDeviation().convertToDouble())}});
  } else if (auto fill = dyn_cast<FillOp>(op)) {
    result.push_back(
        {{type.getDimSize(0), 0, static_cast<float>(fill.getValue().convertToDouble()), 0.0f}});
  } else if (auto concat = dyn_cast<ConcatOp>(op)) {
    for (Value input : concat.getInputs()) {
      auto part = segmentsOf(input, weightType);
      if (!part)
        return std::nullopt;
      result.insert(result.end(), part->begin(), part->end());
    }
  } else if (auto rows = dyn_cast<RowsOp>(op)) {
    auto input = segmentsOf(rows.getInput(), weightType);
    if (!input)
      return std::nullopt;
    for (int64_t i = 0; i < static_cast<int64_t>(rows.getCount()); ++i)
      if (!takeRows(*input, rows.getOffset() + i * rows.getStride(), rows.getBlock(), result))
        return std::nullopt;
  } else if (isa<CastOp, PackOp>(op)) {
    auto input = segmentsOf(op->getOperand(0), weightType);
    if (!input)
      return std::nullopt;
    result = *std::move(input);
  } else {
    return std::nullopt;
  }
  if (!roundSegments(result, *elementType, weightType))
    return std::nullopt;
  return result;
}

std::optional<std::vector<RandomRows>> randomRows(WeightOp weight) {
  auto type = sourceType(cast<RankedTensorType>(weight.getType()).getElementType());
  auto segments = type ? segmentsOf(weight.getResult(), *type) : std::nullopt;
  if (!segments)
    return std::nullopt;
  std::vector<RandomRows> result;
  for (const Segment &segment : *segments) {
    RandomRows *last = result.empty() ? nullptr : &result.back();
    if (last && segment.constant() && last->scale == 0.0f && last->mean == segment.mean)
      last->rows += segment.rows;
    else
      result.push_back(segment);
  }
  return result;
}

} // namespace llmopt
