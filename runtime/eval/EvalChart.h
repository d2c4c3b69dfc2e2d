//===- EvalChart.h - Charts of an evaluation's page -------------------------------------------===//
//
// Each is an <svg> of its own, whose colours are the page's style sheet's: classes axis, grid, bar,
// mark, point and reference.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_EVAL_EVALCHART_H
#define LLMOPT_RUNTIME_EVAL_EVALCHART_H

#include <string>
#include <string_view>
#include <vector>

namespace llmopt {

/// Text as HTML and SVG show it.
std::string escapeHtml(std::string_view text);

/// Shares of values in bins of a fifth of a decade. Several histograms of the same bins and the
/// same scale can be compared by eye.
struct LogHistogram {
  static constexpr int binsPerDecade = 5;
  int lowest = 0; ///< the first bin begins at 10^lowest, and has all smaller values too
  std::vector<double> shares;

  /// Of values from 0, between powers of ten that are the same for all.
  LogHistogram(const std::vector<double> &values, int lowest, int highest);
  double tallest() const;
  std::string toSvg(double scale, const std::string &label) const;
};

/// A value of two quantities; an error of 0 is not shown.
struct ChartPoint {
  std::string label;
  double x = 0, y = 0;
  double error = 0;       ///< of y
  bool reference = false; ///< in another colour
};

/// Points with their labels. x begins at 0, y near the smallest.
std::string scatterSvg(const std::vector<ChartPoint> &points, const std::string &xLabel,
                       const std::string &yLabel);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_EVAL_EVALCHART_H
