//===- Tools.h - The runtime's tools, as programs or as commands of one program ---------------===//
//
// Each is a program of its own (Main.cpp), and a command of `llmopt` (llmopt.cpp), the one that is
// carried to another machine.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_TOOLS_TOOLS_H
#define LLMOPT_TOOLS_TOOLS_H

#include "runtime/devices/Device.h"
#include "support/Error.h"

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace llmopt {

/// A file's content. "-" is standard input, which like a pipe is read to its end.
Result<std::string> readInput(const std::string &path);

/// The number that a text is; whether the model has such a token is not asked.
Result<int32_t> parseTokenId(const std::string &text);

/// --device, --tuning, --launch and --threads.
void addDeviceOptions(CLI::App &app, DeviceOptions &options);

int runMain(int argc, char **argv);
int benchMain(int argc, char **argv);
int checkMain(int argc, char **argv);
int evalMain(int argc, char **argv);
int tokenizeMain(int argc, char **argv);
int tuneMain(int argc, char **argv);

} // namespace llmopt

#endif // LLMOPT_TOOLS_TOOLS_H
