//===- PersistentStep.h - Launches a whole step as one kernel ---------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_PERSISTENTSTEP_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_PERSISTENTSTEP_H

#include "runtime/devices/cuda/CudaCode.h"
#include "runtime/devices/cuda/Driver.h"
#include "runtime/devices/cuda/StepTable.h"

#include <map>

namespace llmopt {

/// The step functions of an artifact, and for each size of batch that they have run with a table in
/// the memory of the device.
class PersistentStep {
public:
  explicit PersistentStep(CudaDriver &driver) : driver(driver) {}
  PersistentStep(const PersistentStep &) = delete;
  PersistentStep &operator=(const PersistentStep &) = delete;
  ~PersistentStep() { forget(); }

  Status open(const std::vector<StepFunction> &functions, const CudaCode &code);
  /// Whether decodes of so many rows run as one kernel.
  bool runs(int64_t rows) const;
  /// Of the launch of a step of so many rows.
  int64_t blocksOf(int64_t rows) const { return functions[functionFor(rows)].blocks; }
  /// Of a launch of the plan in decodes of so many rows, which run as one kernel.
  const StepSync &syncOf(size_t launch, int64_t rows) const {
    return functions[functionFor(rows)].plan.syncs[launch];
  }

  /// Makes the table for so many rows, if there is none. Not while a graph is recorded.
  Status prepare(int64_t rows, const std::vector<StepLaunch> &launches);
  /// Queues the step of `batch`, on the device, whose rows were prepared. `extents` is what it
  /// touches beside the table.
  Status queue(const LlmoptBatch &batch, std::vector<CudaExtent> extents);
  /// What the tables point to has moved.
  void forget();

private:
  struct Prepared {
    size_t function = 0;
    CudaAddress memory = 0;
    uint64_t tableBytes = 0, bytes = 0; ///< before the counters; of all
    LlmoptStep step = {};
  };
  struct Function {
    StepFunction plan;
    const CudaKernel *kernel = nullptr;
    int64_t blocks = 0; ///< that the card runs at once
  };
  size_t functionFor(int64_t rows) const;

  CudaDriver &driver;
  std::vector<Function> functions;
  std::map<int64_t, Prepared> prepared; ///< by rows
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_PERSISTENTSTEP_H
