#include "runtime/eval/Statistics.h"

#include <algorithm>
#include <cmath>

namespace llmopt {

Estimate meanOf(const std::vector<double> &values) {
  const double count = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (double value : values)
    sum += value;
  Estimate mean{sum / count, 0};
  for (double value : values)
    squares += (value - mean.value) * (value - mean.value);
  if (values.size() > 1)
    mean.error = std::sqrt(squares / (count - 1) / count);
  return mean;
}

Estimate expOf(const Estimate &mean) {
  const double value = std::exp(mean.value);
  return {value, value * mean.error};
}

double quantileOf(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

} // namespace llmopt
