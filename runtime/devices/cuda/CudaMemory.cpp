#include "runtime/devices/cuda/CudaMemory.h"

#include <algorithm>

namespace llmopt {

/// Allocations begin on multiples of this.
static constexpr uint64_t alignment = 256;

static uint64_t aligned(uint64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

/// a * b, or the largest value where that is more: more than any card has.
static uint64_t product(uint64_t a, uint64_t b) {
  uint64_t result;
  return __builtin_mul_overflow(a, b, &result) ? UINT64_MAX : result;
}

static uint64_t sum(uint64_t a, uint64_t b) {
  uint64_t result;
  return __builtin_add_overflow(a, b, &result) ? UINT64_MAX : result;
}

CudaMemory::CudaMemory(const Plan &plan, int64_t contextLength)
    : page(product(static_cast<uint64_t>(plan.cache.layers),
                   static_cast<uint64_t>(plan.cache.pageBytes))),
      tokensOfPage(plan.cache.pageTokens), contextLength(contextLength),
      tokenRow(static_cast<uint64_t>(plan.tokenRowBytes)),
      logitRow(static_cast<uint64_t>(plan.logitRowBytes)) {
  for (const PlanWeight &weight : plan.weights)
    weights = sum(weights, aligned(static_cast<uint64_t>(weight.bytes())));
}

int64_t CudaMemory::pagesFor(int64_t tokens) const {
  return tokens / tokensOfPage + (tokens % tokensOfPage != 0);
}

uint64_t CudaMemory::cacheBytes(int64_t tokens) const {
  return product(page, static_cast<uint64_t>(pagesFor(tokens)));
}

uint64_t CudaMemory::tokenArenaBytes(int64_t rows) const {
  return aligned(product(tokenRow, static_cast<uint64_t>(rows)));
}

uint64_t CudaMemory::logitArenaBytes(int64_t rows) const {
  return aligned(product(logitRow, static_cast<uint64_t>(rows)));
}

uint64_t CudaMemory::batchBytes(const StepSize &step) const {
  auto rows = static_cast<uint64_t>(step.rows), logits = static_cast<uint64_t>(step.logitRows),
       sequences = static_cast<uint64_t>(step.sequences);
  uint64_t table = product(sequences, static_cast<uint64_t>(pagesFor(contextLength)) * 4);
  // See CudaBatch.h: three numbers per token, two and the options of the choice per row of logits.
  return aligned(sum(table, 12 * rows + (8 + 32) * logits + 4 * (sequences + 1) + 16 * 8));
}

uint64_t CudaMemory::workspaceBytes(const StepSize &step) const {
  return sum(sum(tokenArenaBytes(step.rows), logitArenaBytes(step.logitRows)), batchBytes(step));
}

int64_t CudaMemory::pagesThatFit(uint64_t free, const StepSize &step) const {
  uint64_t fixed = sum(weights, workspaceBytes(step));
  if (fixed > free)
    return 0;
  return page == 0 ? INT32_MAX
                   : static_cast<int64_t>(std::min<uint64_t>((free - fixed) / page, INT32_MAX));
}

int64_t CudaMemory::longestContext(uint64_t free, const StepSize &step) const {
  return std::min(contextLength, pagesThatFit(free, step) * tokensOfPage);
}

std::string CudaMemory::describe(uint64_t free, const StepSize &step) const {
  return fmt::format("the weights take {}, a step of {} rows {} and each token of the key-value "
                     "cache {} bytes; of {} that are free this leaves a context of {} tokens",
                     formatBytes(weights), step.rows, formatBytes(workspaceBytes(step)),
                     page / static_cast<uint64_t>(tokensOfPage), formatBytes(free),
                     longestContext(free, step));
}

std::string formatBytes(uint64_t bytes) {
  return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9);
}

} // namespace llmopt
