//===- CpuEmitter.h - model.cpp: one function per kernel --------------------------------------===//
//
// A kernel becomes an instance of a template of codegen/cpu/kernels: its shape as a struct of
// constants, its pointwise parts as functors. The text is for people too: it is indented, named
// after its ops, and quotes the IR that it came from.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CODEGEN_CPU_CPUEMITTER_H
#define LLMOPT_CODEGEN_CPU_CPUEMITTER_H

#include "codegen/PlanEmitter.h"

namespace llmopt {

/// The text of model.cpp. Fills the plan's threadScratchBytes. Fails on a kernel that the templates
/// cannot express, naming it.
Result<std::string> emitCpuSource(PlannedModule &planned);

} // namespace llmopt

#endif // LLMOPT_CODEGEN_CPU_CPUEMITTER_H
