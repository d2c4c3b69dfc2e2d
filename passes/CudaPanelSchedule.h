//===- CudaPanelSchedule.h - Tiles for 16-bit linears on sm_90a -------------------------------===//

#ifndef LLMOPT_PASSES_CUDAPANELSCHEDULE_H
#define LLMOPT_PASSES_CUDAPANELSCHEDULE_H

#include "mlir/IR/BuiltinAttributes.h"
#include "passes/CudaDefaults.h"
#include "support/CudaTarget.h"

namespace llmopt {

/// A linear whose weight lies in panels (kernels/panels.cuh): `columns` outputs of `depth` 16-bit
/// elements each. Its variants as cudaSchedule() has them; with `batchInvariant` all of them are
/// "gemm_wgmma", whose tiles add up K in one order.
llvm::SmallVector<mlir::Attribute> schedulePanels(mlir::MLIRContext *context, int64_t columns,
                                                  int64_t depth, const CudaTarget &target,
                                                  const CudaDefaults &defaults,
                                                  bool batchInvariant);

} // namespace llmopt

#endif // LLMOPT_PASSES_CUDAPANELSCHEDULE_H
