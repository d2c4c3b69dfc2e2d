// The engine on a device that chooses tokens itself: what it queues when, and that what a request
// yields does not depend on it.

#include "runtime/engine/Engine.h"

#include "test/unit/runtime/TinyModel.h"

#include <gmock/gmock.h>

#include <deque>
#include <limits>

using namespace llmopt;
using namespace llmopt::tiny;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {
/// The hand-made model with the choice of tokens on its side. What the engine calls is written down
/// in `calls`: "run 3", "sample 2", "next 2", "take", "logits", with the rows of a step.
class SamplingDevice : public Device {
public:
  struct Log {
    std::vector<std::string> calls;
    std::string failAt; ///< this call is an Error
    int64_t nanAt = -1; ///< this take gives -1 for its first row
  };

  SamplingDevice(std::unique_ptr<Device> inner, Log &log)
      : Device(std::make_shared<const Artifact>(inner->artifact())), inner(std::move(inner)),
        log(log) {}

  bool samples() const override { return true; }
  int threads() const override { return 1; }
  Status allocateCache(int64_t pages) override { return inner->allocateCache(pages); }
  Status copyPages(const std::vector<PageCopy> &copies) override {
    return inner->copyPages(copies);
  }

  Status run(const LlmoptBatch &batch) override {
    LLMOPT_TRY(note(fmt::format("run {}", batch.tokens)));
    decodes = false;
    return inner->run(batch);
  }
  Result<const float *> logits() override {
    LLMOPT_TRY(note("logits"));
    return inner->logits();
  }
  Status runSampled(const LlmoptBatch &batch, const LlmoptSampling *rows) override {
    LLMOPT_TRY(note(fmt::format("sample {}", batch.tokens)));
    decodes = batch.tokens == batch.logitRows && batch.tokens == batch.sequences;
    sampling.assign(rows, rows + batch.logitRows);
    positions.clear();
    for (int32_t row = 0; row < batch.logitRows; ++row)
      positions.push_back(batch.positions[batch.logitRow[row]]);
    return choose(batch);
  }
  Status runNext(const LlmoptBatch &batch) override {
    LLMOPT_TRY(note(fmt::format("next {}", batch.tokens)));
    EXPECT_TRUE(decodes) << "the step before is not of decodes only";
    EXPECT_EQ(batch.tokens, batch.logitRows);
    EXPECT_EQ(size_t(batch.sequences), positions.size());
    for (int32_t &position : positions)
      ++position;
    LlmoptBatch next = batch;
    std::vector<int32_t> tokens = chosen.back();
    next.tokenIds = tokens.data();
    next.positions = positions.data();
    return choose(next);
  }
  Result<const int32_t *> takeTokens() override {
    LLMOPT_TRY(note("take"));
    if (chosen.empty())
      return makeError("no sampled step was queued");
    taken = chosen.front();
    chosen.pop_front();
    if (log.nanAt-- == 0)
      taken.front() = -1;
    return taken.data();
  }

private:
  Status note(const std::string &call) {
    log.calls.push_back(call);
    if (call == log.failAt)
      return makeError("the device failed at {}", call);
    return success();
  }
  Status choose(const LlmoptBatch &batch) {
    EXPECT_LT(chosen.size(), 2u) << "more steps are open than a device has room for";
    LLMOPT_TRY(inner->run(batch));
    LLMOPT_ASSIGN(const float *logits, inner->logits());
    std::vector<int32_t> tokens;
    for (size_t row = 0; row < sampling.size(); ++row) {
      SamplingOptions options;
      options.temperature = sampling[row].temperature;
      options.topK = sampling[row].topK;
      options.topP = sampling[row].topP;
      options.seed = sampling[row].seed;
      options.stream = sampling[row].stream;
      LLMOPT_ASSIGN(int32_t token, sampleToken(logits + row * vocabulary, vocabulary, options,
                                               positions[row] + 1));
      tokens.push_back(token);
    }
    chosen.push_back(std::move(tokens));
    return success();
  }

  std::unique_ptr<Device> inner;
  Log &log;
  std::vector<LlmoptSampling> sampling;    ///< of the last sampled step's rows
  std::vector<int32_t> positions;          ///< likewise
  bool decodes = false;                    ///< it was a step of decodes only
  std::deque<std::vector<int32_t>> chosen; ///< of steps that were not taken
  std::vector<int32_t> taken;
};

struct RunAheadTest : testing::Test {
  RunAheadTest() { writeArtifact(Parts(), path); }
  std::unique_ptr<Engine> makeEngine(int64_t pages = 64,
                                     SchedulerOptions scheduler = SchedulerOptions()) {
    EngineOptions options;
    options.cachePages = pages;
    options.scheduler = scheduler;
    auto engine = Engine::create(std::make_unique<SamplingDevice>(openTiny(path, 1), log), options);
    EXPECT_TRUE(engine) << engine.error().message();
    return *std::move(engine);
  }
  /// The same request on a device that leaves the choice to the engine.
  std::vector<int32_t> onHost(const Request &request) {
    EngineOptions options;
    options.cachePages = 64;
    auto engine = Engine::create(openTiny(path, 1), options);
    EXPECT_TRUE((*engine)->submit(request));
    return drain(**engine)[0];
  }
  static Request greedy(std::vector<int32_t> prompt, int64_t tokens) {
    Request request;
    request.prompt = std::move(prompt);
    request.maxNewTokens = tokens;
    request.sampling.temperature = 0;
    return request;
  }
  static Request sampled(int32_t i) {
    Request request;
    for (int32_t j = 0; j < 1 + i * 5; ++j)
      request.prompt.push_back((i * 7 + j * 3) % vocabulary);
    request.maxNewTokens = 5 + i * 2;
    // Temperatures that float32 holds exactly, so that host and device do the same.
    request.sampling.temperature = i % 2 ? 1.0 : 0.0;
    request.sampling.topK = 20;
    request.sampling.seed = 11;
    request.sampling.stream = static_cast<uint64_t>(i);
    return request;
  }
  /// Ends the request `stop`-th of its plain tokens, the first one that it has not made before.
  static Request stopping(std::vector<int32_t> prompt, size_t stop, int64_t tokens) {
    std::vector<int32_t> plain = referenceGreedy(prompt, tokens);
    while (std::find(plain.begin(), plain.begin() + long(stop), plain[stop]) !=
           plain.begin() + long(stop))
      ++stop;
    Request request = greedy(std::move(prompt), tokens);
    request.stopTokens = {plain[stop]};
    return request;
  }
  TemporaryDirectory directory;
  std::string path = directory / "a.llmopt";
  SamplingDevice::Log log;
};
} // namespace

