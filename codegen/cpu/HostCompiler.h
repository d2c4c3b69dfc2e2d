//===- HostCompiler.h - model.cpp to model.so by the system's compiler ------------------------===//

#ifndef LLMOPT_CODEGEN_CPU_HOSTCOMPILER_H
#define LLMOPT_CODEGEN_CPU_HOSTCOMPILER_H

#include "support/Error.h"

#include <string>
#include <vector>

namespace llmopt {

/// The machine that an artifact is compiled for.
struct HostTarget {
  std::string compiler; ///< full path: $CXX, else c++
  std::string cpu;      ///< the compiler's -march: "native", "x86-64-v3", "znver4", ...
  /// What the compiler may use, as /proc/cpuinfo spells it; the runtime refuses a CPU without.
  std::vector<std::string> features;

  /// The command that turns model.cpp into model.so.
  std::vector<std::string> command() const;
};

/// Finds the compiler and asks it what `cpu` has. An unknown CPU is the compiler's own message.
Result<HostTarget> resolveHostTarget(const std::string &cpu);

/// Compiles `directory`/model.cpp into `directory`/model.so.
Status compileHostModule(const HostTarget &target, const std::string &directory);

} // namespace llmopt

#endif // LLMOPT_CODEGEN_CPU_HOSTCOMPILER_H
