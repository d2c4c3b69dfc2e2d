//===- llmopt.cpp - The runtime's tools in one program ----------------------------------------===//

#include "tools/Tools.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>

using namespace llmopt;

namespace {
struct Command {
  const char *name;
  int (*main)(int argc, char **argv);
  const char *description;
};
} // namespace

static const Command commands[] = {
    {"run", runMain, "Runs a compiled model on a prompt (llmopt-run)"},
    {"bench", benchMain, "Measures a compiled model (llmopt-bench)"},
    {"check", checkMain, "Compares a compiled model with what it should say (llmopt-check)"},
    {"eval", evalMain, "Measures how good a compiled model is (llmopt-eval)"},
    {"tokenize", tokenizeMain, "Text to token ids and back (llmopt-tokenize)"},
    {"tune", tuneMain, "Finds the fastest schedules on this GPU (llmopt-tune)"},
};

static std::string usage() {
  std::string text = "The runtime's tools in one program.\nUsage: llmopt COMMAND [OPTIONS]\n\n";
  for (const Command &command : commands)
    text += fmt::format("  {:<10}{}\n", command.name, command.description);
  return text + "\nllmopt COMMAND --help tells a command's options.\n";
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  for (const Command &command : commands)
    if (std::strcmp(name, command.name) == 0)
      return command.main(argc - 1, argv + 1);
  bool help = std::strcmp(name, "--help") == 0 || std::strcmp(name, "-h") == 0;
  if (help) {
    fmt::print("{}", usage());
    return 0;
  }
  if (*name)
    fmt::print(stderr, "llmopt: there is no command '{}'\n\n", name);
  fmt::print(stderr, "{}", usage());
  return 2;
}
