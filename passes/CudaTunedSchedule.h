//===- CudaTunedSchedule.h - Schedules that llmopt-tune found ---------------------------------===//

#ifndef LLMOPT_PASSES_CUDATUNEDSCHEDULE_H
#define LLMOPT_PASSES_CUDATUNEDSCHEDULE_H

#include "ir/KernelAnatomy.h"
#include "support/CudaTarget.h"
#include "support/CudaTuning.h"

namespace llmopt {

/// The variants of a linear (CudaSchedule.h), with the parameters that a tuning file has for them.
/// An Error if one cannot take them, which names the file and the function.
Result<mlir::ArrayAttr> tuneVariants(const KernelAnatomy &anatomy, mlir::ArrayAttr variants,
                                     const CudaTuning &tuning, const CudaTarget &target,
                                     bool batchInvariant);

} // namespace llmopt

#endif // LLMOPT_PASSES_CUDATUNEDSCHEDULE_H
