//===- llmopt-tokenize.cpp - Text to token ids and back ---------------------------------------===//

#include "tools/CommandLine.h"
#include "tools/Tools.h"

#include "runtime/tokenizer/Tokenizer.h"
#include "support/Files.h"
#include "support/Json.h"

#include <CLI/CLI.hpp>
#include <fmt/ranges.h>

#include <sstream>

using namespace llmopt;

namespace {
struct Options {
  std::string tokenizer;
  std::string file = "-";
  bool decode = false;
  bool whole = false;
  bool special = false;
  bool json = false;
};
} // namespace

static Result<std::vector<int32_t>> parseIds(const std::string &line) {
  std::vector<int32_t> ids;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    LLMOPT_ASSIGN(int32_t id, parseTokenId(word));
    ids.push_back(id);
  }
  return ids;
}

/// Prints the result for each line of the input, or for the whole of it.
static Status run(const Options &options) {
  LLMOPT_ASSIGN(auto tokenizer, loadTokenizer(options.tokenizer));
  LLMOPT_ASSIGN(std::string input, readInput(options.file));
  Json results = Json::array();
  auto print = [](const std::string &line) { std::fwrite(line.data(), 1, line.size(), stdout); };
  auto convert = [&](const std::string &text) -> Status {
    if (options.decode) {
      LLMOPT_ASSIGN(auto ids, parseIds(text));
      LLMOPT_ASSIGN(std::string decoded, tokenizer->decode(ids, options.special));
      options.json ? results.push_back(decoded) : print(decoded + "\n");
      return success();
    }
    LLMOPT_ASSIGN(auto ids, tokenizer->encode(text, options.special));
    options.json ? results.push_back(ids) : print(fmt::format("{}\n", fmt::join(ids, " ")));
    return success();
  };
  std::istringstream lines(input);
  if (options.whole)
    LLMOPT_TRY(convert(input));
  else
    for (std::string line; std::getline(lines, line);)
      LLMOPT_TRY(convert(line));
  if (options.json)
    print(results.dump() + "\n");
  return writeOutput("");
}

int llmopt::tokenizeMain(int argc, char **argv) {
  Options options;
  CLI::App app("Turns text into token ids, one line of ids for each line of text, or back.",
               "llmopt-tokenize");
  app.add_option("tokenizer", options.tokenizer,
                 "an artifact, a checkpoint directory, or a .gguf file")
      ->required();
  app.add_option("--file", options.file, "read this file instead of standard input (-)");
  app.add_flag("--decode", options.decode, "the input is lines of ids; print their text");
  app.add_flag("--whole", options.whole, "take the input as one text, byte for byte");
  app.add_flag("--special", options.special,
               "add BOS and EOS as the model wants them; with --decode, print special tokens");
  app.add_flag("--json", options.json, "print one JSON array, of arrays of ids or of texts");
  app.footer("Examples:\n"
             "  echo 'Once upon a time' | llmopt-tokenize model.llmopt\n"
             "  llmopt-tokenize models/tiny-llama --file text.txt --whole --special\n"
             "  echo '403 407 261' | llmopt-tokenize models/tiny-llama --decode");
  if (auto code = parseCommandLine(app, argc, argv))
    return *code;

  Status status = run(options);
  std::fflush(stdout);
  if (!status)
    fmt::print(stderr, "llmopt-tokenize: {}\n", status.error().message());
  return status ? 0 : 1;
}
