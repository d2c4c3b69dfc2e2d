#include "ir/LinearUnits.h"

#include "ir/ShapeInference.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace llmopt {

static UnitSegment plainUnits(const KernelSegment &segment) {
  UnitSegment units;
  units.segment = &segment;
  units.units = units.group = segment.columns;
  units.streams = static_cast<int64_t>(segment.streams.size());
  llvm::copy(segment.first, units.first);
  return units;
}

/// The rotated pairs of every head, and if its rotation is partial the rest of every head.
static void addRotated(std::vector<UnitSegment> &all, const KernelSegment &segment, RopeOp rope) {
  int64_t head = rope.getHeadDim(), width = columnsOf(rope.getTable());
  int64_t heads = segment.columns / head;
  bool half = rope.getStyle() == RopeStyle::Half;
  UnitSegment pairs;
  pairs.segment = &segment;
  pairs.rope = rope;
  pairs.streams = 2;
  pairs.group = width / 2;
  pairs.groupStride = head;
  pairs.step = half ? 1 : 2;
  pairs.units = heads * pairs.group;
  pairs.first[0] = segment.first[0];
  pairs.first[1] = segment.first[0] + (half ? width / 2 : 1);
  all.push_back(pairs);
  if (width == head)
    return;
  UnitSegment rest;
  rest.segment = &segment;
  rest.group = head - width;
  rest.groupStride = head;
  rest.units = heads * rest.group;
  rest.offset = width;
  rest.first[0] = segment.first[0] + width;
  all.push_back(rest);
}

Result<std::vector<UnitSegment>> cutIntoUnits(const KernelAnatomy &anatomy) {
  std::vector<UnitSegment> all;
  for (const KernelSegment &segment : anatomy.segments) {
    RopeOp rope;
    for (Operation *op : segment.ops)
      if (auto found = dyn_cast<RopeOp>(op)) {
        if (rope || segment.streams.size() > 1)
          return makeError("rotates columns that it combines");
        rope = found;
      }
    if (rope)
      addRotated(all, segment, rope);
    else
      all.push_back(plainUnits(segment));
  }
  return all;
}

} // namespace llmopt
