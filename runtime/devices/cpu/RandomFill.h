//===- RandomFill.h - Random weights in their packed layout -----------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CPU_RANDOMFILL_H
#define LLMOPT_RUNTIME_DEVICES_CPU_RANDOMFILL_H

#include "runtime/artifact/Artifact.h"

namespace llmopt {

/// Panels of a weight: groups of `packing.panel` rows, or its single rows if it is row-major.
int64_t randomPanels(const PlanWeight &weight);

/// Writes panels [begin, end) of a random weight, padding included, into its memory.
void fillRandomPanels(const PlanWeight &weight, int64_t begin, int64_t end, uint8_t *data);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CPU_RANDOMFILL_H
