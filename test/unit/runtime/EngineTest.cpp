#include "runtime/engine/Engine.h"

#include "test/unit/runtime/TinyModel.h"

#include <gmock/gmock.h>

using namespace llmopt;
using namespace llmopt::tiny;
using testing::HasSubstr;

namespace {
struct EngineTest : testing::Test {
  EngineTest() { writeArtifact(Parts(), path); }
  std::unique_ptr<Engine> makeEngine(int64_t pages, int threads = 1,
                                     SchedulerOptions scheduler = SchedulerOptions()) {
    EngineOptions options;
    options.cachePages = pages;
    options.scheduler = scheduler;
    auto engine = Engine::create(openTiny(path, threads), options);
    EXPECT_TRUE(engine) << engine.error().message();
    return *std::move(engine);
  }
  std::string submitError(const std::function<void(Request &)> &change) {
    std::unique_ptr<Engine> engine = makeEngine(16);
    Request request = greedy({1, 2}, 3);
    change(request);
    auto id = engine->submit(request);
    return id ? "accepted" : id.error().message();
  }
  static Request greedy(std::vector<int32_t> prompt, int64_t tokens) {
    Request request;
    request.prompt = std::move(prompt);
    request.maxNewTokens = tokens;
    request.sampling.temperature = 0;
    return request;
  }
  /// Prompts of several lengths, sampled.
  static std::vector<Request> mixedRequests() {
    std::vector<Request> requests;
    for (int32_t i = 0; i < 7; ++i) {
      Request request;
      for (int32_t j = 0; j < 1 + i * 5; ++j)
        request.prompt.push_back((i * 7 + j * 3) % vocabulary);
      request.maxNewTokens = 5 + i * 2;
      request.sampling.temperature = i % 2 ? 1.0 : 0.0;
      request.sampling.topK = 20;
      request.sampling.seed = 11;
      request.sampling.stream = static_cast<uint64_t>(i);
      requests.push_back(request);
    }
    return requests;
  }
  TemporaryDirectory directory;
  std::string path = directory / "a.llmopt";
};
} // namespace

TEST_F(EngineTest, GreedyIsTheModelsOwn) {
  std::unique_ptr<Engine> engine = makeEngine(16);
  std::vector<int32_t> prompt = {3, 1, 4, 1, 5, 9};
  ASSERT_TRUE(engine->submit(greedy(prompt, 20)));
  EXPECT_EQ(drain(*engine)[0], referenceGreedy(prompt, 20));
}

TEST_F(EngineTest, ASequenceDoesNotDependOnTheOthersNorOnThreadsChunksOrPages) {
  std::vector<Request> requests = mixedRequests();
  std::vector<std::vector<int32_t>> alone;
  for (const Request &request : requests) {
    std::unique_ptr<Engine> engine = makeEngine(16);
    ASSERT_TRUE(engine->submit(request));
    alone.push_back(drain(*engine)[0]);
  }
  struct Setting {
    int64_t pages;
    int threads;
    SchedulerOptions scheduler;
  };
  int64_t preemptions = 0;
  for (const Setting &setting : {Setting{200, 1, {512, 512}}, Setting{200, 3, {16, 5}},
                                 Setting{16, 2, {32, 8}}, Setting{20, 1, {7, 3}}}) {
    std::unique_ptr<Engine> engine = makeEngine(setting.pages, setting.threads, setting.scheduler);
    for (const Request &request : requests)
      ASSERT_TRUE(engine->submit(request));
    std::map<int64_t, std::vector<int32_t>> together = drain(*engine);
    for (size_t i = 0; i < alone.size(); ++i)
      EXPECT_EQ(together[int64_t(i)], alone[i]) << "request " << i << ", pages " << setting.pages;
    preemptions += engine->preemptions();
  }
  EXPECT_GT(preemptions, 0);
}

TEST_F(EngineTest, StopTokensEndASequence) {
  std::vector<int32_t> prompt = {3, 1, 4};
  std::vector<int32_t> plain = referenceGreedy(prompt, 10);
  std::unique_ptr<Engine> engine = makeEngine(16);
  Request request = greedy(prompt, 10);
  request.stopTokens = {plain[4]};
  ASSERT_TRUE(engine->submit(request));
  std::vector<int32_t> tokens;
  std::optional<FinishReason> reason;
  while (!engine->idle()) {
    auto events = engine->step();
    ASSERT_TRUE(events);
    for (const TokenEvent &event : *events) {
      tokens.push_back(event.tokens.front());
      reason = event.finished;
    }
  }
  size_t end = std::find(plain.begin(), plain.end(), plain[4]) - plain.begin();
  EXPECT_EQ(tokens, std::vector<int32_t>(plain.begin(), plain.begin() + end + 1));
  EXPECT_EQ(reason, FinishReason::StopToken);
}

TEST_F(EngineTest, TheContextEndsASequence) {
  std::unique_ptr<Engine> engine = makeEngine(16);
  ASSERT_TRUE(engine->submit(greedy(std::vector<int32_t>(60, 1), 100)));
  EXPECT_EQ(drain(*engine)[0].size(), 4u);
}

