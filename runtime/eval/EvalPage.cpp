// An Evaluation as one page of HTML: the table, the distribution of KL per artifact, and size
// against perplexity. It needs no other file and no network, in light and in dark.

#include "runtime/eval/Eval.h"
#include "runtime/eval/EvalChart.h"

#include <algorithm>
#include <cmath>

namespace llmopt {

static const char style[] = R"(
:root { --ink: #1b1f24; --paper: #ffffff; --line: #d0d7de; --bar: #2f6fb3; --other: #b35c1e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #12161b; --line: #38414b; --bar: #6cb0ff; --other: #f0a35e; }
}
body { color: var(--ink); background: var(--paper); font: 15px/1.5 system-ui, sans-serif;
       max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid var(--line); text-align: right;
         white-space: nowrap; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
figure { margin: 1.5rem 0; max-width: 44rem; }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); }
.axis { stroke: var(--ink); } .grid { stroke: var(--line); } .mark { stroke: var(--bar); }
.bar, .point { fill: var(--bar); } .reference { fill: var(--other); }
)";

//===- The table ------------------------------------------------------------------------------===//

static std::string cells(const char *tag, const std::vector<std::string> &values) {
  std::string row = "<tr>";
  for (const std::string &value : values)
    row += fmt::format("<{0}>{1}</{0}>", tag, escapeHtml(value));
  return row + "</tr>\n";
}

static std::string table(const std::vector<EvalRow> &rows, bool compared) {
  std::vector<std::string> heading = {"artifact", "precision", "perplexity", "± error"};
  const std::vector<std::string> comparing = {"KL mean (nats)", "KL 99 %", "KL max",
                                              "same top-1, %",  "ratio",   "± error"};
  if (compared)
    heading.insert(heading.end(), comparing.begin(), comparing.end());
  for (const char *name : {"bytes/weight", "weights, MB", "memory, MB", "tokens/s"})
    heading.emplace_back(name);
  std::string html = "<div class=\"wide\"><table>\n" + cells("th", heading);
  for (const EvalRow &row : rows) {
    const ArtifactFacts &facts = row.score->facts;
    std::vector<std::string> values = {row.name, facts.precision,
                                       fmt::format("{:.4f}", row.score->perplexity.value),
                                       fmt::format("{:.4f}", row.score->perplexity.error)};
    if (row.result && compared) {
      const Comparison &comparison = *row.result->comparison;
      for (double kl : {comparison.klMean, comparison.klP99, comparison.klMax})
        values.push_back(fmt::format("{:.3e}", kl));
      values.push_back(fmt::format("{:.2f}", comparison.top1Agreement * 100));
      values.push_back(fmt::format("{:.6f}", comparison.ratio.value));
      values.push_back(fmt::format("{:.6f}", comparison.ratio.error));
    } else if (compared) {
      values.insert(values.end(), comparing.size(), "–");
    }
    values.push_back(fmt::format("{:.3f}", facts.bytesPerWeight));
    values.push_back(fmt::format("{:.2f}", facts.weightBytes / 1e6));
    values.push_back(fmt::format("{:.1f}", facts.peakMemoryBytes / 1e6));
    values.push_back(fmt::format("{:.1f}", facts.tokensPerSecond));
    html += cells("td", values);
  }
  return html + "</table></div>\n";
}

//===- Charts ---------------------------------------------------------------------------------===//

static std::string figure(const std::string &svg, const std::string &caption) {
  return fmt::format("<figure>\n{}<figcaption>{}</figcaption>\n</figure>\n", svg,
                     escapeHtml(caption));
}

/// One per artifact, all with the same axes.
static std::string histograms(const std::vector<EvalResult> &results,
                              const std::vector<std::string> &names) {
  // Of two equal distributions rounding may make 1e-16; below 1e-12 nothing is of interest.
  constexpr double least = 1e-12;
  std::vector<std::vector<double>> values(results.size());
  double smallest = HUGE_VAL, largest = least;
  for (size_t i = 0; i < results.size(); ++i) {
    for (const TokenScore &score : results[i].scores)
      values[i].push_back(score.kl);
    // The few tokens below, over many decades, would leave no room for the others.
    smallest = std::min(smallest, std::max(quantileOf(values[i], 0.005), least));
    largest = std::max(largest, results[i].comparison->klMax);
  }
  const int lowest = static_cast<int>(std::floor(std::log10(smallest)));
  const int highest = std::max(lowest + 1, static_cast<int>(std::ceil(std::log10(largest))));
  std::vector<LogHistogram> charts;
  double tallest = 0;
  for (const std::vector<double> &own : values) {
    charts.emplace_back(own, lowest, highest);
    tallest = std::max(tallest, charts.back().tallest());
  }
  std::string html;
  for (size_t i = 0; i < results.size(); ++i) {
    const Comparison &comparison = *results[i].comparison;
    html += figure(charts[i].toSvg(tallest * 1.05, "KL of each token: " + names[i]),
                   fmt::format("{}: mean {:.3e}, 99 % of the tokens are below {:.3e}, the largest "
                               "is {:.3e}",
                               names[i], comparison.klMean, comparison.klP99, comparison.klMax));
  }
  return html;
}

static std::string sizes(const std::vector<EvalRow> &rows) {
  std::vector<ChartPoint> points;
  for (const EvalRow &row : rows) {
    ChartPoint point{row.name, row.score->facts.weightBytes / 1e6, row.score->perplexity.value, 0,
                     row.result == nullptr};
    if (row.result && row.result->comparison)
      point.error =
          row.result->comparison->ratio.error * row.result->comparison->baseline.perplexity.value;
    points.push_back(point);
  }
  return scatterSvg(points, "weights, MB", "perplexity");
}

std::string Evaluation::toPage() const {
  const std::vector<EvalRow> rows = rowsOf(*this);
  const bool compared = results.front().comparison.has_value();
  std::string html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width\">\n"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n";
  html += fmt::format("<title>Quality on {}</title>\n<style>{}</style>\n</head>\n<body>\n",
                      escapeHtml(textName), style);
  html += fmt::format("<h1>Quality on {}</h1>\n<p>{} tokens in {} windows of {}, each {} after the "
                      "one before; {} are scored.{}</p>\n",
                      escapeHtml(textName), ids.size(), windows, context, stride, positions.size(),
                      compared ? " The first row is the baseline." : "");
  html += table(rows, compared);
  html += "<h2>Size and perplexity</h2>\n";
  html += figure(sizes(rows),
                 compared ? "The lines show the standard error of the difference from the baseline."
                          : "The standard errors are in the table.");
  if (compared) {
    std::vector<std::string> names;
    for (const EvalRow &row : rows)
      if (row.result)
        names.push_back(row.name);
    html += "<h2>Distance from the baseline</h2>\n" + histograms(results, names);
  }
  return html + "</body>\n</html>\n";
}

} // namespace llmopt
