//===- Materializer.h - From recipes to weights.safetensors -----------------------------------===//
//
// Evaluates the recipes of a module straight into the artifact's file, a block of rows at a time:
// resident memory is that of a few blocks, whatever the size of the checkpoint. The bytes do not
// depend on the number of threads.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_IR_WEIGHTS_MATERIALIZER_H
#define LLMOPT_IR_WEIGHTS_MATERIALIZER_H

#include "ir/weights/QuantizedPanels.h"
#include "ir/weights/TensorSource.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mlir {
class ModuleOp;
} // namespace mlir

namespace llmopt {

class WeightOp;

/// How a weight lies in memory and in weights.safetensors.
struct WeightLayout {
  std::string dtype; ///< "F32", "F16" or "BF16"; "U8" of a quantized weight
  /// The weight's own shape if it is row-major; of `#llm.packed` [ceil(rows / panel),
  /// ceil(columns / interleave), panel, interleave], or if it is quantized [ceil(rows / panel),
  /// bytes of a panel].
  std::vector<int64_t> shape;
  uint64_t bytes = 0;
  int64_t panel = 1;
  int64_t interleave = 1;
  bool packed = false;
  std::optional<QuantizedPanels> quantized;
};

/// Fails if the weight is too large to count its bytes, or of a type with no place in the file.
Result<WeightLayout> weightLayout(WeightOp weight);

struct MaterializeOptions {
  int threads = 1;
  bool quiet = false;           ///< no progress on standard error
  bool writeRandom = false;     ///< also weights that are random throughout (see randomRows)
  int64_t blockBytes = 1 << 20; ///< of a block of rows; at least one panel is evaluated at once
};

/// Writes every `llm.weight` of the module into the safetensors file `path`, under its symbol name,
/// 4 KiB aligned; weights that are random throughout are left to the runtime. No file is written if
/// that is all of them. `source` may be null if nothing is loaded. On an error no file is left.
Status materializeWeights(mlir::ModuleOp module, const TensorSource *source,
                          const std::string &path, const MaterializeOptions &options = {});

} // namespace llmopt

#endif // LLMOPT_IR_WEIGHTS_MATERIALIZER_H
