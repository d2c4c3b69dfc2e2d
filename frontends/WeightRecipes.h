//===- WeightRecipes.h - From a tensor of the checkpoint to an llm.weight ---------------------===//
//
// Makes the `llm.weight` symbols of a module: from a checkpoint a load of the stored type, the row
// blocks or the transposition that the family's layout asks for, and a cast to float32; without
// one, random values of the same shape.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_FRONTENDS_WEIGHTRECIPES_H
#define LLMOPT_FRONTENDS_WEIGHTRECIPES_H

#include "frontends/Checkpoint.h"
#include "ir/Dialect.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"

#include <optional>
#include <set>
#include <string>

namespace llmopt {

/// `count` blocks of `block` rows, the first at `offset`, each `stride` rows after the last.
struct RowBlocks {
  int64_t offset = 0;
  int64_t block = 0;
  int64_t stride = 0;
  int64_t count = 1;

  int64_t rows() const { return block * count; }
};

/// One weight of a model and where it lies in the checkpoint.
struct WeightSpec {
  std::string symbol;                  ///< of the llm.weight
  std::string tensor;                  ///< in the checkpoint
  llvm::SmallVector<int64_t, 2> shape; ///< as stored: [out, in], [out] or, transposed, [in, out]
  bool transposed = false;             ///< stored [in, out], as GPT-2's Conv1D is
  std::optional<RowBlocks> rows = {};  ///< of the [out, in] matrix, for a part of a fused tensor
  enum class Initial { Random, Ones, Zeros } initial = Initial::Random; ///< without a checkpoint

  /// The shape of the weight that the recipe gives.
  llvm::SmallVector<int64_t, 2> resultShape() const;
};

class WeightRecipes {
public:
  /// Weights of `checkpoint`, or random ones of the standard deviation if it is null. A tensor that
  /// the checkpoint does not have is looked for without `basePrefix` too: a family's base model,
  /// saved alone, has no such prefix.
  WeightRecipes(const Checkpoint *checkpoint, uint32_t seed, double deviation,
                std::string basePrefix)
      : checkpoint(checkpoint), seed(seed), deviation(deviation),
        basePrefix(std::move(basePrefix)) {}

  /// The type of the weight; the first call with a symbol builds it. A tensor that is missing or of
  /// another shape is remembered as the first error, and building goes on.
  mlir::RankedTensorType add(mlir::OpBuilder &builder, const WeightSpec &spec);

  /// Whether the checkpoint has a tensor; without a checkpoint, no.
  bool has(const std::string &tensor) const;
  /// Elements of all weights.
  int64_t parameters() const { return elements; }
  /// The first error of add(), or else an error if the checkpoint holds a tensor that no weight
  /// uses: then the model is not what its config says. Buffers that old files hold are not weights.
  Status finish() const;

private:
  std::optional<std::string> stored(const std::string &tensor) const;
  mlir::Value load(mlir::OpBuilder &builder, mlir::Location location, const WeightSpec &spec);
  mlir::Value initial(mlir::OpBuilder &builder, mlir::Location location, const WeightSpec &spec,
                      mlir::RankedTensorType type);

  const Checkpoint *checkpoint;
  uint32_t seed;
  double deviation;
  std::string basePrefix;
  llvm::StringMap<mlir::RankedTensorType> made;
  std::set<std::string> used;
  int64_t elements = 0;
  std::optional<Error> firstError;
};

} // namespace llmopt

#endif // LLMOPT_FRONTENDS_WEIGHTRECIPES_H
