#include "runtime/engine/Batch.h"

#include <algorithm>

namespace llmopt {

void Batch::add(const int32_t *tokens, int64_t first, int64_t count, const CachedSequence &cache,
                WantedLogits wanted) {
  int32_t sequence = static_cast<int32_t>(pages.size());
  for (int64_t i = 0; i < count; ++i) {
    bool last = i + 1 == count;
    if (wanted == WantedLogits::All || (wanted == WantedLogits::Last && last))
      logitRow.push_back(static_cast<int32_t>(tokenIds.size()));
    tokenIds.push_back(tokens[i]);
    positions.push_back(static_cast<int32_t>(first + i));
    sequenceOf.push_back(sequence);
  }
  firstRow.push_back(static_cast<int32_t>(tokenIds.size()));
  pages.push_back(cache.pages);
}

LlmoptBatch Batch::view() {
  size_t stride = 1;
  for (const std::vector<int32_t> &row : pages)
    stride = std::max(stride, row.size());
  pageTable.assign(pages.size() * stride, 0);
  for (size_t i = 0; i < pages.size(); ++i)
    std::copy(pages[i].begin(), pages[i].end(), pageTable.begin() + i * stride);

  LlmoptBatch batch;
  batch.tokens = static_cast<int32_t>(tokenIds.size());
  batch.logitRows = static_cast<int32_t>(logitRow.size());
  batch.sequences = static_cast<int32_t>(pages.size());
  batch.pageTableStride = static_cast<int32_t>(stride);
  batch.tokenIds = tokenIds.data();
  batch.positions = positions.data();
  batch.sequenceOf = sequenceOf.data();
  batch.logitRow = logitRow.data();
  batch.firstRow = firstRow.data();
  batch.pageTable = pageTable.data();
  return batch;
}

} // namespace llmopt
