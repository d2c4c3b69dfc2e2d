//===- Process.h - Other programs -------------------------------------------------------------===//

#ifndef LLMOPT_SUPPORT_PROCESS_H
#define LLMOPT_SUPPORT_PROCESS_H

#include "support/Error.h"

#include <string>
#include <vector>

namespace llmopt {

/// The full path of a program, which is looked up as a shell does it. `why` is for the error: what
/// it is needed for, and what to do about it.
Result<std::string> findProgram(const std::string &name, const std::string &why);

/// Runs a program, words[0], in `directory` with no input; what it writes to its output and errors
/// in one string. A program that fails is an error with the line of that string that says why.
Result<std::string> runProgram(const std::vector<std::string> &words, const std::string &directory);

/// The system's C++ compiler, $CXX or else c++; `why` as above.
Result<std::string> findCompiler(const std::string &why);

} // namespace llmopt

#endif // LLMOPT_SUPPORT_PROCESS_H
