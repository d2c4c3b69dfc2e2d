#include "runtime/tune/Tune.h"

#include <algorithm>

namespace llmopt {

static OrderedJson toJson(const TunedFunction &function) {
  OrderedJson json;
  json["function"] = function.function;
  json["key"] = function.key;
  json["rows"] = function.rows;
  json["default_parameters"] = function.defaults;
  json["default_microseconds"] = function.defaultSeconds * 1e6;
  json["parameters"] = function.best;
  json["microseconds"] = function.seconds * 1e6;
  json["gain"] = function.gain();
  json["tried"] = function.tried;
  json["not_compiled"] = function.uncompiled;
  json["spilling"] = function.spilling;
  json["wrong"] = function.wrong;
  return json;
}

OrderedJson TuneReport::toJson() const {
  OrderedJson json;
  json["model"] = model;
  json["precision"] = precision;
  json["arch"] = arch;
  json["card"] = card;
  json["emulated"] = emulated;
  json["complete"] = complete;
  json["output"] = output;
  json["functions"] = OrderedJson::array();
  for (const TunedFunction &function : functions)
    json["functions"].push_back(llmopt::toJson(function));
  return json;
}

/// "columns 16, stages 4": what differs from `from`; without it all, but for the rows, which say
/// themselves.
static std::string describe(const CudaParameters &parameters, const CudaParameters *from) {
  std::string text;
  for (const auto &[name, value] : parameters)
    if (from ? from->at(name) != value : name != "rows")
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value);
  return text.empty() ? "the same" : text;
}

std::string TuneReport::toText() const {
  std::string text =
      fmt::format("{}, {}, compiled for {}, on the {}\n\n", model, precision, arch, card);
  size_t width = 10, defaults = 12, bests = 8;
  for (const TunedFunction &function : functions) {
    width = std::max(width, function.function.size() + 2);
    defaults = std::max(defaults, describe(function.defaults, nullptr).size() + 2);
    bests = std::max(bests, describe(function.best, &function.defaults).size() + 2);
  }
  text += fmt::format("{:<{}}{:>6}  {:<{}}{:>9}  {:<{}}{:>9}{:>9}{:>7}{:>9}\n", "function", width,
                      "rows", "default", defaults, "us", "best", bests, "us", "gain", "tried",
                      "skipped");
  int64_t tried = 0, uncompiled = 0, spilling = 0, wrong = 0;
  for (const TunedFunction &function : functions) {
    text += fmt::format(
        "{:<{}}{:>6}  {:<{}}{:>9.2f}  {:<{}}{:>9.2f}{:>9}{:>7}{:>9}\n", function.function, width,
        function.rows, describe(function.defaults, nullptr), defaults,
        function.defaultSeconds * 1e6, describe(function.best, &function.defaults), bests,
        function.seconds * 1e6, fmt::format("{:.1f} %", 100 * function.gain()), function.tried,
        function.uncompiled + function.spilling + function.wrong);
    tried += function.tried;
    uncompiled += function.uncompiled;
    spilling += function.spilling;
    wrong += function.wrong;
  }
  text += fmt::format("\nOf {} instances {} did not compile, {} spilled and {} computed something "
                      "else.\n",
                      tried, uncompiled, spilling, wrong);
  if (emulated)
    text += "Times of an emulated card mean nothing; only the search is shown.\n";
  if (!complete)
    text += "The budget was used up before all was tried.\n";
  return text + fmt::format("Wrote {}\n", output);
}

} // namespace llmopt
