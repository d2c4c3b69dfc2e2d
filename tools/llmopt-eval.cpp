//===- llmopt-eval.cpp - How good artifacts are, on a text or on questions --------------------===//

#include "tools/CommandLine.h"
#include "tools/Tools.h"

#include "runtime/eval/Choices.h"
#include "runtime/eval/Eval.h"
#include "support/Files.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>

using namespace llmopt;

static const char examples[] = R"(
Perplexity is exp of the mean negative log-likelihood (nats) of the text's tokens, each given those
before it in its window; a window's first token is not scored. Beside a baseline KL is the divergence
of each token's distribution from the baseline's, top-1 the share of tokens where both have the same
most probable one, and ratio that of the perplexities. What stands behind ± is the standard error.

A line of a file of choices is {"query": text, "choices": [texts], "gold": index}; context, ctx or
question, endings, label or answer are understood too. A choice's score is the log-likelihood of its
tokens behind the query, for the second accuracy divided by its length in bytes.

Examples:
  llmopt-eval model.llmopt --text heldout.txt
  llmopt-eval bf16.llmopt half.llmopt --baseline float32.llmopt --text heldout.txt --html quality.html
  llmopt-eval model.llmopt --text heldout.txt --context 1024 --stride 512 --max-tokens 20000 --json
  llmopt-eval model.llmopt --baseline float32.llmopt --text heldout.txt --per-token tokens.jsonl
  llmopt-eval model.llmopt --choices hellaswag.jsonl
)";

namespace {
struct Output {
  std::string perToken, html;
  bool json = false;
};
} // namespace

static Status runText(EvalOptions &options, const Output &output) {
  LLMOPT_ASSIGN(options.text, readInput(options.textName));
  LLMOPT_ASSIGN(Evaluation evaluation, runEval(options));
  if (!output.perToken.empty())
    LLMOPT_TRY(writeFile(output.perToken, evaluation.toLines()));
  if (!output.html.empty())
    LLMOPT_TRY(writeFile(output.html, evaluation.toPage()));
  return writeOutput(output.json ? evaluation.toJson().dump() + "\n" : evaluation.toText());
}

static Status runQuestions(const EvalOptions &options, const std::string &file,
                           const Output &output) {
  LLMOPT_ASSIGN(std::string text, readInput(file));
  LLMOPT_ASSIGN(std::vector<ChoiceQuestion> questions, parseChoices(text, file));
  LLMOPT_ASSIGN(ChoicesEvaluation evaluation,
                runChoices({options.artifacts, options.baseline, std::move(questions), file,
                            options.device}));
  return writeOutput(output.json ? evaluation.toJson().dump() + "\n" : evaluation.toText());
}

static Status run(const CLI::App &app, EvalOptions &options, const std::string &choices,
                  const Output &output) {
  if (choices.empty())
    return runText(options, output);
  for (const char *ofText : {"--context", "--stride", "--max-tokens", "--per-token", "--html"})
    LLMOPT_TRY(refuse(app, ofText, "it is for a --text"));
  return runQuestions(options, choices, output);
}

int llmopt::evalMain(int argc, char **argv) {
  EvalOptions options;
  std::string choices;
  Output output;
  CLI::App app("Measures how well compiled models predict a text or answer questions.",
               "llmopt-eval");
  app.footer(examples);
  app.add_option("artifacts", options.artifacts, "The compiled models (OUT.llmopt)")->required();
  auto *measure = app.add_option_group("measure", "What to measure: one of");
  measure->add_option("--text", options.textName,
                      "The perplexity of a file's text; -: of standard input");
  measure
      ->add_option("--choices", choices,
                   "The accuracy on multiple-choice questions, a JSON object a line")
      ->option_text("FILE.jsonl");
  measure->require_option(1);
  app.add_option("--context", options.context,
                 "Tokens of a window; else the shortest of the models' contexts, at most 2048");
  app.add_option(
      "--stride", options.stride,
      "Tokens from one window to the next; else the context. With less, tokens are scored "
      "with more before them");
  app.add_option("--max-tokens", options.maxTokens, "Only the first tokens of the text");
  app.add_option("--baseline", options.baseline,
                 "Another artifact of the same vocabulary to compare with, token by token")
      ->option_text("OTHER.llmopt");
  app.add_option("--per-token", output.perToken,
                 "Writes a line of JSON for each scored token: index in the text, id, nll; with a "
                 "baseline baseline_nll, kl, same_top")
      ->option_text("FILE.jsonl");
  app.add_option("--html", output.html,
                 "Writes the table, the distribution of KL and size against perplexity as a page")
      ->option_text("PAGE.html");
  addDeviceOptions(app, options.device);
  app.add_flag("--quiet", options.device.quiet, "No progress");
  app.add_flag("--json", output.json, "One JSON object on standard output");
  if (auto code = parseCommandLine(app, argc, argv))
    return *code;

  if (Status status = run(app, options, choices, output); !status) {
    fmt::print(stderr, "llmopt-eval: {}\n", status.error().message());
    return 1;
  }
  return 0;
}