TEST_F(RunAheadTest, TheNextStepIsQueuedBeforeTheTokensOfOneAreTaken) {
  std::unique_ptr<Engine> engine = makeEngine();
  ASSERT_TRUE(engine->submit(greedy({3, 1, 4}, 5)));
  EXPECT_EQ(drain(*engine)[0], referenceGreedy({3, 1, 4}, 5));
  EXPECT_THAT(log.calls, ElementsAre("sample 3", "take",                     // the prompt
                                     "sample 1", "next 1", "take", "next 1", // decodes
                                     "take", "next 1", "take", "take"));
}

TEST_F(RunAheadTest, NothingIsQueuedBehindTheLastToken) {
  std::unique_ptr<Engine> engine = makeEngine();
  ASSERT_TRUE(engine->submit(greedy({3, 1, 4}, 2)));
  EXPECT_EQ(drain(*engine)[0].size(), 2u);
  EXPECT_THAT(log.calls, ElementsAre("sample 3", "take", "sample 1", "take"));
}

TEST_F(RunAheadTest, AOneTokenPromptIsAStepOfDecodes) {
  std::unique_ptr<Engine> engine = makeEngine();
  ASSERT_TRUE(engine->submit(greedy({3}, 3)));
  EXPECT_EQ(drain(*engine)[0], referenceGreedy({3}, 3));
  EXPECT_THAT(log.calls, ElementsAre("sample 1", "next 1", "take", "next 1", "take", "take"));
}

TEST_F(RunAheadTest, ChunksBeforeTheLastAreNotWaitedFor) {
  std::unique_ptr<Engine> engine = makeEngine(64, {512, 2});
  ASSERT_TRUE(engine->submit(greedy({3, 1, 4, 1, 5}, 1)));
  EXPECT_EQ(drain(*engine)[0], referenceGreedy({3, 1, 4, 1, 5}, 1));
  EXPECT_THAT(log.calls, ElementsAre("run 2", "run 2", "sample 1", "take"));
}

TEST_F(RunAheadTest, AStopTokenDropsTheStepBehindIt) {
  std::unique_ptr<Engine> engine = makeEngine();
  Request request = stopping({3, 1, 4}, 2, 10);
  ASSERT_TRUE(engine->submit(request));
  std::vector<int32_t> tokens = drain(*engine)[0];
  EXPECT_EQ(tokens, onHost(request));
  EXPECT_EQ(tokens.back(), request.stopTokens[0]);
  EXPECT_EQ(log.calls.back(), "take");
  EXPECT_EQ(*(log.calls.end() - 2), "next 1"); // queued in vain
}

