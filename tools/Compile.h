//===- Compile.h - The way from a checkpoint to an artifact -----------------------------------===//

#ifndef LLMOPT_TOOLS_COMPILE_H
#define LLMOPT_TOOLS_COMPILE_H

#include "runtime/engine/MemoryPlan.h"
#include "support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llmopt {

struct CompileOptions {
  enum class Emit { Artifact, Source, Mlir, MemoryPlan };

  std::string checkpoint;
  std::string output;
  Emit emit = Emit::Artifact;
  std::string target = "cpu";
  std::string precision = "32-true";
  std::string cpu = "native";
  std::string arch = "sm_90a";
  bool randomWeights = false;
  uint32_t seed = 0;
  std::optional<int64_t> contextLength;
  std::string quantize; ///< see --llm-quantize; empty: nothing
  bool fuse = true;
  bool batchInvariant = false;  ///< of the target cuda; the CPU's kernels are so always
  std::string tuning;           ///< of the target cuda; a file, or empty
  std::string launch = "graph"; ///< of the target cuda; or "persistent"
  std::string passPipeline;     ///< instead of the default pipeline; empty for that
  std::vector<std::string> printAfter;
  bool verifySemantics = false;
  /// For MemoryPlan: bytes that the model may take; else what usual cards, or this machine, have.
  std::optional<uint64_t> memory;
  int threads = 0;
  bool quiet = false;
};

/// What was made, for the tool to print.
struct CompileReport {
  std::string text;                 ///< with Emit::Source or Mlir and no output file
  std::optional<MemoryPlan> memory; ///< with Emit::MemoryPlan
  int64_t parameters = 0;
  int64_t weightBytes = 0;
  int64_t launches = 0;
  int64_t kernels = 0;
  double seconds = 0;

  std::string toJson(const std::string &output) const;
};

Result<CompileReport> compile(const CompileOptions &options);

} // namespace llmopt

#endif // LLMOPT_TOOLS_COMPILE_H
