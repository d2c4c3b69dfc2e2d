#include "tools/Tools.h"

#include <CLI/CLI.hpp>

namespace llmopt {

void addDeviceOptions(CLI::App &app, DeviceOptions &options) {
  app.add_option("--device", options.device,
                 "Where it runs: cpu, cuda or cuda-emulated; else where it was compiled for")
      ->check(CLI::IsMember({"cpu", "cuda", "cuda-emulated"}));
  options.threads = 0;
  app.add_option("--threads", options.threads, "0: one for each core")->capture_default_str();
}

} // namespace llmopt
