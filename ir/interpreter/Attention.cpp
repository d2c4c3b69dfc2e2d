//===- Attention.cpp - Rotary positions, the cache and attention ------------------------------===//

#include "ir/interpreter/Evaluator.h"
#include "ir/weights/FloatConversion.h"

#include <algorithm>
#include <cmath>

namespace llmopt::interpreter {

//===- Rotary positions -----------------------------------------------------------------------===//

template <typename Real> Status evaluate(RopeTableOp op, Frame<Real> &frame) {
  const Indices &positions = frame.indices(op.getPositions());
  const auto pairs = static_cast<int64_t>(op.getFrequencies().size());
  const Real factor = static_cast<Real>(op.getFactor().convertToDouble());
  Matrix<Real> result(static_cast<int64_t>(positions.size()), 2 * pairs);
  for (int64_t n = 0; n < result.rows; ++n)
    for (int64_t i = 0; i < pairs; ++i) {
      const Real angle =
          static_cast<Real>(positions[n]) * static_cast<Real>(op.getFrequencies()[i]);
      result.row(n)[i] = std::cos(angle) * factor;
      result.row(n)[pairs + i] = std::sin(angle) * factor;
    }
  frame.define(op.getResult(), std::move(result));
  return success();
}

template <typename Real> Status evaluate(RopeOp op, Frame<Real> &frame) {
  Matrix<Real> result = frame.matrix(op.getInput());
  const Matrix<Real> &table = frame.matrix(op.getTable());
  if (table.rows != result.rows)
    return opError(op, fmt::format("{} rows with a table of {}", result.rows, table.rows));
  const auto headDim = static_cast<int64_t>(op.getHeadDim());
  const int64_t pairs = table.columns / 2;
  const bool half = op.getStyle() == RopeStyle::Half;
  for (int64_t n = 0; n < result.rows; ++n)
    for (int64_t head = 0; head < result.columns; head += headDim)
      for (int64_t i = 0; i < pairs; ++i) {
        Real &first = result.row(n)[head + (half ? i : 2 * i)];
        Real &second = result.row(n)[head + (half ? i + pairs : 2 * i + 1)];
        const Real a = first, b = second;
        const Real cosine = table.row(n)[i], sine = table.row(n)[pairs + i];
        first = a * cosine - b * sine;
        second = b * cosine + a * sine;
      }
  frame.define(op.getResult(), std::move(result));
  return success();
}

//===- The cache ------------------------------------------------------------------------------===//

/// Whether the batch says of each of `rows` rows which sequence it belongs to.
template <typename Real>
static Status checkRows(mlir::Operation *op, int64_t rows, const Indices &positions,
                        const Frame<Real> &frame) {
  if (static_cast<int64_t>(positions.size()) != rows ||
      static_cast<int64_t>(frame.batch.sequenceOf.size()) != rows)
    return opError(op, fmt::format("{} rows, {} positions, a batch of {} tokens", rows,
                                   positions.size(), frame.batch.sequenceOf.size()));
  return success();
}

template <typename Real> Status evaluate(CacheAppendOp op, Frame<Real> &frame) {
  const Matrix<Real> &keys = frame.matrix(op.getKeys());
  const Matrix<Real> &values = frame.matrix(op.getValues());
  const Indices &positions = frame.indices(op.getPositions());
  LLMOPT_TRY(checkRows(op, keys.rows, positions, frame));
  LLMOPT_TRY(checkRows(op, values.rows, positions, frame));
  mlir::Type type = op.getCache().getType().getElementType();
  for (int64_t n = 0; n < keys.rows; ++n) {
    const int32_t sequence = frame.batch.sequenceOf[n];
    KvState::Entries &entries = frame.cache.entries(sequence, op.getLayer());
    if (entries.width != 0 && entries.width != keys.columns)
      return opError(op, fmt::format("{} elements to a cache of {}", keys.columns, entries.width));
    entries.width = keys.columns;
    const int64_t position = positions[n];
    if (position < 0 || position > entries.positions())
      return opError(op, fmt::format("position {} of sequence {}, which has {} so far", position,
                                     sequence, entries.positions()));
    if (position == entries.positions()) {
      entries.keys.resize(entries.keys.size() + keys.columns);
      entries.values.resize(entries.values.size() + keys.columns);
    }
    for (int64_t i = 0; i < keys.columns; ++i) {
      entries.keys[position * keys.columns + i] = roundToElement(keys.row(n)[i], type);
      entries.values[position * keys.columns + i] = roundToElement(values.row(n)[i], type);
    }
  }
  return success();
}

//===- Attention ------------------------------------------------------------------------------===//

namespace {
template <typename Real> struct AttentionParameters {
  explicit AttentionParameters(AttentionOp op)
      : headDim(op.getCache().getType().getHeadDim()),
        headsPerGroup(op.getHeads() / op.getCache().getType().getHeads()),
        scale(static_cast<Real>(op.getScale().convertToDouble())),
        softcap(op.getSoftcap() ? static_cast<Real>(op.getSoftcap()->convertToDouble()) : 0) {}

  const int64_t headDim;
  const int64_t headsPerGroup; ///< query heads that read one key-value head
  const Real scale;
  const Real softcap; ///< 0: none
};
} // namespace

/// As Falcon computes it: the position and the product are rounded to bfloat16.
template <typename Real> static Real alibi(float slope, int64_t position) {
  const float rounded = roundToType(TensorSource::Type::BF16, static_cast<float>(position));
  return static_cast<Real>(roundToType(TensorSource::Type::BF16, slope * rounded));
}

/// Attention of query head `head`, `query`, over positions [begin, end).
template <typename Real>
static void attendHead(const AttentionParameters<Real> &parameters, const Real *query, int64_t head,
                       const float *slope, const KvState::Entries &entries, int64_t begin,
                       int64_t end, Real *result) {
  const int64_t offset = head / parameters.headsPerGroup * parameters.headDim;
  std::vector<Real> scores(end - begin);
  for (int64_t t = begin; t < end; ++t) {
    const double *key = entries.keys.data() + t * entries.width + offset;
    Real score = dot(query, key, parameters.headDim);
    if (slope)
      score += alibi<Real>(*slope, t);
    score *= parameters.scale;
    if (parameters.softcap != 0)
      score = parameters.softcap * std::tanh(score / parameters.softcap);
    scores[t - begin] = score;
  }

  const Real maximum = *std::max_element(scores.begin(), scores.end());
  Real total = 0;
  for (Real &score : scores) {
    score = std::exp(score - maximum);
    total += score;
  }
  std::fill_n(result, parameters.headDim, Real(0));
  for (int64_t t = begin; t < end; ++t) {
    const double *value = entries.values.data() + t * entries.width + offset;
    for (int64_t i = 0; i < parameters.headDim; ++i)
      result[i] += scores[t - begin] / total * static_cast<Real>(value[i]);
  }
}

template <typename Real> Status evaluate(AttentionOp op, Frame<Real> &frame) {
  const Matrix<Real> &query = frame.matrix(op.getQuery());
  const Indices &positions = frame.indices(op.getPositions());
  LLMOPT_TRY(checkRows(op, query.rows, positions, frame));
  const AttentionParameters<Real> parameters(op);

  Matrix<Real> result(query.rows, query.columns);
  for (int64_t n = 0; n < query.rows; ++n) {
    const int32_t sequence = frame.batch.sequenceOf[n];
    const KvState::Entries &entries = frame.cache.entries(sequence, op.getLayer());
    const int64_t end = int64_t(positions[n]) + 1;
    if (end < 1 || end > entries.positions())
      return opError(op, fmt::format("position {} of sequence {}, whose cache has {}", end - 1,
                                     sequence, entries.positions()));
    if (entries.width != op.getCache().getType().getWidth())
      return opError(op, fmt::format("cached rows of {} elements", entries.width));
    const int64_t begin =
        op.getWindow() ? std::max<int64_t>(0, end - static_cast<int64_t>(*op.getWindow())) : 0;
    for (int64_t head = 0; head < op.getHeads(); ++head) {
      const float *slope = op.getSlopes() ? op.getSlopes()->data() + head : nullptr;
      const int64_t column = head * parameters.headDim;
      attendHead(parameters, query.row(n) + column, head, slope, entries, begin, end,
                 result.row(n) + column);
    }
  }
  frame.define(op.getResult(), std::move(result));
  return success();
}

LLMOPT_INTERPRET(AttentionOp);
LLMOPT_INTERPRET(CacheAppendOp);
LLMOPT_INTERPRET(RopeOp);
LLMOPT_INTERPRET(RopeTableOp);

} // namespace llmopt::interpreter
