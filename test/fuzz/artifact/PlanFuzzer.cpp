// Reads any bytes as a plan.json, and walks through what comes out as a device does.

#include "runtime/artifact/Artifact.h"

#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace llmopt;
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
  if (total < 0 || !Plan::fromJson(*parseJson(plan->toJson().dump(), "again"), "again"))
    __builtin_trap();
  return 0;
}
