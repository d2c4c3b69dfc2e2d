//===- MemoryPlan.h - What a model takes of memory, and the context that fits
//------------------===//
//
// From the plan alone, before anything is loaded. The numbers are those that the devices allocate
// by (CudaMemory.h), for one sequence in steps of the engine's usual size.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_ENGINE_MEMORYPLAN_H
#define LLMOPT_RUNTIME_ENGINE_MEMORYPLAN_H

#include "runtime/artifact/Artifact.h"
#include "support/Json.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmopt {

/// Memory that a model may be loaded into.
struct MemoryPlace {
  std::string name;       ///< "80 GB (A100, H100)", "this machine"
  uint64_t freeBytes = 0; ///< for weights, cache and workspace together
};

/// Cards by the bytes that their drivers report, less what driver and code take of them.
std::vector<MemoryPlace> usualCards();

/// One place of so many bytes; on a card less what driver and code take.
MemoryPlace placeOf(uint64_t bytes, const std::string &target);

/// What is free on the device of this machine: "cpu", "cuda" or "cuda-emulated".
Result<MemoryPlace> freeMemory(const std::string &device);

struct MemoryPlan {
  struct Fit {
    MemoryPlace place;
    int64_t longestContext = 0; ///< tokens, at most the model's; 0: not even one
  };

  MemoryPlan(const Manifest &manifest, const Plan &plan, const std::vector<MemoryPlace> &places);

  std::string model, precision, target, arch;
  int64_t contextLength = 0;
  int64_t stepRows = 0;
  uint64_t weightBytes = 0;
  uint64_t cacheBytesPerToken = 0;
  uint64_t cacheBytes = 0; ///< of one sequence of the context length
  uint64_t workspaceBytes = 0;
  std::vector<Fit> fits;

  OrderedJson toJson() const;
  std::string toText() const;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ENGINE_MEMORYPLAN_H
