//===- Frontend.h - From a checkpoint to the llm dialect --------------------------------------===//

#ifndef LLMOPT_FRONTENDS_FRONTEND_H
#define LLMOPT_FRONTENDS_FRONTEND_H

#include "ir/weights/TensorSource.h"
#include "support/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace llmopt {

struct ImportOptions {
  /// Makes weights up instead of reading them: a config is enough.
  bool randomWeights = false;
  uint32_t seed = 0;
  /// Tokens of context, at most the config's; the config's if absent.
  std::optional<int64_t> contextLength;
};

struct ImportedModel {
  /// A verified module in phase graph, float32.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// What the recipes load from; null for random weights.
  std::unique_ptr<TensorSource> source;
  int64_t parameters = 0;
};

/// Reads a Hugging Face checkpoint: a directory with config.json and safetensors. With random
/// weights `path` may also be a config file, or a directory that has nothing but config.json.
Result<ImportedModel> importHuggingFace(mlir::MLIRContext &context, const std::string &path,
                                        const ImportOptions &options = {});

/// The part of it that reads a config, with random weights; `file` is its name in messages.
Result<ImportedModel> importConfig(mlir::MLIRContext &context, std::string_view text,
                                   const std::string &file, const ImportOptions &options = {});

} // namespace llmopt

#endif // LLMOPT_FRONTENDS_FRONTEND_H
