//===- DeriveSync.h - The counters that a persistent step needs -------------------------------===//

#ifndef LLMOPT_PASSES_DERIVESYNC_H
#define LLMOPT_PASSES_DERIVESYNC_H

#include "ir/KernelSync.h"
#include "passes/StepTiling.h"

namespace llmopt {

/// The chunks and waits of each kernel of a step, without `maxRows`: whatever order the blocks
/// take, of two tiles that touch the same bytes, one of them to write, the one of the later kernel
/// begins after the other's end. No wait of a set follows from the others.
std::vector<KernelSync> deriveSync(const TiledStep &step);

} // namespace llmopt

#endif // LLMOPT_PASSES_DERIVESYNC_H
