//===- CudaEmitter.h - The kernels of a step as CUDA, a source file each ----------------------===//
//
// A kernel of the plan becomes instances of templates of codegen/cuda/kernels: its shape as a
// struct of constants, its pointwise parts as functors, and one `__global__` function for each
// range of row counts that its schedule distinguishes. Each kernel is a source file of its own,
// source/NAME.cu with its name in the plan, so that they compile side by side and are cached one by
// one. The text is for people too: it is indented, named after its ops, and quotes the IR that it
// came from.
//
// Every function takes the LlmoptBatch by value, then the pointers of the plan's launch in their
// order. What to launch is in each launch's `target`:
//
//   {"variants": [
//     {"max_rows": 4,                        // up to this many rows; absent in the last
//      "decode": true,                       // only where each row is of another sequence
//      "functions": [                        // one after the other
//        {"name": "norm_linear_rows4",
//         "tiles": 320, "rows_per_tile": 4,  // blocks: tiles * ceil(rows / rows_per_tile)
//         "per_sequence": true,              // tiles * (rows / rows_per_tile + sequences) instead
//         "blocks_per_multiprocessor": 1,    // at most so many, which share these; if absent a
//                                            // block for each
//         "splits": 66,                      // each of these may be several blocks, as many as
//                                            // run at once, at most tiles * splits in all
//         "block": 256,                      // threads
//         "shared": 67840,                   // bytes of dynamic shared memory
//         "early": true,                     // it waits for the kernels before it by itself:
//                                            // programmatic dependent launch
//         "schedule": {...}}]},              // the instance of a template that it is
//     ...]}
//
// A linear's function has a `schedule` (runtime/artifact/CudaSchedule.h), by which it can be made
// another instance where it is compiled (CudaTemplate::macros). Where NAME_LEFT_OUT is defined, it
// is not compiled at all.
//
// or instead of a function a dense product by the vendor's library, whose operands are arguments of
// the launch, of which `b` has its rows `stride` elements apart:
//
//        {"product": {"a": 4, "b": 2, "c": 3, "columns": 65024, "depth": 4544, "stride": 4544,
//                     "inputs": "bf16", "output": "f32"}}
//
// rows is N or M by the launch's `space`. If the step is persistent (--llm-synchronize), there is a
// source for each number of rows that can run so, source/step_rowsROWS.cu, whose function makes
// every kernel's tiles (kernels/persistent.cuh), and the plan's `target` has
//
//   {"persistent": [{"name": "step_rows4", "max_rows": 4, "block": 288, "shared": 230000,
//                    "kernels": ["embed", ...]}]}    // what LlmoptStepKernel::function counts
//
// and each launch's `sync`, for each of these functions: the tiles of a period, of each row or of
// all, the chunk of each as runs (count, chunk), what each waits for as runs (count, set), and the
// sets as (launch, chunk):
//
//   {"sync": [{"period": 6, "per_row": false, "parts": false, "chunks": [4, 0, 2, 1],
//              "waits": [[2, 0], [2, 0, 2, 1]], "wait_of": [3, 0, 3, 1]}]}
//
// What chooses the tokens is a source of its own,
// source/sampling.cu, and the plan's `target` has
//
//   {"sampling": {"functions": {"sample": {...}, "advance": {...}}, "workspace_row_bytes": 16048}}
//
// with functions as above and rows those of the logits:
//
//   sample(step, const float *logits, const LlmoptSampling *rows, int *tokens, void *workspace)
//     makes tokens [M], -1 for a row that has no finite largest logit; the workspace has so many
//     bytes for each row, 0 before the first step;
//   advance(step, const int *tokens)
//     makes of a decode batch (N = M = S) that of the next step: tokenIds[i] is tokens[i] (0 for
//     -1), positions[i] rises by one.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CODEGEN_CUDA_CUDAEMITTER_H
#define LLMOPT_CODEGEN_CUDA_CUDAEMITTER_H

#include "codegen/PlanEmitter.h"
#include "codegen/SourceWriter.h"

namespace llmopt {

/// The sources for an architecture: sm_80, sm_86, sm_89, sm_90 or sm_90a. Fills `target` of the
/// plan's launches. Fails on a kernel that the templates cannot express, naming it.
Result<std::vector<SourceFile>> emitCudaSources(PlannedModule &planned, const std::string &arch);

} // namespace llmopt

#endif // LLMOPT_CODEGEN_CUDA_CUDAEMITTER_H
