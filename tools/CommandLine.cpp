#include "tools/CommandLine.h"

#include "support/Files.h"

#include <CLI/CLI.hpp>

#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace llmopt {

/// What is wrong with an integer's text, empty if nothing.
template <typename T> static std::string checkInteger(const std::string &text) {
  T value;
  const char *end = text.data() + text.size();
  auto [parsed, problem] = std::from_chars(text.data(), end, value);
  if (problem == std::errc::result_out_of_range)
    return fmt::format("{} is not from {} to {}", text, std::numeric_limits<T>::min(),
                       std::numeric_limits<T>::max());
  if (problem != std::errc() || parsed != end)
    return fmt::format("'{}' is not {}", text,
                       std::is_signed_v<T> ? "an integer" : "a whole number from 0");
  return "";
}

static std::string checkNumber(const std::string &text) {
  char *end = nullptr;
  std::strtod(text.c_str(), &end);
  return *end == '\0' ? "" : fmt::format("'{}' is not a number", text);
}

static void checkValues(CLI::App &app) {
  for (CLI::Option *option : app.get_options()) {
    if (option->get_items_expected_max() == 0 || option->check_name("--prompt"))
      continue;
    const std::string type = option->get_type_name();
    option->check([type](const std::string &text) {
      if (text.empty())
        return std::string("the value is empty");
      if (type.compare(0, 3, "INT") == 0)
        return checkInteger<int64_t>(text);
      if (type.compare(0, 4, "UINT") == 0)
        return checkInteger<uint64_t>(text);
      return type.compare(0, 5, "FLOAT") == 0 ? checkNumber(text) : std::string();
    });
  }
  for (CLI::App *group : app.get_subcommands([](CLI::App *) { return true; }))
    checkValues(*group);
}

static void tell(const CLI::App &app, const Error &error) {
  fmt::print(stderr, "{}: {}\n", app.get_name(), error.message());
}

std::optional<int> parseCommandLine(CLI::App &app, int argc, char **argv) {
  checkValues(app);
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::CallForHelp &) {
    Status written = writeOutput(app.help());
    if (!written)
      tell(app, written.error());
    return written ? 0 : 1;
  } catch (const CLI::ParseError &error) {
    std::string sentence = error.what();
    if (sentence.size() > 1 && std::islower(static_cast<unsigned char>(sentence[1])))
      sentence[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(sentence[0])));
    tell(app, makeError("{} (--help shows the options)", sentence));
    return error.get_exit_code();
  }
}

Status refuse(const CLI::App &app, const char *option, const std::string &why) {
  return app.count(option) == 0 ? success() : Status(makeError("{}: {}", option, why));
}

} // namespace llmopt