TEST_F(EngineTest, HandsOutTheLogitsOfEveryPromptTokenOnce) {
  for (SchedulerOptions scheduler : {SchedulerOptions{512, 512}, SchedulerOptions{8, 3}}) {
    std::unique_ptr<Engine> engine = makeEngine(16, 2, scheduler);
    Request request = greedy({5, 6, 7, 8, 9, 10, 11}, 3);
    std::vector<float> logits;
    request.onPromptLogits = [&](int64_t first, int64_t rows, const float *values) {
      EXPECT_EQ(first * vocabulary, static_cast<int64_t>(logits.size()));
      logits.insert(logits.end(), values, values + rows * vocabulary);
    };
    ASSERT_TRUE(engine->submit(request));
    EXPECT_EQ(drain(*engine)[0], referenceGreedy(request.prompt, 3));
    std::vector<float> wanted;
    for (size_t i = 1; i <= request.prompt.size(); ++i) {
      std::vector<float> row =
          referenceLogits({request.prompt.begin(), request.prompt.begin() + int64_t(i)});
      wanted.insert(wanted.end(), row.begin(), row.end());
    }
    EXPECT_EQ(logits, wanted);
  }
}

TEST_F(EngineTest, NoNewTokensStillComputesThePrompt) {
  std::unique_ptr<Engine> engine = makeEngine(16);
  Request request = greedy({1, 2, 3}, 0);
  int64_t rows = 0;
  request.onPromptLogits = [&](int64_t, int64_t count, const float *) { rows += count; };
  ASSERT_TRUE(engine->submit(request));
  EXPECT_TRUE(drain(*engine)[0].empty());
  EXPECT_EQ(rows, 3);
}

TEST_F(EngineTest, AssumedTokensAreWhatThePagesHold) {
  std::unique_ptr<Engine> engine = makeEngine(16);
  std::vector<int32_t> prompt = {3, 1, 4};
  ASSERT_TRUE(engine->submit(greedy(prompt, 0)));
  drain(*engine);
  ASSERT_TRUE(engine->repeatCache(1));
  // Twice, so that one of them has a page that was copied.
  for (int i = 0; i < 2; ++i) {
    Request request = greedy(prompt, 5);
    request.assumedTokens = 2;
    request.prompt[0] = request.prompt[1] = 0;
    ASSERT_TRUE(engine->submit(request));
  }
  for (const auto &[id, tokens] : drain(*engine))
    EXPECT_EQ(tokens, referenceGreedy(prompt, 5));
  EXPECT_FALSE(engine->repeatCache(17));
  EXPECT_NE(submitError([](Request &request) {
              request.assumedTokens = static_cast<int64_t>(request.prompt.size());
            }).find("at least one is to be computed"),
            std::string::npos);
}

TEST_F(EngineTest, ACancelledRequestMakesNoMoreTokens) {
  std::unique_ptr<Engine> engine = makeEngine(16);
  auto first = engine->submit(greedy({1, 2, 3}, 10));
  auto second = engine->submit(greedy({4, 5}, 10));
  ASSERT_TRUE(engine->step());
  engine->cancel(*first);
  std::map<int64_t, std::vector<int32_t>> tokens = drain(*engine);
  EXPECT_EQ(tokens.count(*first), 0u);
  EXPECT_EQ(tokens[*second].size(), 9u);
}

TEST_F(EngineTest, RefusesWhatItCannotDo) {
  EXPECT_EQ(submitError([](Request &) {}), "accepted");
  EXPECT_THAT(submitError([](Request &r) { r.prompt.clear(); }),
              HasSubstr("the prompt has no tokens"));
  EXPECT_EQ(submitError([](Request &r) { r.prompt.assign(65, 1); }),
            "the prompt has 65 tokens, the model's context holds 64");
  EXPECT_THAT(submitError([](Request &r) { r.prompt = {1, 40}; }),
              HasSubstr("token id 40 of the prompt is outside the model's vocabulary of 40"));
  EXPECT_THAT(submitError([](Request &r) { r.prompt = {-1}; }), HasSubstr("token id -1"));
  EXPECT_THAT(submitError([](Request &r) { r.maxNewTokens = -1; }), HasSubstr("-1, below 0"));
  EXPECT_THAT(submitError([](Request &r) { r.sampling.topP = 2; }), HasSubstr("top-p 2"));
  EXPECT_THAT(submitError([](Request &r) { r.beams = 0; }), HasSubstr("0 beams"));
  EXPECT_THAT(submitError([](Request &r) {
                r.beams = 2;
                r.sampling.temperature = 0.8;
              }),
              HasSubstr("2 beams need temperature 0, not 0.8"));
  EXPECT_THAT(submitError([](Request &r) {
                r.beams = 4;
                r.maxNewTokens = 60;
              }),
              HasSubstr("takes 64 pages of the key-value cache, which has 16"));
}
