//===- Ops.td - All ops of the llm dialect ----------------------------------------------------===//

#ifndef LLMOPT_IR_OPS
#define LLMOPT_IR_OPS

include "ir/Attention.td"
include "ir/Embedding.td"
include "ir/Kernel.td"
include "ir/Linear.td"
include "ir/Movement.td"
include "ir/Norm.td"
include "ir/Pointwise.td"
include "ir/Weights.td"

#endif // LLMOPT_IR_OPS
