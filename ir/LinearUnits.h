//===- LinearUnits.h - How the epilogue of a linear needs its columns together ----------------===//
//
// A segment's columns are cut into units: one output column, or a pair of columns that the epilogue
// needs together (gate and up; the two elements that a rotary embedding turns). Kernels that make a
// few columns at a time make whole units.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_IR_LINEARUNITS_H
#define LLMOPT_IR_LINEARUNITS_H

#include "ir/KernelAnatomy.h"
#include "support/Error.h"

#include <vector>

namespace llmopt {

/// A segment whose units are alike, and how its epilogue finds the columns of a unit: column
/// `stream` of unit u is output first[stream] + u / group * groupStride + u % group * step of the
/// linear.
struct UnitSegment {
  const KernelSegment *segment = nullptr;
  RopeOp rope; ///< if the unit is a pair that it rotates
  int64_t units = 0, streams = 1, first[2] = {0, 0};
  int64_t group = 0, groupStride = 0, step = 1;
  /// What the first column of a unit is, in the segment: groups of `group` units, `groupStride`
  /// columns apart, from `offset` on.
  int64_t offset = 0;

  /// The distance of the columns of a pair.
  int64_t distance() const { return first[1] - first[0]; }
  /// The first column of a unit, in the segment; that of a rotated pair's partner is `distance`
  /// further.
  int64_t column(int64_t unit) const {
    return unit / group * groupStride + unit % group * step + offset;
  }
};

/// The segments of a linear's kernel, in their order, a rotated one as its pairs and what it leaves
/// alone. Refers to `anatomy`; fails where a rotated segment is one of several streams.
Result<std::vector<UnitSegment>> cutIntoUnits(const KernelAnatomy &anatomy);

} // namespace llmopt

#endif // LLMOPT_IR_LINEARUNITS_H
