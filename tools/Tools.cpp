#include "tools/Tools.h"

#include "support/Files.h"

#include <CLI/CLI.hpp>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace llmopt {

Result<std::string> readInput(const std::string &path) {
  const bool standard = path == "-";
  std::error_code code;
  const auto type = std::filesystem::status(path, code).type();
  if (!standard && type != std::filesystem::file_type::fifo &&
      type != std::filesystem::file_type::character)
    return readFile(path);
  std::FILE *stream = standard ? stdin : std::fopen(path.c_str(), "rb");
  if (!stream)
    return makeError("cannot open {}: {}", path, std::strerror(errno));
  std::string text;
  char buffer[1 << 16];
  while (size_t count = std::fread(buffer, 1, sizeof buffer, stream))
    text.append(buffer, count);
  const bool failed = std::ferror(stream) != 0;
  if (!standard)
    std::fclose(stream);
  if (failed)
    return makeError("cannot read {}", standard ? "standard input" : path);
  return text;
}

Result<int32_t> parseTokenId(const std::string &text) {
  int32_t id = 0;
  const char *end = text.data() + text.size();
  auto [parsed, problem] = std::from_chars(text.data(), end, id);
  if (problem == std::errc::result_out_of_range)
    return makeError("token id {} does not fit in 32 bits", shortened(text));
  if (problem != std::errc() || parsed != end)
    return makeError("\"{}\" is not a token id", shortened(text));
  return id;
}

void addDeviceOptions(CLI::App &app, DeviceOptions &options) {
  app.add_option("--device", options.device,
                 "Where it runs: cpu, cuda or cuda-emulated; else where it was compiled for")
      ->check(CLI::IsMember({"cpu", "cuda", "cuda-emulated"}));
  app.add_option("--tuning", options.tuning,
                 "On a GPU: schedules that llmopt-tune found, or none; else those found on this "
                 "card, if any")
      ->option_text("FILE.json");
  app.add_option("--launch", options.launch,
                 "On a GPU: how decode steps run, graph or persistent; else as it was compiled for")
      ->check(CLI::IsMember({"graph", "persistent"}));
  options.threads = 0;
  app.add_option("--threads", options.threads, "0: one for each core")->capture_default_str();
}

} // namespace llmopt
