//===- Recipe.h - What the recipe of a weight evaluates to ------------------------------------===//
//
// A recipe is evaluated by pulling: whoever wants a tile of the result asks the yielded op for it,
// which asks its operands for the tiles that it needs, down to the checkpoint's mapped bytes. So
// memory is bounded by the tile, and tiles can be made in any order by any number of threads.
//
// The three element types are exact in float32, so a value is rounded only where the recipe says
// so (llm.cast, llm.random, llm.fill, llm.quantize). A quantized weight is of the values that its
// codes stand for, float32; encode() gives the codes themselves.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_IR_WEIGHTS_RECIPE_H
#define LLMOPT_IR_WEIGHTS_RECIPE_H

#include "ir/weights/TensorSource.h"
#include "support/Quantization.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace mlir {
class Type;
class Value;
} // namespace mlir

namespace llmopt {

class WeightOp;

/// A recipe bound to a checkpoint. Creating one checks everything, so that evaluating cannot fail.
/// A vector counts as a matrix of one column. Independent of the IR that it was made from; the
/// checkpoint must outlive it. Thread-safe.
class Recipe {
public:
  /// Rows [rowBegin, rowEnd) and columns [columnBegin, columnEnd).
  struct Tile {
    int64_t rowBegin = 0;
    int64_t rowEnd = 0;
    int64_t columnBegin = 0;
    int64_t columnEnd = 0;

    int64_t rows() const { return rowEnd - rowBegin; }
    int64_t columns() const { return columnEnd - columnBegin; }
  };

  /// The recipe of a weight. `source` may be null if nothing is loaded. Fails if a tensor is
  /// missing or of another type or shape than the recipe says.
  static Result<Recipe> create(WeightOp weight, const TensorSource *source);
  /// The recipe of any value inside a weight's region.
  static Result<Recipe> create(mlir::Value value, const TensorSource *source);

  int64_t rows() const;
  int64_t columns() const;
  TensorSource::Type type() const;

  /// Writes the tile row-major into `out`, as elements of `type` (rounded to it if it is narrower
  /// than the recipe's own).
  void evaluateTile(const Tile &tile, TensorSource::Type type, void *out) const;
  /// How the weight is quantized, if it is.
  std::optional<QuantFormat> format() const;
  /// Rows [rowBegin, rowEnd) of a quantized weight: a code for each element, row-major, and its
  /// groups, format()->groups(columns()) of each row.
  void encode(int64_t rowBegin, int64_t rowEnd, uint8_t *codes, QuantGroup *groups) const;
  /// The whole, row-major.
  std::vector<float> evaluate(int threads) const;
  /// Tells the checkpoint that what these rows were made from is not needed soon.
  void release(int64_t rowBegin, int64_t rowEnd) const;

  class Node;

private:
  std::shared_ptr<const Node> root;
};

/// Whether the recipe can be evaluated from this checkpoint; see Recipe::create.
Status checkRecipe(WeightOp weight, const TensorSource *source);

/// The type of an f32, f16 or bf16.
std::optional<TensorSource::Type> sourceType(mlir::Type type);

/// Rows of random values: element (row, column) is randomWeight(seed, row * columns + column, mean,
/// scale) of support/RandomWeights.h, with rows counted from the first of these.
struct RandomRows {
  int64_t rows = 0;
  uint32_t seed = 0;
  float mean = 0;
  float scale = 0; ///< sqrt(3) * standard deviation
};

/// A weight that is random throughout, as consecutive rows, so that it can be made without data:
/// each value rounded once to the weight's element type. Nothing if the recipe loads, transposes,
/// takes rows from the middle of random ones, or rounds to another type on the way.
std::optional<std::vector<RandomRows>> randomRows(WeightOp weight);

} // namespace llmopt

#endif // LLMOPT_IR_WEIGHTS_RECIPE_H
