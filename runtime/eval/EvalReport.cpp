// How an Evaluation is told: JSON, lines of tokens, a table.

#include "runtime/eval/Eval.h"

#include <algorithm>

namespace llmopt {

//===- JSON -----------------------------------------------------------------------------------===//

static OrderedJson scoreJson(const Evaluation &evaluation, const TextScore &score) {
  OrderedJson json;
  json["artifact"] = score.facts.artifact;
  json["model"] = score.facts.model;
  json["precision"] = score.facts.precision;
  json["text"] = evaluation.textName;
  json["context"] = evaluation.context;
  json["stride"] = evaluation.stride;
  json["tokens"] = evaluation.positions.size();
  json["nll_sum"] = score.nllSum;
  json["perplexity"] = score.perplexity.value;
  json["perplexity_error"] = score.perplexity.error;
  score.facts.writeTo(json);
  return json;
}

static OrderedJson resultJson(const Evaluation &evaluation, const EvalResult &result) {
  OrderedJson json = scoreJson(evaluation, result.own);
  if (const auto &comparison = result.comparison) {
    json["baseline"] = scoreJson(evaluation, comparison->baseline);
    json["kl_mean"] = comparison->klMean;
    json["kl_p99"] = comparison->klP99;
    json["kl_max"] = comparison->klMax;
    json["top1_agreement"] = comparison->top1Agreement;
    json["perplexity_ratio"] = comparison->ratio.value;
    json["perplexity_ratio_error"] = comparison->ratio.error;
  }
  return json;
}

OrderedJson Evaluation::toJson() const {
  if (results.size() == 1)
    return resultJson(*this, results.front());
  OrderedJson json;
  json["results"] = OrderedJson::array();
  for (const EvalResult &result : results)
    json["results"].push_back(resultJson(*this, result));
  return json;
}

std::string Evaluation::toLines() const {
  std::string lines;
  for (const EvalResult &result : results)
    for (size_t i = 0; i < positions.size(); ++i) {
      const TokenScore &score = result.scores[i];
      OrderedJson json;
      if (results.size() > 1)
        json["artifact"] = result.own.facts.artifact;
      json["index"] = positions[i];
      json["id"] = ids[static_cast<size_t>(positions[i])];
      json["nll"] = score.nll;
      if (result.comparison) {
        json["baseline_nll"] = score.baselineNll;
        json["kl"] = score.kl;
        json["same_top"] = score.sameTop;
      }
      lines += json.dump() + "\n";
    }
  return lines;
}

//===- The table ------------------------------------------------------------------------------===//

std::vector<EvalRow> rowsOf(const Evaluation &evaluation) {
  std::vector<EvalRow> rows;
  const auto &comparison = evaluation.results.front().comparison;
  if (comparison)
    rows.push_back({"", &comparison->baseline, nullptr});
  for (const EvalResult &result : evaluation.results)
    rows.push_back({"", &result.own, &result});
  std::vector<const ArtifactFacts *> facts;
  facts.reserve(rows.size());
  for (const EvalRow &row : rows)
    facts.push_back(&row.score->facts);
  std::vector<std::string> names = shortNames(facts);
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i].name = names[i];
  return rows;
}

/// Fixed digits, but for values of a broken model, beyond what a column holds.
static std::string withError(const Estimate &estimate, int digits) {
  if (estimate.value < 1e4)
    return fmt::format("{:.{}f} ± {:.{}f}", estimate.value, digits, estimate.error, digits);
  return fmt::format("{:.3g} ± {:.2g}", estimate.value, estimate.error);
}

/// What a row has beside the baseline; the baseline has dashes.
static std::string comparisonCells(const EvalResult *result) {
  if (!result)
    return fmt::format("{:>10}{:>10}{:>10}{:>9}{:>21}", "-", "-", "-", "-", "-");
  const Comparison &comparison = *result->comparison;
  return fmt::format("{:>10.2e}{:>10.2e}{:>10.2e}{:>9.2f}{:>21}", comparison.klMean,
                     comparison.klP99, comparison.klMax, comparison.top1Agreement * 100,
                     withError(comparison.ratio, 6));
}

std::string Evaluation::toText() const {
  std::vector<EvalRow> rows = rowsOf(*this);
  const bool compared = results.front().comparison.has_value();
  size_t width = 8;
  for (const EvalRow &row : rows)
    width = std::max(width, row.name.size());
  width += 2;
  std::string text = fmt::format("{}: {} tokens in {} window{} of {}, each {} after the one "
                                 "before; {} are scored\n\n",
                                 textName, ids.size(), windows, windows == 1 ? "" : "s", context,
                                 stride, positions.size());
  // The rate, which differs most from run to run, is last.
  text += fmt::format("{:<{}}{:<11}{:>18}", "artifact", width, "precision", "perplexity");
  if (compared)
    text += fmt::format("{:>10}{:>10}{:>10}{:>9}{:>21}", "KL mean", "KL 99 %", "KL max", "top-1 %",
                        "ratio");
  text += fmt::format("{:>14}{:>12}{:>11}  {}\n", "bytes/weight", "weights MB", "memory MB",
                      "tokens/s");
  for (const EvalRow &row : rows) {
    const ArtifactFacts &facts = row.score->facts;
    text += fmt::format("{:<{}}{:<11}{:>18}", row.name, width, facts.precision,
                        withError(row.score->perplexity, 3));
    if (compared)
      text += comparisonCells(row.result);
    text +=
        fmt::format("{:>14.3f}{:>12.2f}{:>11.1f}  {:.1f}\n", facts.bytesPerWeight,
                    facts.weightBytes / 1e6, facts.peakMemoryBytes / 1e6, facts.tokensPerSecond);
  }
  if (compared)
    text += fmt::format("\nKL, top-1 and ratio are beside {}, the first row; KL is in nats per "
                        "token.\n",
                        rows.front().name);
  return text;
}

} // namespace llmopt
