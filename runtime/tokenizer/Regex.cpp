#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "runtime/tokenizer/Regex.h"
#include "runtime/tokenizer/Unicode.h"

namespace llmopt {

// One match() of a pre-tokenizer's pattern needs a handful of steps; a hostile pattern is stopped
// within about a second.
static constexpr uint32_t matchLimit = 2'000'000;
static constexpr uint32_t heapLimitKilobytes = 64 * 1024;
static constexpr size_t jitStackStart = 32 * 1024;
static constexpr size_t jitStackLimit = 16 * 1024 * 1024;

/// Rewrites what PCRE2 would read differently:
///   \s, \S   White_Space itself (PCRE2 counts U+180E too)
///   \w       with marks and connectors
///   \h       a hexadecimal digit (horizontal space in PCRE2)
///   [a[bc]]  a union of classes (a literal bracket in PCRE2): flattened
static Result<std::string> translate(std::string_view pattern) {
  std::string out;
  out.reserve(pattern.size() + 64);
  int depth = 0; // of nested character classes
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      char escaped = pattern[++i];
      if (escaped == 's')
        out += "\\p{White_Space}";
      else if (escaped == 'S')
        out += "\\P{White_Space}";
      else if (escaped == 'w')
        out +=
            depth ? "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}" : "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]";
      else if (escaped == 'W' && depth == 0)
        out += "[^\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]";
      else if (escaped == 'h')
        out += depth ? "0-9a-fA-F" : "[0-9a-fA-F]";
      else if (escaped == 'W' || escaped == 'H')
        return makeError("the regular expression \"{}\" uses \\{} where it is not supported",
                         pattern, escaped);
      else
        out.append({c, escaped});
      continue;
    }
    if (depth == 0) {
      out.push_back(c);
      if (c == '[') {
        depth = 1;
        if (i + 1 < pattern.size() && pattern[i + 1] == '^')
          out.push_back(pattern[++i]);
        if (i + 1 < pattern.size() && pattern[i + 1] == ']') { // a literal bracket, when first
          out += "\\]";
          ++i;
        }
      }
      continue;
    }
    if (c == '&' && i + 1 < pattern.size() && pattern[i + 1] == '&')
      return makeError("the regular expression \"{}\" intersects classes (&&), which is not "
                       "supported",
                       pattern);
    if (c == '[') {
      char next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
      size_t end = next == ':' ? pattern.find(":]", i) : std::string_view::npos;
      if (end != std::string_view::npos) { // [:alpha:]
        out.append(pattern.substr(i, end + 2 - i));
        i = end + 1;
        continue;
      }
      if (next == '^')
        return makeError("the regular expression \"{}\" negates a class within a class, which is "
                         "not supported",
                         pattern);
      ++depth;
      continue;
    }
    if (c == ']' && --depth > 0)
      continue;
    out.push_back(c);
  }
  return out;
}

Result<Regex> Regex::compile(std::string_view pattern) {
  LLMOPT_ASSIGN(std::string translated, translate(pattern));
  std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context *)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_max_pattern_length(context.get(), 1 << 20);
  int code = 0;
  PCRE2_SIZE offset = 0;
  // In Ruby's syntax ^ and $ are the ends of lines. Never \C, which would cut characters.
  pcre2_code *compiled =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code,
                    &offset, context.get());
  if (!compiled) {
    PCRE2_UCHAR message[256];
    pcre2_get_error_message(code, message, sizeof message);
    return makeError("the regular expression \"{}\" is not understood: {}", pattern,
                     reinterpret_cast<const char *>(message));
  }
  // Without a just-in-time compiler the interpreter does the same, slower.
  pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
  Regex regex;
  regex.code = std::shared_ptr<const void>(compiled, [](const void *p) {
    pcre2_code_free(static_cast<pcre2_code *>(const_cast<void *>(p)));
  });
  regex.source = std::string(pattern);
  return regex;
}

namespace {
/// What every match needs, made once in a thread: texts are cut into very many pieces.
struct Workspace {
  std::unique_ptr<pcre2_match_context, void (*)(pcre2_match_context *)> context{
      pcre2_match_context_create(nullptr), pcre2_match_context_free};
  std::unique_ptr<pcre2_jit_stack, void (*)(pcre2_jit_stack *)> stack{
      pcre2_jit_stack_create(jitStackStart, jitStackLimit, nullptr), pcre2_jit_stack_free};
  // One pair: the whole match; groups are of no interest.
  std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data *)> match{
      pcre2_match_data_create(1, nullptr), pcre2_match_data_free};

  Workspace() {
    if (!context)
      return;
    pcre2_set_match_limit(context.get(), matchLimit);
    pcre2_set_heap_limit(context.get(), heapLimitKilobytes);
    if (stack)
      pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
};
} // namespace

Status Regex::forEachMatch(std::string_view text,
                           const std::function<void(size_t, size_t)> &found) const {
  thread_local Workspace workspace;
  const auto *compiled = static_cast<const pcre2_code *>(code.get());
  const auto &[context, stack, match] = workspace;
  if (!context || !match)
    return makeError("out of memory while splitting text");
  auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  size_t position = 0;
  size_t lastEnd = std::string_view::npos;
  while (position <= text.size()) {
    int count = pcre2_match(compiled, subject, text.size(), position, PCRE2_NO_UTF_CHECK,
                            match.get(), context.get());
    if (count == PCRE2_ERROR_NOMATCH)
      break;
    if (count < 0) {
      PCRE2_UCHAR message[256];
      pcre2_get_error_message(count, message, sizeof message);
      return makeError("the regular expression \"{}\" gave up on the text: {}", source,
                       reinterpret_cast<const char *>(message));
    }
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(match.get());
    size_t begin = range[0], end = range[1];
    // \K in a lookahead can put the begin behind the end, or before the last match.
    if (begin > end || begin < position)
      return makeError("the regular expression \"{}\" matches backwards", source);
    // An empty match right behind another match is none.
    if (begin != end || begin != lastEnd)
      found(begin, end);
    lastEnd = end;
    position = end;
    if (begin == end) {
      if (position == text.size())
        break;
      nextCharacter(text, position);
    }
  }
  return success();
}

} // namespace llmopt
