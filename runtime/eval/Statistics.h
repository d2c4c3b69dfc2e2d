//===- Statistics.h - Scores of many tokens in a few numbers ----------------------------------===//

#ifndef LLMOPT_RUNTIME_EVAL_STATISTICS_H
#define LLMOPT_RUNTIME_EVAL_STATISTICS_H

#include <cstdint>
#include <vector>

namespace llmopt {

/// A quantity and its standard error.
struct Estimate {
  double value = 0;
  double error = 0;
};

/// The mean of independent values; its error is their sample standard deviation over the square
/// root of their number, 0 of one value.
Estimate meanOf(const std::vector<double> &values);

/// exp of a mean, whose error the delta method gives: exp(mean) * error.
Estimate expOf(const Estimate &mean);

/// The value that the share [0, 1] of the values is not above, between two neighbours by linear
/// interpolation, as numpy.percentile does.
double quantileOf(std::vector<double> values, double share);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_EVAL_STATISTICS_H
