//===- KernelAnatomy.h - What a kernel's region consists of -----------------------------------===//
//
// Passes and emitters read a kernel through this one analysis, so that what the first fuse is what
// the second can emit.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_IR_KERNELANATOMY_H
#define LLMOPT_IR_KERNELANATOMY_H

#include "ir/Dialect.h"

namespace llmopt {

/// A range of a linear's output columns that the epilogue treats alike: column i of every stream
/// belongs together.
struct KernelSegment {
  /// Where a value of the segment goes when a tile is done.
  struct Store {
    mlir::Value value;
    /// Index into the kernel's results, or -1 for a store into the cache.
    int64_t result = -1;
    /// The append whose keys (or else values) `value` is.
    CacheAppendOp append;
    bool keys = false;
  };

  int64_t columns = 0;
  /// Tiles begin and end at multiples of this: the head size where a head is rotated or stored.
  int64_t unit = 1;
  /// The linear's result or slices of it, and the first column of each.
  llvm::SmallVector<mlir::Value, 2> streams;
  llvm::SmallVector<int64_t, 2> first;
  /// Epilogue ops of this segment in order, without slices and appends.
  llvm::SmallVector<mlir::Operation *> ops;
  llvm::SmallVector<Store, 2> stores;
};

struct KernelAnatomy {
  enum class Anchor {
    Linear,    ///< prologue, one linear, epilogue by segments
    Attention, ///< one attention
    Rows,      ///< ops that treat each row by itself
  };
  Anchor anchor = Anchor::Rows;
  LinearOp linear;
  AttentionOp attention;
  /// Linear: the ops that make its input, in order. Rows: all ops.
  llvm::SmallVector<mlir::Operation *> rowOps;
  /// Linear: from the first column on, covering every column that is used.
  llvm::SmallVector<KernelSegment> segments;
};

/// Takes a kernel apart; an error on the kernel says what does not fit.
mlir::FailureOr<KernelAnatomy> analyzeKernel(KernelOp kernel);

/// Whether a linear's kernel is one dense product whose sums are stored as they are: no bias, and
/// behind it nothing but a cast to what is stored.
bool isPlainProduct(const KernelAnatomy &anatomy);

/// Whether a value has one row per token of the batch, or per wanted row of logits.
enum class Rows { Token, Logit };
/// Of a value of the step function, or of a value inside a kernel.
Rows rowsOf(mlir::Value value);

} // namespace llmopt

#endif // LLMOPT_IR_KERNELANATOMY_H
