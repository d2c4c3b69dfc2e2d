//===- Batch.h - The ragged batch of a step, built run by run ---------------------------------===//

#ifndef LLMOPT_RUNTIME_ENGINE_BATCH_H
#define LLMOPT_RUNTIME_ENGINE_BATCH_H

#include "runtime/artifact/KernelAbi.h"
#include "runtime/engine/KvCache.h"

#include <cstdint>
#include <vector>

namespace llmopt {

/// Which rows of a run have their logits computed.
enum class WantedLogits { None, Last, All };

/// Owns the arrays of an LlmoptBatch.
class Batch {
public:
  /// Adds tokens at positions first, first + 1, ... of a sequence whose cache has room for them.
  void add(const int32_t *tokens, int64_t first, int64_t count, const CachedSequence &cache,
           WantedLogits wanted);

  bool empty() const { return tokenIds.empty(); }
  /// Rows of logits so far; the next wanted one gets this index.
  int64_t logitRows() const { return static_cast<int64_t>(logitRow.size()); }

  /// Valid until the batch changes or goes.
  LlmoptBatch view();

private:
  std::vector<int32_t> tokenIds;
  std::vector<int32_t> positions;
  std::vector<int32_t> sequenceOf;
  std::vector<int32_t> logitRow;
  std::vector<int32_t> firstRow = {0};
  std::vector<std::vector<int32_t>> pages; ///< of each sequence
  std::vector<int32_t> pageTable;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ENGINE_BATCH_H
