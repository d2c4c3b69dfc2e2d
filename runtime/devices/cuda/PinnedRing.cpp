#include "runtime/devices/cuda/PinnedRing.h"

namespace llmopt {

void PinnedRing::release() {
  for (Slot &slot : slots) {
    if (slot.event) {
      api.eventSynchronize(slot.event);
      api.eventDestroy(slot.event);
    }
    if (slot.memory)
      api.memFreeHost(slot.memory);
    slot = Slot();
  }
}

Result<PinnedRing::Slot> PinnedRing::next() {
  Slot &slot = slots[turn];
  turn = (turn + 1) % slots.size();
  if (slot.event) {
    LLMOPT_TRY(api.check(api.eventSynchronize(slot.event), "waiting for a copy"));
    return slot;
  }
  void *memory = nullptr;
  LLMOPT_TRY(api.check(api.memHostAlloc(&memory, size, 0),
                       fmt::format("taking {} bytes of page-locked host memory", size)));
  slot.memory = static_cast<uint8_t *>(memory);
  LLMOPT_TRY(api.check(api.eventCreate(&slot.event, cuda_api::disableTiming), "making an event"));
  return slot;
}

} // namespace llmopt
