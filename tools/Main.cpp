// The main of one tool: LLMOPT_TOOL_MAIN is its function in Tools.h.

#include "tools/Tools.h"

int main(int argc, char **argv) { return llmopt::LLMOPT_TOOL_MAIN(argc, argv); }
