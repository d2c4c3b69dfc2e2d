//===- Tools.h - The runtime's tools, as programs or as commands of one program ---------------===//
//
// Each is a program of its own (Main.cpp), and a command of `llmopt` (llmopt.cpp), the one that is
// carried to another machine.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_TOOLS_TOOLS_H
#define LLMOPT_TOOLS_TOOLS_H

#include "runtime/devices/Device.h"

namespace CLI {
class App;
}

namespace llmopt {

/// --device and --threads.
void addDeviceOptions(CLI::App &app, DeviceOptions &options);

int runMain(int argc, char **argv);
int benchMain(int argc, char **argv);
int checkMain(int argc, char **argv);
int tokenizeMain(int argc, char **argv);

} // namespace llmopt

#endif // LLMOPT_TOOLS_TOOLS_H
