//===- Engine.h - Requests in, tokens out -----------------------------------------------------===//
//
// An engine owns a loaded model, its key-value cache and a scheduler, and computes many requests at
// once, a step at a time. What a request yields depends on it alone: not on the others, on chunks,
// preemption or the number of threads. One thread at a time may call it.
//
// Where the device chooses tokens itself, it does so for every request without beams, and the
// engine runs ahead: while a step of decodes is computed, the next one is queued, which takes its
// tokens on the device. So the device never waits for the host. A request that turns out to have
// ended leaves its row of that step unused.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_ENGINE_ENGINE_H
#define LLMOPT_RUNTIME_ENGINE_ENGINE_H

#include "runtime/devices/Device.h"
#include "runtime/engine/Batch.h"
#include "runtime/engine/BeamSearch.h"
#include "runtime/engine/Sampler.h"
#include "runtime/engine/Scheduler.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace llmopt {

struct Request {
  std::vector<int32_t> prompt; ///< at least one token
  int64_t maxNewTokens = 50;   ///< fewer where the context ends
  SamplingOptions sampling;
  int64_t beams = 1; ///< more need temperature 0
  std::vector<int32_t> stopTokens;
  /// So many first tokens of the prompt, fewer than all, are not computed: what the cache's pages
  /// happen to hold counts as theirs. For measurements at long contexts, see repeatCache().
  int64_t assumedTokens = 0;
  /// Called with the logits [rows, vocabulary] of prompt tokens [first, first + rows), in order,
  /// each row once; only then are they computed. They are valid until the next step.
  std::function<void(int64_t first, int64_t rows, const float *logits)> onPromptLogits;
};

enum class FinishReason { StopToken, Length };

/// New tokens of a request: one at a time, or all at the end of a beam search.
struct TokenEvent {
  int64_t request = 0;
  std::vector<int32_t> tokens; ///< a stop token included
  std::optional<FinishReason> finished;
};

struct EngineOptions {
  SchedulerOptions scheduler;
  int64_t cachePages = 0;
};

class Engine {
public:
  static Result<std::unique_ptr<Engine>> create(std::unique_ptr<Device> device,
                                                const EngineOptions &options);

  /// Pages that a request of so many tokens, prompt and new, takes at most.
  static int64_t pagesFor(const Plan &plan, int64_t tokens, int64_t beams);

  /// Tokens that can follow a prompt in the model's context, at most `maxNewTokens`.
  static int64_t newTokens(const Manifest &manifest, int64_t promptTokens, int64_t maxNewTokens);

  /// Checks a request and lines it up; gives its id.
  Result<int64_t> submit(Request request);
  /// Copies what the first `pages` pages of the cache hold over all others, so that requests with
  /// assumedTokens find keys and values of real tokens. Only while idle.
  Status repeatCache(int64_t pages);
  /// Forgets a request; its events end.
  void cancel(int64_t id);
  bool idle() const { return requests.empty(); }

  /// Computes one step. It may yield nothing. After an Error the engine is not to be used on.
  Result<std::vector<TokenEvent>> step();

  const Device &model() const { return *device; }
  int64_t preemptions() const { return scheduler.preemptions(); }

private:
  Engine(std::unique_ptr<Device> device, const EngineOptions &options);

  struct Active {
    Request request;
    int64_t generated = 0;
    int64_t reported = 0; ///< prompt rows whose logits were handed out
    std::optional<BeamSearch> search;
  };
  /// A step that the device was given and whose results are still to be looked at.
  struct QueuedStep {
    ScheduledStep scheduled;
    std::vector<int64_t> firstLogits; ///< row of logits of each run, and the end
    bool readsLogits = false;         ///< and not only the tokens that the device chooses
  };
  /// What a step computed; the rows of one or both are null.
  struct StepResults {
    const float *logits = nullptr;
    const int32_t *tokens = nullptr;
  };
  Status check(const Request &request) const;
  WantedLogits wantedLogits(const ScheduledRun &run) const;
  bool readsLogits(const ScheduledRun &run) const;
  Status queue(ScheduledStep scheduled);
  Status queueAhead();
  Status runChosen(const QueuedStep &step, Batch &batch);
  Result<StepResults> take(const QueuedStep &step);
  Result<std::vector<TokenEvent>> finish(const QueuedStep &step);
  void reportPromptLogits(const ScheduledRun &run, int64_t rows, const float *logits);
  Result<int32_t> nextToken(int64_t id, const StepResults &results, int64_t row) const;
  TokenEvent append(int64_t id, int32_t token);
  Result<std::optional<TokenEvent>> advanceBeams(int64_t id,
                                                 const std::vector<const float *> &logits);

  std::unique_ptr<Device> device;
  EngineOptions options;
  KvCache cache;
  Scheduler scheduler;
  std::map<int64_t, Active> requests;
  std::deque<QueuedStep> queued; ///< the second one, if any, follows from the first
  int64_t nextId = 0;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ENGINE_ENGINE_H
