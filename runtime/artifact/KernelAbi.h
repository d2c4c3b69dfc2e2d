/*===- KernelAbi.h - What a kernel of an artifact and the runtime agree on --------------------===//
//
// Plain C, included by the runtime and by every emitted model.cpp (as kernels/abi.h). A change of
// meaning or layout raises LLMOPT_KERNEL_ABI; the runtime refuses a module of another number.
//
//===------------------------------------------------------------------------------------------===*/

#ifndef LLMOPT_KERNEL_ABI_H
#define LLMOPT_KERNEL_ABI_H

#include <stdint.h>

#define LLMOPT_KERNEL_ABI 2

#ifdef __cplusplus
extern "C" {
#endif

/* One step's ragged batch: N tokens of S sequences, prefill chunks and decode steps mixed. The
 * tokens of one sequence are contiguous rows in rising position; every position before a row's own
 * is in the cache already or is an earlier row of this batch. */
typedef struct LlmoptBatch {
  int32_t tokens;            /* N >= 1 */
  int32_t logitRows;         /* M <= N: rows whose logits are wanted */
  int32_t sequences;         /* S */
  int32_t pageTableStride;   /* entries per row of pageTable */
  const int32_t *tokenIds;   /* [N] */
  const int32_t *positions;  /* [N] position in its sequence, from 0 */
  const int32_t *sequenceOf; /* [N] index of the row's sequence, 0..S-1, non-decreasing */
  const int32_t *logitRow;   /* [M] row of the batch, rising */
  const int32_t *firstRow;   /* [S + 1] first row of each sequence; firstRow[S] == N */
  const int32_t *pageTable;  /* [S, pageTableStride] physical page of each logical page */
} LlmoptBatch;

/* How the next token is chosen from a row of logits, by a device that does so itself; the meaning
 * is that of runtime/engine/Sampler.h. */
typedef struct LlmoptSampling {
  float temperature; /* 0: the most probable token */
  int32_t topK;      /* 0: no limit */
  float topP;        /* 1: no limit */
  uint64_t seed;
  uint64_t stream;
} LlmoptSampling;

/* A kernel of a persistent step on CUDA (kernels/persistent.cuh), as its blocks read it. Places are
 * indexes into LlmoptStep::table. Entry e of a table by tiles is of tile t with
 * e = t / parts % period. */
#define LLMOPT_STEP_ARGUMENTS 11
typedef struct LlmoptStepKernel {
  int32_t function; /* which of the step's functions it is */
  int32_t tiles;
  int32_t begin; /* the number of its first tile in the step, modulo the blocks */
  int32_t parts; /* attention: of the keys, each a tile; else 1 */
  int32_t period;
  int32_t counters; /* its first counter */
  int32_t chunksOf; /* place, by tiles: from `counters` on, which one a tile is counted at; -1: the
                     * first */
  int32_t waitsOf;  /* place, by tiles: from `waits` on, where a tile's waits are; -1: at once */
  int32_t waits;    /* place of n, then n pairs: a counter, and what a launch adds to it */
  int32_t reserved; /* 0 */
  const void *arguments[LLMOPT_STEP_ARGUMENTS]; /* as those of a launch of the plan */
} LlmoptStepKernel;

/* All kernels of the step for a batch of one size. */
typedef struct LlmoptStep {
  const LlmoptStepKernel *kernels; /* [kernelCount], 16-byte aligned */
  const int32_t *table;
  uint32_t *counters; /* the first two count the blocks of all launches, in 64 bits */
  int32_t kernelCount;
  int32_t reserved; /* 0 */
} LlmoptStep;

/* The threads that run a launch together (single program, multiple data): each calls the kernel
 * with its own `thread`. Every thread reaches every barrier. The runtime puts a barrier between
 * launches. */
typedef struct LlmoptTeam {
  int32_t thread; /* 0..threads-1 */
  int32_t threads;
  void (*barrier)(void *context, int32_t thread);
  void *context;
  void *scratch; /* this thread's own, 64-byte aligned, of the plan's thread_scratch_bytes */
} LlmoptTeam;

/* args: the launch's pointers in the order of the plan: arena buffers, weights, inputs and, for the
 * cache, the first byte of its layer's pages. */
typedef void (*LlmoptKernel)(const LlmoptBatch *batch, const LlmoptTeam *team, void *const *args);

/* A CPU module exports `int32_t llmopt_kernel_abi(void)` and one function per kernel name. */

#ifdef __cplusplus
}
#endif

#endif /* LLMOPT_KERNEL_ABI_H */
