//===- CudaBatch.h - A step's batch on the device ---------------------------------------------===//
//
// The arrays of an LlmoptBatch in one block of device memory, with the tokens that the device
// chooses and how. Their places depend on N, M and S only, so that a recorded step stays valid for
// every batch of its shape; the page table has rows of constant length. The block grows with the
// batches and moves when it does.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_CUDABATCH_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_CUDABATCH_H

#include "runtime/artifact/KernelAbi.h"
#include "runtime/devices/cuda/Driver.h"

#include <cstdint>
#include <vector>

namespace llmopt {

class CudaBatch {
public:
  explicit CudaBatch(CudaDriver &driver) : driver(driver) {}

  /// Entries of a row of the page table from now on: pages of the longest sequence.
  void setStride(int64_t pages) { stride = pages; }

  /// Makes room for a batch of this size; true if the block moved.
  Result<bool> fit(const LlmoptBatch &batch);

  /// Uploads a batch that there is room for, and how its tokens are chosen (null: they are not).
  Status upload(const LlmoptBatch &batch, const LlmoptSampling *sampling);
  /// Uploads what changed of the page table of a batch of the shape that was uploaded last.
  Status uploadPages(const LlmoptBatch &batch);

  /// The batch that was uploaded last, its arrays on the device.
  const LlmoptBatch &onDevice() const { return view; }
  CudaAddress sampling() const { return block + samplingPlace; }
  /// [M] int32.
  CudaAddress tokens() const { return block; }

  /// The memory that a kernel may touch by it; `advancing`: it may write tokens and positions.
  void addExtents(std::vector<CudaExtent> &extents, bool advancing) const;
  void addSamplingExtents(std::vector<CudaExtent> &extents) const;

private:
  uint64_t layOut(const LlmoptBatch &batch);
  Status checkPages(const LlmoptBatch &batch) const;
  const int32_t *deviceArray(uint64_t place) const;

  CudaDriver &driver;
  CudaAddress block = 0;
  uint64_t capacity = 0;
  int64_t stride = 1;
  LlmoptBatch view{};
  uint64_t samplingPlace = 0, tablePlace = 0;
  /// What the block holds from samplingPlace on, but for what the device changed itself.
  std::vector<uint8_t> image;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_CUDABATCH_H
