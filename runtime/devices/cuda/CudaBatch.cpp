#include "runtime/devices/cuda/CudaBatch.h"

#include <algorithm>
#include <cstring>

namespace llmopt {

/// Sets `view` and the places: the chosen tokens first, then what is uploaded, the page table last.
/// Returns the bytes of the block.
uint64_t CudaBatch::layOut(const LlmoptBatch &batch) {
  uint64_t end = 0;
  auto place = [&end](int64_t count, uint64_t bytes) {
    uint64_t begin = end;
    end += (static_cast<uint64_t>(count) * bytes + 15) / 16 * 16;
    return begin;
  };
  place(batch.logitRows, sizeof(int32_t));
  samplingPlace = place(batch.logitRows, sizeof(LlmoptSampling));
  view = batch;
  view.pageTableStride = static_cast<int32_t>(stride);
  view.tokenIds = deviceArray(place(batch.tokens, sizeof(int32_t)));
  view.positions = deviceArray(place(batch.tokens, sizeof(int32_t)));
  view.sequenceOf = deviceArray(place(batch.tokens, sizeof(int32_t)));
  view.logitRow = deviceArray(place(batch.logitRows, sizeof(int32_t)));
  view.firstRow = deviceArray(place(int64_t(batch.sequences) + 1, sizeof(int32_t)));
  tablePlace = place(batch.sequences * stride, sizeof(int32_t));
  view.pageTable = deviceArray(tablePlace);
  return end;
}

const int32_t *CudaBatch::deviceArray(uint64_t place) const {
  return reinterpret_cast<const int32_t *>(block + place);
}

Result<bool> CudaBatch::fit(const LlmoptBatch &batch) {
  uint64_t bytes = layOut(batch);
  if (bytes <= capacity)
    return false;
  // More, so that batches that grow by a row each do not all move it.
  bytes = std::max<uint64_t>(2 * bytes, 64 << 10);
  if (block)
    driver.free(block);
  block = 0;
  capacity = 0;
  LLMOPT_ASSIGN(block, driver.allocate(bytes, fmt::format("a batch of {} tokens", batch.tokens)));
  capacity = bytes;
  layOut(batch);
  return true;
}

Status CudaBatch::checkPages(const LlmoptBatch &batch) const {
  if (batch.pageTableStride > stride)
    return makeError("a sequence of the batch has {} pages of the key-value cache, the longest "
                     "possible has {}",
                     batch.pageTableStride, stride);
  return success();
}

Status CudaBatch::upload(const LlmoptBatch &batch, const LlmoptSampling *sampling) {
  LLMOPT_TRY(checkPages(batch));
  uint64_t bytes = layOut(batch) - samplingPlace;
  image.assign(bytes, 0);
  auto put = [&](const void *array, const void *from, int64_t count) {
    if (count == 0)
      return; // memcpy wants no null pointers
    uint64_t place = reinterpret_cast<CudaAddress>(array) - block - samplingPlace;
    std::memcpy(image.data() + place, from, static_cast<size_t>(count) * sizeof(int32_t));
  };
  if (sampling)
    std::memcpy(image.data(), sampling,
                static_cast<size_t>(batch.logitRows) * sizeof(LlmoptSampling));
  put(view.tokenIds, batch.tokenIds, batch.tokens);
  put(view.positions, batch.positions, batch.tokens);
  put(view.sequenceOf, batch.sequenceOf, batch.tokens);
  put(view.logitRow, batch.logitRow, batch.logitRows);
  put(view.firstRow, batch.firstRow, int64_t(batch.sequences) + 1);
  for (int64_t i = 0; i < batch.sequences; ++i)
    put(view.pageTable + i * stride, batch.pageTable + i * batch.pageTableStride,
        batch.pageTableStride);
  return driver.upload(block + samplingPlace, image.data(), bytes);
}

Status CudaBatch::uploadPages(const LlmoptBatch &batch) {
  LLMOPT_TRY(checkPages(batch));
  const uint64_t table = tablePlace - samplingPlace;
  const uint64_t rowBytes = static_cast<uint64_t>(batch.pageTableStride) * sizeof(int32_t);
  uint64_t begin = image.size(), end = 0;
  for (int64_t i = 0; i < batch.sequences; ++i) {
    uint64_t place = table + static_cast<uint64_t>(i * stride) * sizeof(int32_t);
    const int32_t *row = batch.pageTable + i * batch.pageTableStride;
    if (std::memcmp(image.data() + place, row, rowBytes) == 0)
      continue;
    std::memcpy(image.data() + place, row, rowBytes);
    begin = std::min(begin, place);
    end = place + rowBytes;
  }
  if (begin >= end)
    return success();
  return driver.upload(block + samplingPlace + begin, image.data() + begin, end - begin);
}

void CudaBatch::addExtents(std::vector<CudaExtent> &extents, bool advancing) const {
  auto add = [&](const int32_t *array, int64_t count, bool writable) {
    extents.push_back({reinterpret_cast<CudaAddress>(array),
                       static_cast<uint64_t>(count) * sizeof(int32_t), writable});
  };
  add(view.tokenIds, view.tokens, advancing);
  add(view.positions, view.tokens, advancing);
  add(view.sequenceOf, view.tokens, false);
  add(view.logitRow, view.logitRows, false);
  add(view.firstRow, int64_t(view.sequences) + 1, false);
  add(view.pageTable, view.sequences * stride, false);
}

void CudaBatch::addSamplingExtents(std::vector<CudaExtent> &extents) const {
  auto rows = static_cast<uint64_t>(view.logitRows);
  extents.push_back({sampling(), rows * sizeof(LlmoptSampling), false});
  extents.push_back({tokens(), rows * sizeof(int32_t), true});
}

} // namespace llmopt
