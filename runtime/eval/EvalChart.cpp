#include "runtime/eval/EvalChart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace llmopt {

std::string escapeHtml(std::string_view text) {
  std::string escaped;
  for (char character : text)
    switch (character) {
    case '&':
      escaped += "&amp;";
      break;
    case '<':
      escaped += "&lt;";
      break;
    case '>':
      escaped += "&gt;";
      break;
    case '"':
      escaped += "&quot;";
      break;
    default:
      escaped += character;
    }
  return escaped;
}

//===- Axes -----------------------------------------------------------------------------------===//

// Pixels; y grows downwards.
static constexpr double width = 640, height = 300;
static constexpr double left = 70, right = width - 20, top = 14, bottom = height - 46;

namespace {
/// Where values of an axis are on the picture.
struct Scale {
  double low, high, from, to;
  double operator()(double value) const {
    return from + (value - low) / (high - low) * (to - from);
  }
};
} // namespace

/// The round step (1, 2 or 5 times a power of ten) that goes at most six times into the range.
static double tickStep(double range) {
  double rough = range / 6, power = std::pow(10, std::floor(std::log10(rough)));
  for (double factor : {1, 2, 5})
    if (factor * power >= rough)
      return factor * power;
  return 10 * power;
}

/// Digits behind the point that tell ticks apart.
static int tickDigits(double step) {
  return std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
}

static std::string xTick(double x, const std::string &text) {
  return fmt::format("<line class=\"axis\" x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\"/>"
                     "<text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>\n",
                     x, bottom, bottom + 4, bottom + 18, text);
}

static std::string yTick(double y, const std::string &text) {
  return fmt::format("<line class=\"grid\" x1=\"{0}\" y1=\"{1:.1f}\" x2=\"{2}\" y2=\"{1:.1f}\"/>"
                     "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
                     left, y, right, left - 6, y + 4, text);
}

static std::string yTicks(const Scale &scale) {
  std::string svg;
  double step = tickStep(scale.high - scale.low);
  for (double i = std::ceil(scale.low / step - 1e-9) + 0.0; i * step <= scale.high + 1e-9 * step;
       ++i)
    svg += yTick(scale(i * step), fmt::format("{:.{}f}", i * step, tickDigits(step)));
  return svg;
}

/// The picture with its axes' lines and labels around `content`.
static std::string framed(const std::string &content, const std::string &title,
                          const std::string &xLabel, const std::string &yLabel) {
  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
                                width, height, escapeHtml(title));
  svg += content;
  svg += fmt::format("<path class=\"axis\" d=\"M{0} {1}V{2}H{3}\" fill=\"none\"/>\n", left, top,
                     bottom, right);
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                     (left + right) / 2, height - 8, escapeHtml(xLabel));
  svg += fmt::format("<text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">{}"
                     "</text>\n",
                     (top + bottom) / 2, escapeHtml(yLabel));
  return svg + "</svg>\n";
}

//===- Histogram ------------------------------------------------------------------------------===//

LogHistogram::LogHistogram(const std::vector<double> &values, int lowest, int highest)
    : lowest(lowest), shares(static_cast<size_t>((highest - lowest) * binsPerDecade), 0.0) {
  const double most = static_cast<double>(shares.size() - 1);
  for (double value : values) {
    double bin = std::floor((std::log10(value) - lowest) * binsPerDecade); // of 0: -infinity
    shares[static_cast<size_t>(std::clamp(bin, 0.0, most))] +=
        1.0 / static_cast<double>(values.size());
  }
}

double LogHistogram::tallest() const { return *std::max_element(shares.begin(), shares.end()); }

std::string LogHistogram::toSvg(double scale, const std::string &label) const {
  const double bins = static_cast<double>(shares.size());
  const Scale x{0, bins, left, right}, y{0, scale * 100, bottom, top};
  std::string svg = yTicks(y);
  for (size_t i = 0; i < shares.size(); ++i) {
    double begin = static_cast<double>(i), percent = shares[i] * 100;
    auto edge = [&](double bin) { return std::pow(10, lowest + bin / binsPerDecade); };
    if (percent > 0)
      svg += fmt::format("<rect class=\"bar\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
                         "height=\"{:.1f}\"><title>{:.1e} to {:.1e}: {:.3f} %</title></rect>\n",
                         x(begin) + 0.5, y(percent), x(1) - x(0) - 1, bottom - y(percent),
                         i == 0 ? 0 : edge(begin), edge(begin + 1), percent);
  }
  const int decades = static_cast<int>(shares.size()) / binsPerDecade;
  for (int decade = 0; decade <= decades; ++decade)
    svg += xTick(x(decade * binsPerDecade), fmt::format("1e{}", lowest + decade));
  return framed(svg, label,
                "KL divergence of a token, nats (logarithmic; the first bar has all below)",
                "share of tokens, %");
}

//===- Scatter --------------------------------------------------------------------------------===//

/// Labels stand beside their points, on the side that has more room, and are moved down from each
/// other where they would lie on each other.
static std::string labels(const std::vector<ChartPoint> &points, const Scale &x, const Scale &y) {
  std::vector<const ChartPoint *> order;
  order.reserve(points.size());
  for (const ChartPoint &point : points)
    order.push_back(&point);
  std::stable_sort(order.begin(), order.end(),
                   [](const ChartPoint *a, const ChartPoint *b) { return a->y > b->y; });
  std::string svg;
  double last[2] = {top - 15, top - 15};
  for (const ChartPoint *point : order) {
    double at = x(point->x);
    bool before = at > (left + right) / 2;
    double baseline = std::max(y(point->y) + 4, last[before] + 15);
    last[before] = baseline;
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n",
                       at + (before ? -10 : 10), baseline, before ? "end" : "start",
                       escapeHtml(point->label));
  }
  return svg;
}

std::string scatterSvg(const std::vector<ChartPoint> &points, const std::string &xLabel,
                       const std::string &yLabel) {
  double low = HUGE_VAL, high = -HUGE_VAL, widest = 0;
  for (const ChartPoint &point : points) {
    low = std::min(low, point.y - point.error);
    high = std::max(high, point.y + point.error);
    widest = std::max(widest, point.x);
  }
  // Points at the edge are hard to see, and equal ones still need a range.
  double margin = std::max(0.1 * (high - low), 1e-4 * std::abs(high) + 1e-9);
  const Scale x{0, widest > 0 ? widest * 1.08 : 1, left, right};
  const Scale y{low - margin, high + margin, bottom, top};
  std::string svg = yTicks(y);
  double step = tickStep(x.high);
  for (int i = 0; i * step <= x.high; ++i)
    svg += xTick(x(i * step), fmt::format("{:.{}f}", i * step, tickDigits(step)));
  for (const ChartPoint &point : points) {
    if (point.error > 0)
      svg += fmt::format("<line class=\"mark\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" "
                         "y2=\"{2:.1f}\"/>\n",
                         x(point.x), y(point.y - point.error), y(point.y + point.error));
    svg +=
        fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\"><title>{}: {:.6g}, "
                    "{:.6g}</title></circle>\n",
                    point.reference ? "reference" : "point", x(point.x), y(point.y),
                    escapeHtml(point.label), point.x, point.y);
  }
  return framed(svg + labels(points, x, y), xLabel + " and " + yLabel, xLabel, yLabel);
}

} // namespace llmopt
