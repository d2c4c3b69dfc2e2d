#include "runtime/engine/BeamSearch.h"

#include "runtime/engine/Engine.h"
#include "test/unit/runtime/TinyModel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace llmopt;
using namespace llmopt::tiny;

namespace {
/// Beam search written down from its definition: all continuations in one sorted list.
struct Hypothesis {
  std::vector<int32_t> tokens;
  double score;
};

Hypothesis searchPlainly(const std::vector<int32_t> &prompt, size_t beams, size_t maxTokens,
                         const std::vector<int32_t> &stops) {
  std::vector<Hypothesis> running = {{{}, 0.0}}, finished;
  while (true) {
    std::vector<Hypothesis> all;
    for (const Hypothesis &beam : running) {
      std::vector<int32_t> tokens = prompt;
      tokens.insert(tokens.end(), beam.tokens.begin(), beam.tokens.end());
      std::vector<float> logits = referenceLogits(tokens);
      double total = 0;
      for (float value : logits)
        total += std::exp(double(value));
      for (int token = 0; token < vocabulary; ++token) {
        all.push_back(beam);
        all.back().tokens.push_back(token);
        all.back().score += logits[token] - std::log(total);
      }
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const auto &a, const auto &b) { return a.score > b.score; });
    all.resize(std::min(all.size(), std::max<size_t>(2, 1 + stops.size()) * beams));
    running.clear();
    for (size_t i = 0; i < all.size(); ++i) {
      size_t length = all[i].tokens.size();
      bool ends =
          length == maxTokens || std::count(stops.begin(), stops.end(), all[i].tokens.back()) != 0;
      if (ends && i < beams)
        finished.push_back({all[i].tokens, all[i].score / length});
      if (!ends && running.size() < beams)
        running.push_back(all[i]);
    }
    std::stable_sort(finished.begin(), finished.end(),
                     [](const auto &a, const auto &b) { return a.score > b.score; });
    finished.resize(std::min(finished.size(), beams));
    if (running.empty() || (finished.size() == beams &&
                            running[0].score / running[0].tokens.size() <= finished.back().score))
      return finished[0];
  }
}

struct BeamSearchTest : testing::Test {
  BeamSearchTest() { writeArtifact(Parts(), path); }
  /// The engine's answer, beside other requests in a cache with few pages to spare.
  std::vector<int32_t> search(Request request, int64_t pages, int64_t *preemptions = nullptr) {
    EngineOptions options;
    options.scheduler = {16, 5};
    options.cachePages = pages;
    auto engine = Engine::create(openTiny(path, 2), options);
    for (int32_t i = 0; i < 4; ++i) {
      Request other;
      other.prompt = {8, 9, i};
      other.maxNewTokens = 20;
      EXPECT_TRUE((*engine)->submit(other));
    }
    auto id = (*engine)->submit(request);
    EXPECT_TRUE(id) << id.error().message();
    std::vector<int32_t> tokens = drain(**engine)[*id];
    if (preemptions)
      *preemptions = (*engine)->preemptions();
    return tokens;
  }
  static Request beamRequest(std::vector<int32_t> prompt, int64_t beams, int64_t tokens) {
    Request request;
    request.prompt = std::move(prompt);
    request.beams = beams;
    request.maxNewTokens = tokens;
    request.sampling.temperature = 0;
    return request;
  }
  TemporaryDirectory directory;
  std::string path = directory / "a.llmopt";
};
} // namespace

TEST_F(BeamSearchTest, FindsWhatAPlainSearchFinds) {
  for (int32_t seed = 0; seed < 6; ++seed) {
    std::vector<int32_t> prompt = {seed, 3, 5, 7, 11, 2, static_cast<int32_t>(seed * 3 % 40)};
    for (int64_t beams : {2, 3, 4})
      EXPECT_EQ(search(beamRequest(prompt, beams, 9), 100),
                searchPlainly(prompt, beams, 9, {}).tokens);
  }
}

TEST_F(BeamSearchTest, EndsAtStopTokens) {
  int stopped = 0;
  for (int32_t seed = 0; seed < 12; ++seed) {
    Request request = beamRequest({seed, 20}, 3, 12);
    request.stopTokens = {4, 9, 14, 19};
    Hypothesis plain = searchPlainly(request.prompt, 3, 12, request.stopTokens);
    EXPECT_EQ(search(request, 100), plain.tokens);
    stopped += plain.tokens.size() < 12;
  }
  EXPECT_GT(stopped, 0);
}

TEST_F(BeamSearchTest, SurvivesLosingItsPages) {
  Request request = beamRequest({1, 2, 3, 4, 5}, 4, 14);
  int64_t preemptions = 0;
  EXPECT_EQ(search(request, 20, &preemptions), searchPlainly(request.prompt, 4, 14, {}).tokens);
  EXPECT_GT(preemptions, 0);
}

TEST_F(BeamSearchTest, OneNewTokenIsTheMostProbable) {
  Request request = beamRequest({1, 2, 3}, 5, 1);
  EXPECT_EQ(search(request, 100), referenceGreedy(request.prompt, 1));
}

TEST(BeamSearch, MoreBeamsThanContinuationsIsFine) {
  BeamSearch search(8, 2, {});
  std::vector<float> logits = {0, 1, 2};
  auto choices = search.advance({logits.data()}, 3);
  ASSERT_TRUE(choices);
  EXPECT_EQ(choices->size(), 3u);
  choices = search.advance({logits.data(), logits.data(), logits.data()}, 3);
  ASSERT_TRUE(choices);
  EXPECT_TRUE(choices->empty());
  EXPECT_EQ(search.best(), (std::vector<int32_t>{2, 2}));
}
