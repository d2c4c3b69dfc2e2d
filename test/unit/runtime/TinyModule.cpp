// The kernels of the tests' model. Its logits depend on every earlier token of the sequence, read
// back from the pages of both layers of the cache, so that a token in a wrong place changes them.

#include "test/unit/runtime/TinyModule.h"

#include "runtime/artifact/KernelAbi.h"

using namespace llmopt::tiny;

static float *cacheSlot(const LlmoptBatch *batch, void *cache, int sequence, int position) {
  int page = batch->pageTable[sequence * batch->pageTableStride + position / pageTokens];
  auto *bytes = static_cast<unsigned char *>(cache) + static_cast<long>(page) * pageBytes;
  return reinterpret_cast<float *>(bytes) + position % pageTokens;
}

extern "C" {

#ifdef TINY_ABI
int32_t llmopt_kernel_abi(void) { return TINY_ABI; }
#else
int32_t llmopt_kernel_abi(void) { return LLMOPT_KERNEL_ABI; }
#endif

/// args: the cache of a layer.
void tiny_append(const LlmoptBatch *batch, const LlmoptTeam *team, void *const *args) {
  for (int n = team->thread; n < batch->tokens; n += team->threads)
    *cacheSlot(batch, args[0], batch->sequenceOf[n], batch->positions[n]) =
        static_cast<float>(batch->tokenIds[n]);
}

/// args: the caches of both layers, history [N] uint32.
void tiny_history(const LlmoptBatch *batch, const LlmoptTeam *team, void *const *args) {
  // The scratch is the thread's own, so what it holds across a barrier is still there.
  auto *scratch = static_cast<int32_t *>(team->scratch);
  *scratch = team->thread;
  team->barrier(team->context, team->thread);
  for (int n = *scratch; n < batch->tokens; n += team->threads) {
    uint32_t hash = historyStart;
    for (int position = 0; position <= batch->positions[n]; ++position) {
      float first = *cacheSlot(batch, args[0], batch->sequenceOf[n], position);
      float second = *cacheSlot(batch, args[1], batch->sequenceOf[n], position);
      hash = nextHistory(hash, first == second ? static_cast<int32_t>(first) : -1);
    }
    static_cast<uint32_t *>(args[2])[n] = hash;
  }
}

/// args: history, bias [vocabulary], logits [M, vocabulary].
#ifndef TINY_NO_LOGITS
void tiny_logits(const LlmoptBatch *batch, const LlmoptTeam *team, void *const *args) {
  for (int m = 0; m < batch->logitRows; ++m) {
    uint32_t hash = static_cast<const uint32_t *>(args[0])[batch->logitRow[m]];
    for (int v = team->thread; v < vocabulary; v += team->threads)
      static_cast<float *>(args[2])[m * vocabulary + v] =
          logit(hash, v, static_cast<const float *>(args[1])[v]);
  }
}
#endif
}
