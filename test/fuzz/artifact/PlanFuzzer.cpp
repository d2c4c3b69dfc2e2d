// Reads any bytes as a plan.json, and walks through what comes out as a device does; the facts of
// target "cuda" too.

#include "runtime/artifact/Artifact.h"
#include "runtime/devices/cuda/CudaMemory.h"
#include "runtime/devices/cuda/CudaPlan.h"

#include <string_view>

using namespace llmopt;

/// What is launched for some numbers of rows; a product's operands must be there.
static void walkCudaPlan(const Plan &plan) {
  auto cuda = CudaPlan::read(plan, "plan.json");
  if (!cuda)
    return;
  for (size_t i = 0; i < plan.launches.size(); ++i)
    for (int64_t rows : {int64_t(1), int64_t(5), int64_t(1) << 30})
      for (const CudaCall &call : cuda->calls(i, rows, /*decode=*/true)) {
        if (const auto *grid = std::get_if<CudaGrid>(&call)) {
          if (grid->blocks(rows, rows, /*multiprocessors=*/132, /*resident=*/396) < 1)
            __builtin_trap();
        } else {
          const auto &product = std::get<CudaPlannedProduct>(call);
          for (int64_t index : {product.a, product.b, product.c})
            (void)plan.launches[i].arguments.at(index);
        }
      }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto json = parseJson(std::string_view(reinterpret_cast<const char *>(data), size), "plan.json");
  if (!json)
    return 0;
  auto plan = Plan::fromJson(*json, "plan.json");
  if (!plan)
    return 0;
  int64_t total = plan->buffers.at(plan->logits).rowBytes;
  for (const PlanWeight &weight : plan->weights)
    total |= weight.bytes();
  for (const PlanLaunch &launch : plan->launches) {
    for (const LaunchArgument &argument : launch.arguments) {
      if (argument.kind == LaunchArgument::Kind::Buffer)
        total |= plan->buffers.at(argument.index).rowBytes;
      if (argument.kind == LaunchArgument::Kind::Weight)
        total |= plan->weights.at(argument.index).bytes();
    }
  }
  walkCudaPlan(*plan);
  CudaMemory memory(*plan, 4096);
  if (memory.longestContext(uint64_t(80) << 30, {512, 16, 16}) > 4096)
    __builtin_trap();
  if (total < 0 || !Plan::fromJson(*parseJson(plan->toJson().dump(), "again"), "again"))
    __builtin_trap();
  return 0;
}
