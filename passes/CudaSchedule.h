//===- CudaSchedule.h - Tiles for the CUDA kernels --------------------------------------------===//

#ifndef LLMOPT_PASSES_CUDASCHEDULE_H
#define LLMOPT_PASSES_CUDASCHEDULE_H

#include "ir/KernelAnatomy.h"
#include "passes/CudaDefaults.h"
#include "support/CudaTarget.h"

namespace llmopt {

/// The entries of a kernel's `schedule` that codegen/cuda reads:
///
/// - linear: `variants`, in rising order of `max_rows` (absent in the last), each a dictionary with
///   `kind` "matvec" (kernels/matvec.cuh: `rows`, `columns`, `warps`, `stages`) or "gemm"
///   (kernels/gemm.cuh: `columns`, `rows`, `depth`, `stages`, `warp_columns`, `warp_rows`,
///   `warp_depths`), or where the weight lies in panels "matvec_panels" (`rows`, `columns`,
///   `depth`, `warps`, `stages`, and `blocks`, the most for a multiprocessor) or "gemm_wgmma"
///   (`columns`, `rows`, `stages`, `consumers`), or "library", a plain product by the vendor's
///   (isPlainProduct); and `workspace_row_bytes` for a row of the input where many rows make it
///   first;
/// - attention: `decode_rows`, up to which each row is by itself, 16 of a key-value head's query
///   heads in a tile; its keys are divided among blocks as the card has room for, at most so many
///   that one row has `splits`. Likewise where more sequences decode at once, with `batch_heads`
///   in a tile, which read keys and values once, and `batch_splits`. Other rows are taken together:
///   with `prefill_keys` by warpgroups (kernels/attention_wgmma.cuh), so many keys in a step,
///   `prefill_stages` of them in shared memory; else as kernels/attention_tensor.cuh or
///   attention_exact.cuh does it.
///   With `part_keys` there are always `splits` parts, of fixed bounds (FixedParts in
///   kernels/attention.cuh), and up to decode_rows alone.
///
/// With `batchInvariant` all variants of a kernel add up a row's products in the same order.
llvm::SmallVector<mlir::NamedAttribute> cudaSchedule(const KernelAnatomy &anatomy,
                                                     const CudaTarget &target,
                                                     const CudaDefaults &defaults,
                                                     bool batchInvariant);

/// The type of a linear's stored weight, which it may cast.
mlir::RankedTensorType storedWeight(LinearOp linear);

/// The layout that these kernels read a linear's stored weight in: panels, or rows padded to 16
/// bytes, null if they are that already.
PackedAttr cudaWeightLayout(LinearOp linear, const CudaTarget &target);

} // namespace llmopt

#endif // LLMOPT_PASSES_CUDASCHEDULE_H
