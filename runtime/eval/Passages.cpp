#include "runtime/eval/Passages.h"

#include "support/Progress.h"
#include "support/ThreadPool.h"

#include <algorithm>
#include <cmath>

namespace llmopt {

namespace {
/// A row of logits to be scored.
struct Row {
  size_t score = 0; ///< its place among the scores
  int32_t token = 0;
  const float *logits = nullptr;
  const float *baseline = nullptr; ///< null without one
};
} // namespace

/// The rows of a chunk that have a scored token after them.
static void addRows(std::vector<Row> &rows, const LogitChunk &chunk, const float *baseline,
                    const Passage &passage, size_t firstScore, int64_t vocabulary) {
  int64_t begin = std::max(chunk.first, passage.scored - 1);
  int64_t end = std::min(chunk.first + chunk.rows, passage.count - 1);
  for (int64_t i = begin; i < end; ++i) {
    int64_t offset = (i - chunk.first) * vocabulary;
    rows.push_back({firstScore + static_cast<size_t>(i + 1 - passage.scored), passage.tokens[i + 1],
                    chunk.logits + offset, baseline ? baseline + offset : nullptr});
  }
}

/// The logits of a chunk of the baseline's, one for each chunk of the model's.
static Result<std::vector<const float *>> baselineLogits(const std::vector<LogitChunk> &chunks,
                                                         EvalModel *baseline) {
  std::vector<const float *> logits(chunks.size(), nullptr);
  if (!baseline)
    return logits;
  LLMOPT_ASSIGN(std::vector<LogitChunk> others, baseline->step());
  auto same = [](const LogitChunk &a, const LogitChunk &b) {
    return a.passage == b.passage && a.first == b.first && a.rows == b.rows;
  };
  if (!std::equal(chunks.begin(), chunks.end(), others.begin(), others.end(), same))
    return makeError("the baseline {} computed other rows in a step", baseline->path());
  for (size_t i = 0; i < others.size(); ++i)
    logits[i] = others[i].logits;
  return logits;
}

static Status checkFinite(const TokenScore &score, const EvalModel &model,
                          const EvalModel *baseline) {
  bool own = std::isfinite(score.nll), others = std::isfinite(score.baselineNll);
  if (own && others && std::isfinite(score.kl))
    return success();
  return makeError("the logits of {} are not numbers (NaN), or infinite",
                   own && baseline ? baseline->path() : model.path());
}

Result<std::vector<TokenScore>> scorePassages(EvalModel &model, EvalModel *baseline,
                                              const std::vector<Passage> &passages,
                                              const ScoringOptions &options) {
  std::vector<size_t> firstScore; // of each passage, and the end
  int64_t longest = 0, tokens = 0;
  size_t count = 0;
  for (const Passage &passage : passages) {
    firstScore.push_back(count);
    count += static_cast<size_t>(passage.count - passage.scored);
    longest = std::max(longest, passage.count);
    tokens += passage.count;
  }
  std::vector<TokenScore> scores(count);
  LLMOPT_TRY(model.start(longest));
  if (baseline)
    LLMOPT_TRY(baseline->start(longest));
  Progress progress(options.label, static_cast<uint64_t>(tokens), Progress::Unit::Count,
                    options.quiet);
  std::vector<Row> rows;
  for (size_t next = 0; next < passages.size() || !model.idle();) {
    for (; next < passages.size() && model.wantsPassage(); ++next) {
      const Passage &passage = passages[next];
      LLMOPT_TRY(model.submit(next, passage.tokens, passage.count));
      if (baseline)
        LLMOPT_TRY(baseline->submit(next, passage.tokens, passage.count));
    }
    LLMOPT_ASSIGN(std::vector<LogitChunk> chunks, model.step());
    LLMOPT_ASSIGN(std::vector<const float *> others, baselineLogits(chunks, baseline));
    rows.clear();
    int64_t computed = 0;
    for (size_t i = 0; i < chunks.size(); ++i) {
      size_t passage = chunks[i].passage;
      addRows(rows, chunks[i], others[i], passages[passage], firstScore[passage],
              model.vocabulary());
      computed += chunks[i].rows;
    }
    parallelFor(static_cast<int64_t>(rows.size()), options.threads, [&](int64_t i) {
      const Row &row = rows[i];
      scores[row.score] = row.baseline
                              ? compareRows(row.logits, row.baseline, model.vocabulary(), row.token)
                              : scoreRow(row.logits, model.vocabulary(), row.token);
    });
    for (const Row &row : rows)
      LLMOPT_TRY(checkFinite(scores[row.score], model, baseline));
    progress.advance(static_cast<uint64_t>(computed));
  }
  return scores;
}

} // namespace llmopt
