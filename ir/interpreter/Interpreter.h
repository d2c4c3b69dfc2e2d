//===- Interpreter.h - The oracle: evaluates any function of the dialect ----------------------===//
//
// Evaluates a module op by op with plain loops, in any phase, before and after any pass. It is
// written for reading and is what everything else is held against; it is itself held against
// Hugging Face transformers.
//
// Arithmetic is in float32 or float64. Each op's result is rounded to its element type: float16 and
// bfloat16 always, float32 only in float32 arithmetic (in float64 it stays a double, so that passes
// which only reorder sums agree to many digits).
//
//   LLMOPT_ASSIGN(Interpreter interpreter, Interpreter::create(module, &checkpoint));
//   KvState cache;
//   LLMOPT_ASSIGN(auto logits, interpreter.step(RaggedBatch::prompt(0, {1, 15, 7}), cache));
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_IR_INTERPRETER_INTERPRETER_H
#define LLMOPT_IR_INTERPRETER_INTERPRETER_H

#include "ir/weights/TensorSource.h"
#include "support/Error.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mlir {
class ModuleOp;
} // namespace mlir

namespace llmopt {

/// The rows of one step: tokens of any number of sequences, those of a sequence consecutive and in
/// rising position.
struct RaggedBatch {
  std::vector<int32_t> tokens;
  std::vector<int32_t> positions;  ///< of each token in its sequence
  std::vector<int32_t> sequenceOf; ///< which sequence each token belongs to
  std::vector<int32_t> rows;       ///< the tokens whose logits are wanted

  /// Adds tokens of one sequence; `wanted` if the logits of all of them are.
  void append(int32_t sequence, int32_t firstPosition, const std::vector<int32_t> &tokenIds,
              bool wanted = true);
  /// A sequence from its beginning, all logits wanted.
  static RaggedBatch prompt(int32_t sequence, const std::vector<int32_t> &tokenIds);
};

/// Keys and values of all sequences and layers, by position: the interpreter's cache. A sequence
/// grows by writing its next position; writing an earlier one again replaces it.
class KvState {
public:
  struct Entries {
    int64_t width = 0;          ///< elements of keys, and of values, of one position
    std::vector<double> keys;   ///< [positions, width]
    std::vector<double> values; ///< [positions, width]
    int64_t positions() const { return width ? static_cast<int64_t>(keys.size()) / width : 0; }
  };

  /// Creates the entries of a sequence that has none.
  Entries &entries(int32_t sequence, int64_t layer) { return map[{sequence, layer}]; }

private:
  std::map<std::pair<int32_t, int64_t>, Entries> map;
};

class Interpreter {
public:
  enum class Arithmetic { Float32, Float64 };
  struct Options {
    Arithmetic arithmetic = Arithmetic::Float32;
    int threads = 1; ///< results do not depend on it
  };

  /// A row-major vector or matrix; a float32 result is exact in double.
  struct Tensor {
    std::vector<int64_t> shape;
    std::vector<double> values;
  };
  using Logits = Tensor; ///< [wanted rows, vocabulary]

  /// Checks every recipe of the module; a weight is evaluated when it is first used, and kept.
  /// `source` may be null if nothing is loaded. The module and the source must outlive the
  /// interpreter, and the module may not change.
  static Result<Interpreter> create(mlir::ModuleOp module, const TensorSource *source,
                                    Options options);
  static Result<Interpreter> create(mlir::ModuleOp module, const TensorSource *source);
  Interpreter(Interpreter &&) noexcept;
  Interpreter &operator=(Interpreter &&) noexcept;
  ~Interpreter();

  /// Runs @step and returns the logits of the batch's wanted rows.
  Result<Logits> step(const RaggedBatch &batch, KvState &cache);

  /// Runs any function of the module: `arguments` are its tensors in order; a batch and a cache
  /// among its arguments are these. Returns the tensors among its results.
  Result<std::vector<Tensor>> call(const std::string &function,
                                   const std::vector<Tensor> &arguments, const RaggedBatch &batch,
                                   KvState &cache);
  Result<std::vector<Tensor>> call(const std::string &function,
                                   const std::vector<Tensor> &arguments);

private:
  class Impl;
  template <typename Real> class TypedImpl;
  explicit Interpreter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace llmopt

#endif // LLMOPT_IR_INTERPRETER_INTERPRETER_H
