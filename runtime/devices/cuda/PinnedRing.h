//===- PinnedRing.h - Host memory that the card copies from by itself -------------------------===//
//
// A few slots of page-locked memory, used in turn. A copy from a slot goes on while the next one is
// filled; a slot is filled again when its copy is done.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_PINNEDRING_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_PINNEDRING_H

#include "runtime/devices/cuda/CudaApi.h"

#include <vector>

namespace llmopt {

class PinnedRing {
public:
  PinnedRing(const cuda_api::Api &api, size_t slots, uint64_t slotBytes)
      : api(api), slots(slots), size(slotBytes) {}
  ~PinnedRing() { release(); }
  PinnedRing(const PinnedRing &) = delete;
  PinnedRing &operator=(const PinnedRing &) = delete;

  struct Slot {
    uint8_t *memory = nullptr;
    cuda_api::Event event = nullptr; ///< to be recorded behind the work that uses the memory
  };

  uint64_t slotBytes() const { return size; }
  /// The next slot, after waiting for what used it last. Memory is made with the first.
  Result<Slot> next();
  /// Gives the memory back.
  void release();

private:
  const cuda_api::Api &api;
  std::vector<Slot> slots;
  uint64_t size;
  size_t turn = 0;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_PINNEDRING_H
