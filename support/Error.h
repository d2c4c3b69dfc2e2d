//===- Error.h - Errors are values ------------------------------------------------------------===//
//
// A function that can fail returns a Result<T> (or Status, a Result of nothing). An Error is one
// sentence that names the thing and the fact, in lower case and without a period, raised where the
// fact is known; callers may put a context before it ("opening model.llmopt: ..."). Only a tool's
// main prints it. It is always one line that can be printed, whatever names it quotes from a file;
// those that may be long are shortened where it is made.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_SUPPORT_ERROR_H
#define LLMOPT_SUPPORT_ERROR_H

#include "support/Text.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace llmopt {

class Error {
public:
  explicit Error(const std::string &message) : text(shortened(printable(message), 1000)) {}

  /// The whole sentence, contexts first: "opening a.llmopt: manifest.json is missing".
  const std::string &message() const { return text; }

  /// The same error with one more context before it.
  Error within(const std::string &context) const { return Error(context + ": " + text); }

private:
  std::string text;
};

template <typename... Args> Error makeError(fmt::format_string<Args...> format, Args &&...args) {
  return Error(fmt::format(format, std::forward<Args>(args)...));
}

/// A T or the Error that kept it from being made.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : content(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : content(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return content.index() == 0; }
  T &operator*() & { return std::get<0>(content); }
  const T &operator*() const & { return std::get<0>(content); }
  T &&operator*() && { return std::get<0>(std::move(content)); }
  T *operator->() { return &std::get<0>(content); }
  const T *operator->() const { return &std::get<0>(content); }
  const Error &error() const { return std::get<1>(content); }

private:
  std::variant<T, Error> content;
};

/// Success, or an Error.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Error error) : failure(std::move(error)) {}

  explicit operator bool() const { return !failure; }
  const Error &error() const { return *failure; }

private:
  std::optional<Error> failure;
};

inline Status success() { return Status(); }

} // namespace llmopt

/// Evaluates a Status or Result and returns its error from the enclosing function.
#define LLMOPT_TRY(expression)                                                                     \
  do {                                                                                             \
    if (auto llmoptStatus = (expression); !llmoptStatus)                                           \
      return llmoptStatus.error();                                                                 \
  } while (false)

/// Declares `declaration` as the value of a Result, or returns its error from the enclosing
/// function: LLMOPT_ASSIGN(auto file, MappedFile::open(path));
#define LLMOPT_ASSIGN(declaration, expression)                                                     \
  LLMOPT_ASSIGN_IMPL(LLMOPT_CONCAT(llmoptResult, __LINE__), declaration, expression)
#define LLMOPT_CONCAT_IMPL(a, b) a##b
#define LLMOPT_CONCAT(a, b) LLMOPT_CONCAT_IMPL(a, b)
#define LLMOPT_ASSIGN_IMPL(result, declaration, expression)                                        \
  auto result = (expression);                                                                      \
  if (!result)                                                                                     \
    return result.error();                                                                         \
  declaration = *std::move(result)

#endif // LLMOPT_SUPPORT_ERROR_H
