//===- EmbeddedFile.h - Kernel headers inside the compiler ------------------------------------===//

#ifndef LLMOPT_CODEGEN_EMBEDDEDFILE_H
#define LLMOPT_CODEGEN_EMBEDDEDFILE_H

#include "support/EmbeddedFile.h"

#include <vector>

namespace llmopt {

// They go into an artifact's kernels/ folder.

/// Every header that an emitted model.cpp includes, abi.h among them.
const std::vector<EmbeddedFile> &cpuKernelHeaders();
/// Every header that emitted CUDA sources include.
const std::vector<EmbeddedFile> &cudaKernelHeaders();

} // namespace llmopt

#endif // LLMOPT_CODEGEN_EMBEDDEDFILE_H
