#include "passes/QuantizationRules.h"

#include "support/Text.h"

#include <charconv>

namespace llmopt {

/// The largest group that anybody would want; rows are no longer.
static constexpr int64_t largestGroup = int64_t(1) << 20;

/// The text up to `separator`, which is dropped, or all of it.
static std::string_view takeUntil(std::string_view &text, char separator) {
  size_t end = text.find(separator);
  std::string_view part = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return part;
}

bool matchesPattern(std::string_view pattern, std::string_view name) {
  size_t at = 0, in = 0, star = std::string_view::npos, after = 0;
  while (in < name.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      after = in;
    } else if (at < pattern.size() && pattern[at] == name[in]) {
      ++at;
      ++in;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in = ++after;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*')
    ++at;
  return at == pattern.size();
}

static Result<QuantFormat> namedScheme(std::string_view name) {
  if (name == "int8")
    return QuantFormat{QuantCode::I8, 0, ScaleType::F32};
  if (name == "int4")
    return QuantFormat{QuantCode::I4, 32, ScaleType::F16};
  if (name == "nf4")
    return QuantFormat{QuantCode::Nf4, 64, ScaleType::F16};
  if (name == "fp4")
    return QuantFormat{QuantCode::Fp4, 64, ScaleType::F16};
  return makeError("no scheme '{}'; there are: int8, int4, nf4, fp4, none",
                   shortened(std::string(name)));
}

static Status setOption(std::string_view option, QuantFormat &format) {
  std::string_view value = option;
  std::string_view name = takeUntil(value, '=');
  if (option == "asymmetric") {
    if (format.code == QuantCode::I8)
      format.code = QuantCode::U8;
    else if (format.code == QuantCode::I4)
      format.code = QuantCode::U4;
    else
      return makeError("'asymmetric' is for int8 and int4, not for {}", toString(format.code));
    return success();
  }
  if (name == "group") {
    int64_t group = 0;
    auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), group);
    if (problem != std::errc() || end != value.data() + value.size() || group < 0 ||
        group > largestGroup || group % 32 != 0)
      return makeError("'{}': a group is a multiple of 32, or 0 for a row",
                       shortened(std::string(option)));
    format.group = group;
    return success();
  }
  if (name == "scale") {
    for (auto [text, type] : {std::pair("f32", ScaleType::F32), std::pair("f16", ScaleType::F16),
                              std::pair("bf16", ScaleType::BF16)})
      if (value == text) {
        format.scale = type;
        return success();
      }
    return makeError("'{}': scales are f32, f16 or bf16", shortened(std::string(option)));
  }
  return makeError("no option '{}'; there are: group=N, scale=f32|f16|bf16, asymmetric",
                   shortened(std::string(option)));
}

static Status parseScheme(std::string_view text, QuantizationRules::Rule &rule) {
  rule.text = std::string(text);
  if (text == "none")
    return success();
  std::string_view name = takeUntil(text, ':');
  LLMOPT_ASSIGN(QuantFormat format, namedScheme(name));
  while (!text.empty())
    LLMOPT_TRY(setOption(takeUntil(text, ','), format));
  rule.format = format;
  return success();
}

Result<QuantizationRules> QuantizationRules::parse(std::string_view text) {
  QuantizationRules result;
  Rule first;
  LLMOPT_TRY(parseScheme(takeUntil(text, ';'), first));
  result.rules.push_back(std::move(first));
  while (!text.empty()) {
    std::string_view scheme = takeUntil(text, ';');
    Rule rule;
    if (scheme.find('=') == std::string_view::npos)
      return makeError("'{}' is no rule; one is PATTERN=SCHEME", shortened(std::string(scheme)));
    rule.pattern = std::string(takeUntil(scheme, '='));
    if (rule.pattern.empty())
      return makeError("'={}' has no pattern", shortened(std::string(scheme)));
    LLMOPT_TRY(parseScheme(scheme, rule));
    result.rules.push_back(std::move(rule));
  }
  return result;
}

QuantizationRules::Rule &QuantizationRules::ruleFor(std::string_view name) {
  for (size_t i = rules.size() - 1; i > 0; --i)
    if (matchesPattern(rules[i].pattern, name)) {
      rules[i].used = true;
      return rules[i];
    }
  return rules.front();
}

const QuantizationRules::Rule *QuantizationRules::unused() const {
  for (size_t i = 1; i < rules.size(); ++i)
    if (!rules[i].used)
      return &rules[i];
  return nullptr;
}

} // namespace llmopt
