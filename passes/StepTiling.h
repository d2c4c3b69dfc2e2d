//===- StepTiling.h - What the tiles of a persistent step do to memory ------------------------===//
//
// A persistent step runs all kernels of a step as tiles of one kernel. This is what the derivation
// of its counters (DeriveSync.h) and their check (VerifyLaunch.h) both start from: the tiles of
// every kernel, and which of the things that they touch are the same bytes.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_PASSES_STEPTILING_H
#define LLMOPT_PASSES_STEPTILING_H

#include "ir/KernelTiling.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace llmopt {

/// Something in memory that kernels of a step touch.
struct StepMemory {
  std::string name;  ///< "result 0 of 'attention' (kernel 2)", "the keys of layer 3"
  std::string space; ///< of addresses: an arena, a layer's keys, ...
  /// Bytes [offset, offset + rowBytes) of each row of the space. Rows of buffers are as many for
  /// all, and begin at offset * rows: buffers share bytes if these ranges do.
  int64_t offset = 0, rowBytes = 1;

  /// Of different memories: whether they share bytes. Of which columns is not told apart.
  bool overlaps(const StepMemory &other) const {
    return space == other.space && offset < other.offset + other.rowBytes &&
           other.offset < offset + rowBytes;
  }
};

struct TiledKernel {
  KernelOp op;
  KernelTiling tiling;
  std::vector<size_t> memoryOf; ///< of each access of the tiling, into TiledStep::memories

  /// "'attention' (kernel 2)"
  std::string name() const;
  int64_t index = 0; ///< in the step
};

struct TiledStep {
  std::vector<TiledKernel> kernels;
  std::vector<StepMemory> memories;

  /// Whether two accesses of memory can touch the same bytes: of one memory, if columns meet.
  bool mayShare(size_t a, size_t b) const { return a == b || memories[a].overlaps(memories[b]); }
};

/// The numbers of rows up to which a step of this module can run persistently, rising: those for
/// which every linear is scheduled as a matvec. An error on the kernel that prevents it if there is
/// none.
mlir::FailureOr<std::vector<int64_t>> persistentBuckets(mlir::func::FuncOp step);

/// Of each kernel of a step of up to `maxRows` rows the columns of a linear's tile, 0 of the
/// others: what its tiles depend on. An error on the kernel that is not scheduled as tiles.
mlir::FailureOr<std::vector<int64_t>> tileColumns(mlir::func::FuncOp step, int64_t maxRows);

/// The tiles of a step; an error on the kernel that has none.
mlir::FailureOr<TiledStep> tileStep(mlir::func::FuncOp step, llvm::ArrayRef<int64_t> tileColumns);

} // namespace llmopt

#endif // LLMOPT_PASSES_STEPTILING_H