TEST_F(RunAheadTest, TheOthersKeepTheStepThatAStopTokenDrops) {
  std::unique_ptr<Engine> engine = makeEngine();
  Request first = stopping({3, 1, 4}, 3, 12);
  Request second = greedy({5, 9}, 12);
  ASSERT_TRUE(engine->submit(first));
  ASSERT_TRUE(engine->submit(second));
  std::map<int64_t, std::vector<int32_t>> tokens = drain(*engine);
  EXPECT_EQ(tokens[0], onHost(first));
  EXPECT_EQ(tokens[1], onHost(second));
  // The step behind the stop is finished, then the one left begins anew.
  auto alone = std::find(log.calls.begin(), log.calls.end(), "sample 1");
  ASSERT_NE(alone, log.calls.end());
  EXPECT_THAT(std::vector<std::string>(alone - 3, alone), ElementsAre("next 2", "take", "take"));
  EXPECT_EQ(std::count(log.calls.begin(), log.calls.end(), "sample 1"), 1);
}

TEST_F(RunAheadTest, PagesOfADroppedStepAreGivenBack) {
  // 3 prompt tokens and the first fill a page: the step behind the stop token has one of its own.
  std::unique_ptr<Engine> engine = makeEngine(16);
  for (int i = 0; i < 40; ++i) {
    Request request = stopping({3, 1, int32_t(i % 7)}, 1 + size_t(i % 4), 20);
    auto id = engine->submit(request);
    ASSERT_TRUE(id) << id.error().message();
    EXPECT_EQ(drain(*engine)[*id], onHost(request)) << i;
  }
  // All pages are free: a request takes every one of them, without a preemption.
  auto id = engine->submit(greedy({1}, 63));
  ASSERT_TRUE(id);
  EXPECT_EQ(drain(*engine)[*id], referenceGreedy({1}, 63));
  EXPECT_EQ(engine->preemptions(), 0);
}

TEST_F(RunAheadTest, TheContextEndsASequence) {
  std::unique_ptr<Engine> engine = makeEngine(16);
  ASSERT_TRUE(engine->submit(greedy(std::vector<int32_t>(60, 1), 100)));
  EXPECT_EQ(drain(*engine)[0], referenceGreedy(std::vector<int32_t>(60, 1), 4));
  EXPECT_EQ(std::count(log.calls.begin(), log.calls.end(), "next 1"), 2);
}

TEST_F(RunAheadTest, ARequestJoinsTheStepBehindTheQueuedOne) {
  std::unique_ptr<Engine> engine = makeEngine();
  ASSERT_TRUE(engine->submit(greedy({3, 1, 4}, 20)));
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(engine->step());
  ASSERT_EQ(log.calls.back(), "take");
  log.calls.clear();
  ASSERT_TRUE(engine->submit(greedy({5, 9}, 4)));
  std::map<int64_t, std::vector<int32_t>> tokens = drain(*engine);
  EXPECT_EQ(tokens[1], referenceGreedy({5, 9}, 4));
  std::vector<int32_t> whole = referenceGreedy({3, 1, 4}, 20);
  EXPECT_EQ(tokens[0], std::vector<int32_t>(whole.begin() + 3, whole.end()));
  log.calls.resize(4);
  EXPECT_THAT(log.calls, ElementsAre("take", "sample 3", "take", "sample 2"));
}

TEST_F(RunAheadTest, WhoWaitsForPagesDoesNotKeepTheOthersFromRunningAhead) {
  std::unique_ptr<Engine> engine = makeEngine(16);
  ASSERT_TRUE(engine->submit(greedy(std::vector<int32_t>(33, 2), 20)));
  ASSERT_TRUE(engine->submit(greedy(std::vector<int32_t>(32, 1), 20)));
  std::map<int64_t, std::vector<int32_t>> tokens = drain(*engine);
  EXPECT_EQ(tokens[0], referenceGreedy(std::vector<int32_t>(33, 2), 20));
  EXPECT_EQ(tokens[1], referenceGreedy(std::vector<int32_t>(32, 1), 20));
  EXPECT_EQ(std::count(log.calls.begin(), log.calls.end(), "next 1"), 36);
}

