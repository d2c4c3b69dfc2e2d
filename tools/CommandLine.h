//===- CommandLine.h - A tool's command line, and what is wrong with it -----------------------===//

#ifndef LLMOPT_TOOLS_COMMANDLINE_H
#define LLMOPT_TOOLS_COMMANDLINE_H

#include "support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace llmopt {

/// Parses the command line of a tool, whose name is the app's. The value of an option is never
/// empty, but for a --prompt, and a number is all of the value. If there is nothing more to do (the
/// help was asked for, or the line is wrong, which is told in one sentence), returns the tool's
/// exit code.
std::optional<int> parseCommandLine(CLI::App &app, int argc, char **argv);

/// The Error that `option` cannot be honoured, if it was given.
Status refuse(const CLI::App &app, const char *option, const std::string &why);

} // namespace llmopt

#endif // LLMOPT_TOOLS_COMMANDLINE_H
