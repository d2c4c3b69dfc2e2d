//===- Evaluator.h - What the op families of the interpreter share; internal ------------------===//
//
// Each family has a file of its own (Attention.cpp, Linear.cpp, ...) with one function per op:
//
//   template <typename Real> Status evaluate(AddOp op, Frame<Real> &frame);
//
// which reads the operands from the frame, computes in Real, and defines the result. To add an op,
// declare its function here, list it in Interpreter.cpp and write it in its family's file.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_IR_INTERPRETER_EVALUATOR_H
#define LLMOPT_IR_INTERPRETER_EVALUATOR_H

#include "ir/Dialect.h"
#include "ir/interpreter/Interpreter.h"

#include "llvm/ADT/DenseMap.h"

namespace llmopt::interpreter {

/// A row-major matrix, or a vector as a matrix of one column.
template <typename Real> struct Matrix {
  Matrix() = default;
  Matrix(int64_t rows, int64_t columns)
      : rows(rows), columns(columns), values(static_cast<size_t>(rows * columns)) {}

  Real *row(int64_t index) { return values.data() + index * columns; }
  const Real *row(int64_t index) const { return values.data() + index * columns; }
  Real operator[](int64_t index) const { return values[index]; }

  int64_t rows = 0;
  int64_t columns = 1;
  std::vector<Real> values;
};

using Indices = std::vector<int32_t>;

/// What an SSA value holds: floats or indices; nothing for the batch and the cache.
template <typename Real> struct Slot {
  std::shared_ptr<const Matrix<Real>> matrix;
  std::shared_ptr<const Indices> indices;
};

/// The weights of a module, evaluated when first used.
template <typename Real> class WeightStore {
public:
  virtual ~WeightStore() = default;
  virtual Result<std::shared_ptr<const Matrix<Real>>> get(mlir::StringRef name) = 0;
};

/// The values of one run of a function.
template <typename Real> class Frame {
public:
  Frame(const RaggedBatch &batch, KvState &cache, WeightStore<Real> &weights, int threads)
      : batch(batch), cache(cache), weights(weights), threads(threads) {}

  const Matrix<Real> &matrix(mlir::Value value) const { return *slots.at(value).matrix; }
  const Indices &indices(mlir::Value value) const { return *slots.at(value).indices; }
  Slot<Real> slot(mlir::Value value) const { return slots.lookup(value); }

  /// The result of an op, rounded to the value's element type.
  void define(mlir::Value value, Matrix<Real> result);
  void bind(mlir::Value value, Slot<Real> slot) { slots[value] = std::move(slot); }
  /// Forgets the operands that no later op uses.
  void releaseOperands(mlir::Operation *op);

  const RaggedBatch &batch;
  KvState &cache;
  WeightStore<Real> &weights;
  const int threads;

private:
  llvm::DenseMap<mlir::Value, Slot<Real>> slots;
  llvm::DenseMap<mlir::Value, int64_t> uses;
};

/// Runs the ops of a block and returns what its terminator holds.
template <typename Real>
Result<std::vector<Slot<Real>>> evaluateBlock(mlir::Block &block, Frame<Real> &frame);

/// The value of an element type nearest to `value`, ties to even; float32 is left as it is.
double roundToElement(double value, mlir::Type type);

/// "loc(...): llm.add: <what>"
Error opError(mlir::Operation *op, const std::string &what);

/// The sum of products, in eight running sums so that the compiler can vectorize it. The order
/// depends on the count only.
template <typename Real, typename Other> Real dot(const Real *a, const Other *b, int64_t count) {
  Real sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int64_t j = 0; j < 8; ++j)
      sums[j] += a[i + j] * static_cast<Real>(b[i + j]);
  for (; i < count; ++i)
    sums[i % 8] += a[i] * static_cast<Real>(b[i]);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

template <typename Real> Status evaluate(ActivationOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(AddOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(AttentionOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(CacheAppendOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(CastOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(EmbedOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(GatherRowsOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(GetWeightOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(KernelOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(LinearOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(MulOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(NormOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(RopeOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(RopeTableOp op, Frame<Real> &frame);
template <typename Real> Status evaluate(SliceOp op, Frame<Real> &frame);

/// At the end of a family's file: both arithmetics of an op's function.
#define LLMOPT_INTERPRET(Op)                                                                       \
  template Status evaluate(Op, Frame<float> &);                                                    \
  template Status evaluate(Op, Frame<double> &)

} // namespace llmopt::interpreter

#endif // LLMOPT_IR_INTERPRETER_EVALUATOR_H
