//===- KernelTiling.h - What each tile of a kernel reads and writes ---------------------------===//
//
// A kernel of few rows is cut into tiles that run in any order: a linear by its output columns, an
// attention by key-value heads, the others by rows. Here is which columns of which buffer a tile
// touches; all rows of the batch count as one. Left out is what no kernel of the step writes:
// weights, and the step's tokens, positions and pages.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_IR_KERNELTILING_H
#define LLMOPT_IR_KERNELTILING_H

#include "ir/KernelAnatomy.h"
#include "support/Error.h"

#include <vector>

namespace llmopt {

/// Columns [begin, end) of a row.
struct ColumnRange {
  int64_t begin = 0, end = 0;
};

/// Rising and apart.
using ColumnRanges = llvm::SmallVector<ColumnRange, 2>;

/// What the tiles of a kernel do to one thing in memory.
struct TileAccess {
  enum class Kind {
    Buffer,   ///< of a tensor: an operand or a result of the kernel, `value` of the step
    Keys,     ///< of `layer` of the cache, columns [heads * headDim]
    Values,   ///< likewise
    Partials, ///< what the parts of an attention leave for each other; a column for each tile
  };
  Kind kind = Kind::Buffer;
  mlir::Value value;
  int64_t layer = 0;
  bool writes = false; ///< and maybe reads; else reads only
  /// Of each tile, or one entry for all of them. A tile that does not touch it has no ranges.
  std::vector<ColumnRanges> columns;

  bool isUniform() const { return columns.size() == 1; }
  const ColumnRanges &columnsOf(int64_t tile) const {
    return columns[isUniform() ? 0 : static_cast<size_t>(tile)];
  }
};

/// The tiles of a kernel, numbered as the functions of codegen/cuda/kernels number them.
struct KernelTiling {
  int64_t tiles = 0; ///< of the kernel, or of each row
  bool perRow = false;
  /// Each tile stands for as many as its keys are divided into parts.
  bool splits = false;
  std::vector<TileAccess> accesses;
};

/// The tiling of a kernel. `tileColumns` is what a tile of a linear sums up, over all streams; its
/// tiles take all rows. Fails on a linear that cannot be cut into units.
Result<KernelTiling> tileKernel(KernelOp kernel, const KernelAnatomy &anatomy, int64_t tileColumns);

/// How many query heads of a group of `group`, which share a key-value head, are in a tile of an
/// attention that takes each row by itself.
int64_t decodeHeadsOfTile(int64_t group);

} // namespace llmopt

#endif // LLMOPT_IR_KERNELTILING_H
