//===- Embedding.cpp - Rows by index ----------------------------------------------------------===//

#include "ir/interpreter/Evaluator.h"

#include <algorithm>

namespace llmopt::interpreter {

template <typename Real>
static Status evaluateRows(mlir::Operation *op, const Matrix<Real> &table, const Indices &indices,
                           Frame<Real> &frame) {
  Matrix<Real> result(static_cast<int64_t>(indices.size()), table.columns);
  for (int64_t n = 0; n < result.rows; ++n) {
    if (indices[n] < 0 || indices[n] >= table.rows)
      return opError(op, fmt::format("index {} of {} rows", indices[n], table.rows));
    std::copy_n(table.row(indices[n]), table.columns, result.row(n));
  }
  frame.define(op->getResult(0), std::move(result));
  return success();
}

template <typename Real> Status evaluate(EmbedOp op, Frame<Real> &frame) {
  return evaluateRows(op, frame.matrix(op.getTable()), frame.indices(op.getIndices()), frame);
}

template <typename Real> Status evaluate(GatherRowsOp op, Frame<Real> &frame) {
  return evaluateRows(op, frame.matrix(op.getInput()), frame.indices(op.getRows()), frame);
}

LLMOPT_INTERPRET(EmbedOp);
LLMOPT_INTERPRET(GatherRowsOp);

} // namespace llmopt::interpreter
