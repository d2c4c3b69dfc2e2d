//===- ArtifactWriter.h - From a placed module to a directory that runs -----------------------===//

#ifndef LLMOPT_CODEGEN_ARTIFACTWRITER_H
#define LLMOPT_CODEGEN_ARTIFACTWRITER_H

#include "ir/weights/TensorSource.h"
#include "runtime/artifact/Artifact.h"
#include "support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mlir {
class ModuleOp;
} // namespace mlir

namespace llmopt {

struct ArtifactOptions {
  std::string target = "cpu";  ///< "cpu" or "cuda"
  std::string cpu = "native";  ///< CPU: the compiler's -march
  std::string arch = "sm_90a"; ///< CUDA: the architecture
  int64_t parameters = 0;      ///< for the manifest
  bool randomWeights = false;  ///< for the manifest
  /// Files to copy into the artifact under their own names: the tokenizer's.
  std::vector<std::string> copies;
  int threads = 1;
  bool quiet = false;
};

/// The emitted source of a placed module: model.cpp, or the files of source/ one after the other.
Result<std::string> emitSource(mlir::ModuleOp module, const ArtifactOptions &options);

/// The manifest as far as the module's configuration and the options say it: no files.
Result<Manifest> describeModule(mlir::ModuleOp module, const Plan &plan,
                                const ArtifactOptions &options);

/// Writes the whole artifact to `path`. Nothing appears there before everything is written; an
/// older artifact of that name is replaced then. `source` may be null if no weight is loaded.
Status writeArtifact(mlir::ModuleOp module, const TensorSource *source, const std::string &path,
                     const ArtifactOptions &options);

} // namespace llmopt

#endif // LLMOPT_CODEGEN_ARTIFACTWRITER_H
