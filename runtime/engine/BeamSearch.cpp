#include "runtime/engine/BeamSearch.h"

#include "runtime/engine/Sampler.h"

#include <algorithm>
#include <cmath>

namespace llmopt {

BeamSearch::BeamSearch(int64_t beams, int64_t maxTokens, std::vector<int32_t> stopTokens)
    : beams(beams), maxTokens(maxTokens), stopTokens(std::move(stopTokens)) {}

/// The first continuations of all running beams, the best first.
Result<std::vector<BeamSearch::Candidate>>
BeamSearch::rank(const std::vector<const float *> &logits, int64_t vocabulary) const {
  int64_t wanted = std::max<int64_t>(2, 1 + static_cast<int64_t>(stopTokens.size())) * beams;
  wanted = std::min<int64_t>(wanted, static_cast<int64_t>(logits.size()) * vocabulary);
  auto before = [](const Candidate &a, const Candidate &b) {
    if (a.sum != b.sum)
      return a.sum > b.sum;
    return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
  };
  std::vector<Candidate> candidates;
  for (size_t beam = 0; beam < logits.size(); ++beam) {
    LLMOPT_ASSIGN(int64_t best, largestLogit(logits[beam], vocabulary));
    double largest = logits[beam][best];
    double total = 0;
    for (int64_t i = 0; i < vocabulary; ++i)
      total += std::exp(logits[beam][i] - largest);
    double normalizer = largest + std::log(total);
    for (int64_t i = 0; i < vocabulary; ++i)
      candidates.push_back({static_cast<int64_t>(beam), static_cast<int32_t>(i),
                            running[beam].score + (logits[beam][i] - normalizer)});
  }
  std::partial_sort(candidates.begin(), candidates.begin() + wanted, candidates.end(), before);
  candidates.resize(wanted);
  return candidates;
}

BeamSearch::Beam BeamSearch::extend(const Candidate &candidate) const {
  Beam beam = running[candidate.beam];
  beam.tokens.push_back(candidate.token);
  beam.score = candidate.sum;
  return beam;
}

void BeamSearch::finish(const Candidate &candidate) {
  Beam beam = extend(candidate);
  beam.score /= static_cast<double>(beam.tokens.size());
  auto place = std::find_if(finished.begin(), finished.end(),
                            [&](const Beam &other) { return other.score < beam.score; });
  finished.insert(place, std::move(beam));
  if (static_cast<int64_t>(finished.size()) > beams)
    finished.pop_back();
}

/// Nothing that runs can still beat the worst hypothesis, as far as its present length tells.
bool BeamSearch::done() const {
  if (running.empty())
    return true;
  double attainable = running.front().score / static_cast<double>(running.front().tokens.size());
  return static_cast<int64_t>(finished.size()) == beams && attainable <= finished.back().score;
}

Result<std::vector<BeamSearch::Choice>>
BeamSearch::advance(const std::vector<const float *> &logits, int64_t vocabulary) {
  if (logits.size() != running.size())
    return makeError("beam search has {} beams, not {}", running.size(), logits.size());
  LLMOPT_ASSIGN(std::vector<Candidate> candidates, rank(logits, vocabulary));
  bool last = static_cast<int64_t>(running.front().tokens.size()) + 1 >= maxTokens;
  std::vector<Choice> choices;
  std::vector<Beam> next;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Candidate &candidate = candidates[i];
    bool ends = last || std::find(stopTokens.begin(), stopTokens.end(), candidate.token) !=
                            stopTokens.end();
    if (ends && static_cast<int64_t>(i) < beams)
      finish(candidate);
    if (!ends && static_cast<int64_t>(next.size()) < beams) {
      next.push_back(extend(candidate));
      choices.push_back({candidate.beam, candidate.token});
    }
  }
  running = std::move(next);
  if (done())
    choices.clear();
  return choices;
}

} // namespace llmopt