TEST_F(RunAheadTest, ASequenceDoesNotDependOnTheOthersNorOnChunksOrPages) {
  std::vector<std::vector<int32_t>> alone;
  for (int32_t i = 0; i < 7; ++i)
    alone.push_back(onHost(sampled(i)));
  int64_t preemptions = 0;
  for (auto [pages, scheduler] :
       {std::pair(200, SchedulerOptions{512, 512}), std::pair(200, SchedulerOptions{16, 5}),
        std::pair(16, SchedulerOptions{32, 8}), std::pair(20, SchedulerOptions{7, 3})}) {
    std::unique_ptr<Engine> engine = makeEngine(pages, scheduler);
    for (int32_t i = 0; i < 7; ++i)
      ASSERT_TRUE(engine->submit(sampled(i)));
    std::map<int64_t, std::vector<int32_t>> together = drain(*engine);
    for (size_t i = 0; i < alone.size(); ++i)
      EXPECT_EQ(together[int64_t(i)], alone[i]) << "request " << i << ", pages " << pages;
    preemptions += engine->preemptions();
  }
  EXPECT_GT(preemptions, 0);
}

TEST_F(RunAheadTest, ACancelledRequestLeavesItsRowUnused) {
  std::unique_ptr<Engine> engine = makeEngine(16);
  auto first = engine->submit(greedy({1, 2, 3}, 10));
  auto second = engine->submit(greedy({4, 5}, 10));
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(engine->step());
  engine->cancel(*first);
  std::map<int64_t, std::vector<int32_t>> tokens = drain(*engine);
  EXPECT_EQ(tokens.count(*first), 0u);
  std::vector<int32_t> whole = referenceGreedy({4, 5}, 10);
  EXPECT_EQ(tokens[*second], std::vector<int32_t>(whole.begin() + 3, whole.end()));
  // Who comes next gets pages that the unused row was written to.
  auto third = engine->submit(greedy({1, 2, 3, 4, 5}, 30));
  EXPECT_EQ(drain(*engine)[*third], referenceGreedy({1, 2, 3, 4, 5}, 30));
}

TEST_F(RunAheadTest, BeamsReadLogitsAndTheOthersAreStillChosenOnTheDevice) {
  std::unique_ptr<Engine> engine = makeEngine();
  Request beams = greedy({3, 1, 4}, 6);
  beams.beams = 3;
  ASSERT_TRUE(engine->submit(beams));
  ASSERT_TRUE(engine->submit(sampled(3)));
  std::map<int64_t, std::vector<int32_t>> tokens = drain(*engine);
  EXPECT_EQ(tokens[0], onHost(beams));
  EXPECT_EQ(tokens[1], onHost(sampled(3)));
  EXPECT_THAT(log.calls, testing::Contains("logits"));
  // With the beams at their end the other runs ahead.
  EXPECT_THAT(log.calls, testing::Contains("next 1"));
}

TEST_F(RunAheadTest, LogitsOfThePromptAreHandedOut) {
  std::unique_ptr<Engine> engine = makeEngine(64, {8, 3});
  Request request = greedy({5, 6, 7, 8, 9, 10, 11}, 3);
  std::vector<float> logits;
  request.onPromptLogits = [&](int64_t, int64_t rows, const float *values) {
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

TEST_F(RunAheadTest, ARowWithoutAChoiceIsAnError) {
  for (int64_t take : {0, 1, 3}) {
    log = {};
    log.nanAt = take;
    std::unique_ptr<Engine> engine = makeEngine();
    ASSERT_TRUE(engine->submit(greedy({3, 1, 4}, 10)));
    Result<std::vector<TokenEvent>> events = std::vector<TokenEvent>();
    int64_t steps = 0;
    for (; events && !engine->idle(); ++steps)
      events = engine->step();
    ASSERT_FALSE(events);
    EXPECT_EQ(events.error().message(),
              "the model's logits are not numbers (NaN), or the largest is infinite");
    EXPECT_EQ(steps, take + 1);
  }
}

TEST_F(RunAheadTest, AnErrorOfTheDeviceIsTold) {
  for (const char *call : {"sample 3", "sample 1", "next 1", "take"}) {
    log = {};
    log.failAt = call;
    std::unique_ptr<Engine> engine = makeEngine();
    ASSERT_TRUE(engine->submit(greedy({3, 1, 4}, 10)));
    Result<std::vector<TokenEvent>> events = std::vector<TokenEvent>();
    while (events && !engine->idle())
      events = engine->step();
    ASSERT_FALSE(events) << call;
    EXPECT_THAT(events.error().message(), HasSubstr(call));
  }
}
