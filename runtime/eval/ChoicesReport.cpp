// How a ChoicesEvaluation is told: JSON and a table.

#include "runtime/eval/Choices.h"

#include <algorithm>

namespace llmopt {

static OrderedJson scoreJson(const ChoicesEvaluation &evaluation, const ChoicesScore &score) {
  OrderedJson json;
  json["artifact"] = score.facts.artifact;
  json["model"] = score.facts.model;
  json["precision"] = score.facts.precision;
  json["choices"] = evaluation.file;
  json["questions"] = evaluation.questions;
  json["accuracy"] = score.accuracy.value;
  json["accuracy_error"] = score.accuracy.error;
  json["acc_norm"] = score.normalized.value;
  json["acc_norm_error"] = score.normalized.error;
  score.facts.writeTo(json);
  return json;
}

static OrderedJson resultJson(const ChoicesEvaluation &evaluation, const ChoicesResult &result) {
  OrderedJson json = scoreJson(evaluation, result.own);
  if (result.baseline)
    json["baseline"] = scoreJson(evaluation, *result.baseline);
  return json;
}

OrderedJson ChoicesEvaluation::toJson() const {
  if (results.size() == 1)
    return resultJson(*this, results.front());
  OrderedJson json;
  json["results"] = OrderedJson::array();
  for (const ChoicesResult &result : results)
    json["results"].push_back(resultJson(*this, result));
  return json;
}

static std::string percent(const Estimate &share) {
  return fmt::format("{:.2f} ± {:.2f}", share.value * 100, share.error * 100);
}

std::string ChoicesEvaluation::toText() const {
  std::vector<const ChoicesScore *> rows;
  if (results.front().baseline)
    rows.push_back(&*results.front().baseline);
  for (const ChoicesResult &result : results)
    rows.push_back(&result.own);
  std::vector<const ArtifactFacts *> facts;
  facts.reserve(rows.size());
  for (const ChoicesScore *row : rows)
    facts.push_back(&row->facts);
  std::vector<std::string> names = shortNames(facts);
  size_t width = 8;
  for (const std::string &name : names)
    width = std::max(width, name.size());
  width += 2;
  std::string text =
      fmt::format("{}: {} question{}{}\n\n", file, questions, questions == 1 ? "" : "s",
                  results.front().baseline ? "; the first row is the baseline" : "");
  text += fmt::format("{:<{}}{:<11}{:>16}{:>18}{:>14}{:>12}{:>11}  {}\n", "artifact", width,
                      "precision", "accuracy %", "by length %", "bytes/weight", "weights MB",
                      "memory MB", "tokens/s");
  for (size_t i = 0; i < rows.size(); ++i)
    text += fmt::format("{:<{}}{:<11}{:>16}{:>18}{:>14.3f}{:>12.2f}{:>11.1f}  {:.1f}\n", names[i],
                        width, facts[i]->precision, percent(rows[i]->accuracy),
                        percent(rows[i]->normalized), facts[i]->bytesPerWeight,
                        facts[i]->weightBytes / 1e6, facts[i]->peakMemoryBytes / 1e6,
                        facts[i]->tokensPerSecond);
  return text;
}

} // namespace llmopt
