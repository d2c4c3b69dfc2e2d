//===- KernelSync.h - What a kernel of a persistent step waits for and signals ----------------===//
//
// The attribute `sync` of a kernel: an array with an entry for each bucket of rows,
//
//   {max_rows = 4 : i64, period = 6 : i64, per_row, splits,
//    chunks = array<i64: 4, 0, 2, 1>,                      // tiles 0 to 3 are of chunk 0, 4 and 5
//    of 1 waits = [array<i64: 2, 0>, array<i64: 2, 0, 2, 1>],   // kernel, chunk, kernel, chunk,
//    ... wait_of = array<i64: 3, 0, 3, 1>}                     // tiles 0 to 2 wait for set 0, ...
//
// `--llm-synchronize` makes it, `--llm-verify-launch` proves it, the emitter reads it.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_IR_KERNELSYNC_H
#define LLMOPT_IR_KERNELSYNC_H

#include "ir/Dialect.h"

#include <vector>

namespace llmopt {

constexpr llvm::StringLiteral syncAttrName = "sync";

/// A chunk of the tiles of the step's kernel number `kernel`.
struct ChunkWait {
  int64_t kernel = 0, chunk = 0;

  bool operator==(const ChunkWait &other) const {
    return kernel == other.kernel && chunk == other.chunk;
  }
};

/// The synchronization of a kernel in steps of up to maxRows rows.
struct KernelSync {
  int64_t maxRows = 0;
  bool perRow = false; ///< the tiles repeat for each row of the kernel's rows
  bool splits = false; ///< each tile stands for as many as an attention's keys have parts
  /// Of each tile of a period: the chunk that it is of, and the wait set that it needs.
  std::vector<int64_t> chunkOf, waitOf;
  std::vector<std::vector<ChunkWait>> waits;

  int64_t tiles() const { return static_cast<int64_t>(chunkOf.size()); }
  /// One more than the last chunk.
  int64_t chunks() const;
};

/// The entries of a kernel's `sync`; an error on the kernel if it has none or it is malformed:
/// runs that do not sum up to the period, wait sets that do not exist, buckets that do not rise.
mlir::FailureOr<std::vector<KernelSync>> readSync(KernelOp kernel);

/// The attribute of these entries.
mlir::Attribute syncAttribute(mlir::MLIRContext *context, const std::vector<KernelSync> &entries);

} // namespace llmopt

#endif // LLMOPT_IR_KERNELSYNC_H
