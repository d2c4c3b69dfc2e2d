#include "runtime/devices/cuda/PersistentStep.h"

#include <cstring>

namespace llmopt {

Status PersistentStep::open(const std::vector<StepFunction> &plans, const CudaCode &code) {
  for (const StepFunction &plan : plans) {
    Function function{plan, code.find(plan.function), 0};
    LLMOPT_ASSIGN(function.blocks,
                  driver.residentBlocks(*function.kernel, plan.threads, plan.sharedBytes));
    if (function.blocks < 1)
      return makeError("function '{}' has no room on the {}", plan.function, driver.card().name);
    functions.push_back(std::move(function));
  }
  return success();
}

size_t PersistentStep::functionFor(int64_t rows) const {
  size_t i = 0;
  while (i < functions.size() && functions[i].plan.maxRows < rows)
    ++i;
  return i;
}

bool PersistentStep::runs(int64_t rows) const { return functionFor(rows) < functions.size(); }

Status PersistentStep::prepare(int64_t rows, const std::vector<StepLaunch> &launches) {
  if (prepared.count(rows))
    return success();
  Prepared result;
  result.function = functionFor(rows);
  const Function &function = functions[result.function];
  StepTable table(function.plan, launches, function.blocks);

  // Kernels, the table, and the counters, which begin with 0.
  const uint64_t kernelBytes = table.kernels().size() * sizeof(LlmoptStepKernel);
  const uint64_t listBytes = (table.table().size() * sizeof(int32_t) + 127) / 128 * 128;
  result.tableBytes = kernelBytes + listBytes;
  result.bytes = result.tableBytes + static_cast<uint64_t>(table.counters()) * sizeof(uint32_t);
  std::vector<char> image(result.bytes);
  std::memcpy(image.data(), table.kernels().data(), kernelBytes);
  std::memcpy(image.data() + kernelBytes, table.table().data(),
              table.table().size() * sizeof(int32_t));
  LLMOPT_ASSIGN(result.memory,
                driver.allocate(result.bytes, fmt::format("the table of a step of {} rows", rows)));
  LLMOPT_TRY(driver.upload(result.memory, image.data(), image.size()));

  result.step.kernels = reinterpret_cast<const LlmoptStepKernel *>(result.memory);
  result.step.table = reinterpret_cast<const int32_t *>(result.memory + kernelBytes);
  result.step.counters = reinterpret_cast<uint32_t *>(result.memory + result.tableBytes);
  result.step.kernelCount = static_cast<int32_t>(table.kernels().size());
  prepared[rows] = result;
  return success();
}

Status PersistentStep::queue(const LlmoptBatch &batch, std::vector<CudaExtent> extents) {
  const Prepared &own = prepared.at(batch.tokens);
  const Function &function = functions[own.function];
  extents.push_back({own.memory, own.tableBytes, /*writable=*/false, /*fixed=*/true});
  extents.push_back({own.memory + own.tableBytes, own.bytes - own.tableBytes, /*writable=*/true});
  CudaLaunch launch;
  launch.kernel = function.kernel;
  launch.blocks = static_cast<uint32_t>(function.blocks);
  launch.threads = function.plan.threads;
  launch.sharedBytes = function.plan.sharedBytes;
  launch.cooperative = true;
  launch.parameters = {&batch, &own.step};
  launch.extents = std::move(extents);
  return driver.launch(launch);
}

void PersistentStep::forget() {
  for (const auto &[rows, own] : prepared)
    driver.free(own.memory);
  prepared.clear();
}

} // namespace llmopt
