// llmopt-run and llmopt-bench as a user calls them.

#include "test/unit/runtime/TinyModel.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <filesystem>
#include <sys/wait.h>

using namespace llmopt;
using namespace llmopt::tiny;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

namespace {
struct Output {
  int status = 0;
  std::string out, err;
};

struct RunToolTest : testing::Test {
  RunToolTest() {
    Parts parts;
    parts.tokenizer = true;
    writeArtifact(parts, path);
  }
  Output call(const std::string &tool, const std::string &arguments) {
    std::string err = directory / "stderr";
    std::string command = fmt::format("{} {} {} 2>{}", tool, path, arguments, err);
    Output result;
    std::FILE *pipe = ::popen(command.c_str(), "r");
    char buffer[4096];
    while (size_t count = std::fread(buffer, 1, sizeof buffer, pipe))
      result.out.append(buffer, count);
    result.status = WEXITSTATUS(::pclose(pipe));
    result.err = *readFile(err);
    return result;
  }
  Output run(const std::string &arguments) { return call(RUN_TOOL, arguments); }
  TemporaryDirectory directory;
  std::string path = directory / "a.llmopt";
};
} // namespace

TEST_F(RunToolTest, EndsWithTheTwoLines) {
  Output result = run("--prompt abc --max-new-tokens 4 --temperature 0");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, testing::StartsWith("abc"));
  EXPECT_THAT(result.out, testing::ContainsRegex(
                              "\n\nTime for inference: [0-9]+\\.[0-9][0-9] sec total, "
                              "[0-9]+\\.[0-9][0-9] tokens/sec\nMemory used: [0-9]\\.[0-9][0-9] "
                              "GB\n$"));
}

TEST_F(RunToolTest, JsonIsOneObject) {
  Output result = run("--prompt abc --max-new-tokens 4 --temperature 0 --json --stop q --stop z9");
  EXPECT_EQ(result.status, 0) << result.err;
  auto json = parseJson(result.out, "output");
  ASSERT_TRUE(json) << result.out;
  for (const char *key : {"prompt_tokens_per_second", "decode_tokens_per_second",
                          "time_to_first_token_seconds", "peak_memory_bytes"})
    EXPECT_TRUE((*json)[key].is_number()) << key;
  EXPECT_EQ((*json)["token_ids"].get<std::vector<int32_t>>(), referenceGreedy({3, 4, 5}, 4));
  EXPECT_TRUE((*json)["text"].is_string());
}

TEST_F(RunToolTest, BeamsDefaultToTemperatureZero) {
  EXPECT_EQ(run("--prompt abc --num-beams 3").status, 0);
  Output result = run("--prompt abc --num-beams 3 --temperature 0.8");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("beam search looks for the most probable text"));
}

TEST_F(RunToolTest, NotesThatTheContextEnds) {
  Output result = run("--prompt abc --max-new-tokens 100");
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "note: the model's context ends before 100 new tokens\n");
}

TEST_F(RunToolTest, RefusalsAreOneSentence) {
  std::string longPrompt(65, 'a');
  std::pair<std::string, std::string> cases[] = {
      {"--prompt ''", "llmopt-run: the prompt has no tokens, and this model's tokenizer puts none "
                      "before a text\n"},
      {"--prompt " + longPrompt,
       "llmopt-run: the prompt has 65 tokens, the model's context holds 64\n"},
      {"--prompt-tokens 1,2,40",
       "llmopt-run: token id 40 of the prompt is outside the model's vocabulary of 40\n"},
      {"--prompt-tokens=-5",
       "llmopt-run: token id -5 of the prompt is outside the model's vocabulary of 40\n"},
      {"--prompt a --max-new-tokens -3", "llmopt-run: the number of new tokens is -3, below 0\n"},
      {"--prompt a --top-p 7", "llmopt-run: top-p 7 is not above 0 and at most 1\n"},
      {"--prompt a --threads -1", "llmopt-run: -1 threads: from 1 to 1024 are possible\n"},
      {"--prompt-file /no/such/file",
       "llmopt-run: cannot open /no/such/file: No such file or directory\n"},
  };
  for (const auto &[arguments, message] : cases) {
    Output result = run(arguments);
    EXPECT_EQ(result.status, 1) << arguments;
    EXPECT_EQ(result.err, message) << arguments;
    EXPECT_EQ(result.out, "") << arguments;
  }
}

TEST_F(RunToolTest, NeedsOneKindOfPrompt) {
  EXPECT_NE(run("").status, 0);
  EXPECT_NE(run("--prompt a --prompt-tokens 1").status, 0);
}

TEST_F(RunToolTest, LogitsThatCannotBeWrittenAreAnError) {
  Output result = run("--prompt a --dump-logits /no/such/folder/x.safetensors --json");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("cannot write /no/such/folder/x.safetensors"));
  EXPECT_EQ(result.out, "");
}

TEST_F(RunToolTest, BenchPrintsItsKeys) {
  Output result = call(BENCH_TOOL, "--prompt-length 8 --new-tokens 4 --batch 3 --repeats 2 "
                                   "--threads 1 --json");
  ASSERT_EQ(result.status, 0) << result.err;
  auto json = parseJson(result.out, "output");
  ASSERT_TRUE(json) << result.out;
  for (const char *key :
       {"prefill_tokens_per_second", "decode_tokens_per_second", "read_bandwidth_bytes_per_second",
        "read_bandwidth_share", "arithmetic_peak_flops", "arithmetic_share"})
    EXPECT_GT((*json)[key].get<double>(), 0) << key;
  EXPECT_EQ((*json)["decode_weight_bytes"], vocabulary * 4);
  EXPECT_EQ((*json)["prefill_operations"], 3 * vocabulary * 2);
  EXPECT_EQ((*json)["samples"]["decode_tokens_per_second"].size(), 2u);
}

TEST_F(RunToolTest, BenchRefusesMoreThanTheContext) {
  Output result = call(BENCH_TOOL, "--prompt-length 60 --new-tokens 10");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, StartsWith("llmopt-bench: 60 prompt tokens and 10 new ones are more than "
                                     "the context of "));
  EXPECT_THAT(result.err, EndsWith(", 64\n"));
}
