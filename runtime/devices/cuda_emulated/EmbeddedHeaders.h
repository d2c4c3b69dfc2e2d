//===- EmbeddedHeaders.h - What a kernel's module includes ------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMBEDDEDHEADERS_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMBEDDEDHEADERS_H

#include "support/EmbeddedFile.h"

#include <vector>

namespace llmopt {

/// By their names from the root of the repository.
const std::vector<EmbeddedFile> &emulatorHeaders();

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMBEDDEDHEADERS_H
