#include "runtime/engine/Engine.h"

#include <algorithm>

namespace llmopt {

int64_t Engine::pagesFor(const Plan &plan, int64_t tokens, int64_t beams) {
  return (tokens + plan.cache.pageTokens - 1) / plan.cache.pageTokens * beams;
}

int64_t Engine::newTokens(const Manifest &manifest, int64_t promptTokens, int64_t maxNewTokens) {
  return std::clamp<int64_t>(manifest.contextLength - promptTokens, 0, maxNewTokens);
}

Result<std::unique_ptr<Engine>> Engine::create(std::unique_ptr<Device> device,
                                               const EngineOptions &options) {
  if (options.scheduler.stepTokens < 1 || options.scheduler.chunkTokens < 1)
    return makeError("a step of {} tokens in chunks of {} computes nothing",
                     options.scheduler.stepTokens, options.scheduler.chunkTokens);
  if (options.cachePages < 1 || options.cachePages > INT32_MAX)
    return makeError("a cache of {} pages is not possible", options.cachePages);
  LLMOPT_TRY(device->allocateCache(options.cachePages));
  return std::unique_ptr<Engine>(new Engine(std::move(device), options));
}

Engine::Engine(std::unique_ptr<Device> device, const EngineOptions &options)
    : device(std::move(device)), options(options),
      cache(options.cachePages, this->device->artifact().plan.cache.pageTokens),
      scheduler(options.scheduler, cache) {}

//===- Requests -------------------------------------------------------------------------------===//

Status Engine::check(const Request &request) const {
  const Artifact &artifact = device->artifact();
  const Manifest &manifest = artifact.manifest;
  int64_t promptTokens = static_cast<int64_t>(request.prompt.size());
  if (promptTokens == 0)
    return makeError("the prompt has no tokens; a model continues at least one");
  if (promptTokens > manifest.contextLength)
    return makeError("the prompt has {} tokens, the model's context holds {}", promptTokens,
                     manifest.contextLength);
  for (int32_t token : request.prompt)
    if (token < 0 || token >= manifest.vocabularySize)
      return makeError("token id {} of the prompt is outside the model's vocabulary of {}", token,
                       manifest.vocabularySize);
  if (request.maxNewTokens < 0)
    return makeError("the number of new tokens is {}, below 0", request.maxNewTokens);
  LLMOPT_TRY(checkSampling(request.sampling));
  if (request.beams < 1 || request.beams > options.scheduler.stepTokens)
    return makeError("{} beams: from 1 to {} are possible", request.beams,
                     options.scheduler.stepTokens);
  if (request.beams > 1 && request.sampling.temperature != 0)
    return makeError("beam search looks for the most probable text and does not sample: {} beams "
                     "need temperature 0, not {}",
                     request.beams, request.sampling.temperature);
  int64_t tokens = promptTokens + newTokens(manifest, promptTokens, request.maxNewTokens);
  if (pagesFor(artifact.plan, tokens, request.beams) > cache.pageCount())
    return makeError("the request takes {} pages of the key-value cache, which has {}",
                     pagesFor(artifact.plan, tokens, request.beams), cache.pageCount());
  return success();
}

Result<int64_t> Engine::submit(Request request) {
  LLMOPT_TRY(check(request));
  request.maxNewTokens =
      newTokens(device->artifact().manifest, static_cast<int64_t>(request.prompt.size()),
                request.maxNewTokens);
  int64_t id = nextId++;
  scheduler.add(id, request.prompt, request.beams);
  Active &active = requests[id];
  if (request.beams > 1 && request.maxNewTokens > 0)
    active.search.emplace(request.beams, request.maxNewTokens, request.stopTokens);
  active.request = std::move(request);
  return id;
}

void Engine::cancel(int64_t id) {
  if (requests.erase(id))
    scheduler.remove(id);
}

//===- Steps ----------------------------------------------------------------------------------===//

/// All rows while a prompt's logits are still to be handed out, else the row whose token is the
/// sequence's last.
WantedLogits Engine::wantedLogits(const ScheduledRun &run) {
  const Active &active = requests.at(run.group);
  if (active.request.onPromptLogits &&
      active.reported < static_cast<int64_t>(active.request.prompt.size()))
    return WantedLogits::All;
  const Sequence &sequence = scheduler.group(run.group).sequences[run.sequence];
  bool last = run.first + run.count == static_cast<int64_t>(sequence.tokens.size());
  return last && active.request.maxNewTokens > 0 ? WantedLogits::Last : WantedLogits::None;
}

/// Rows behind the prompt are not asked for, and those of a prompt that is computed again after a
/// preemption may have been handed out already.
void Engine::reportPromptLogits(const ScheduledRun &run, int64_t rows, const float *logits) {
  Active &active = requests.at(run.group);
  int64_t end =
      std::min<int64_t>(run.first + rows, static_cast<int64_t>(active.request.prompt.size()));
  if (end <= active.reported)
    return;
  int64_t skip = active.reported - run.first;
  active.request.onPromptLogits(active.reported, end - active.reported,
                                logits + skip * device->artifact().manifest.vocabularySize);
  active.reported = end;
}

Result<TokenEvent> Engine::sampleNext(int64_t id, const float *logits) {
  Active &active = requests.at(id);
  std::vector<int32_t> &tokens = scheduler.group(id).sequences[0].tokens;
  const Request &request = active.request;
  LLMOPT_ASSIGN(int32_t token, sampleToken(logits, device->artifact().manifest.vocabularySize,
                                           request.sampling, static_cast<int64_t>(tokens.size())));
  tokens.push_back(token);
  ++active.generated;
  TokenEvent event{id, {token}, std::nullopt};
  if (std::find(request.stopTokens.begin(), request.stopTokens.end(), token) !=
      request.stopTokens.end())
    event.finished = FinishReason::StopToken;
  else if (active.generated >= request.maxNewTokens)
    event.finished = FinishReason::Length;
  return event;
}

/// Lets the chosen beams run on, each from a fork of the one it continues; an event when none does.
Result<std::optional<TokenEvent>> Engine::advanceBeams(int64_t id,
                                                       const std::vector<const float *> &logits) {
  Active &active = requests.at(id);
  int64_t vocabulary = device->artifact().manifest.vocabularySize;
  LLMOPT_ASSIGN(std::vector<BeamSearch::Choice> choices,
                active.search->advance(logits, vocabulary));
  if (choices.empty()) {
    TokenEvent event{id, active.search->best(), FinishReason::Length};
    if (std::find(active.request.stopTokens.begin(), active.request.stopTokens.end(),
                  event.tokens.back()) != active.request.stopTokens.end())
      event.finished = FinishReason::StopToken;
    return std::optional<TokenEvent>(std::move(event));
  }
  std::vector<Sequence> &sequences = scheduler.group(id).sequences;
  std::vector<Sequence> next;
  for (const BeamSearch::Choice &choice : choices) {
    const Sequence &origin = sequences[choice.beam];
    next.push_back({origin.tokens, cache.fork(origin.cache)});
    next.back().tokens.push_back(choice.token);
  }
  for (Sequence &sequence : sequences)
    cache.release(sequence.cache);
  sequences = std::move(next);
  return std::optional<TokenEvent>();
}

Result<std::vector<TokenEvent>> Engine::step() {
  std::vector<TokenEvent> events;
  ScheduledStep scheduled = scheduler.next();
  if (scheduled.runs.empty())
    return events;

  Batch batch;
  std::vector<int64_t> firstLogits; // of each run, and the end
  for (const ScheduledRun &run : scheduled.runs) {
    firstLogits.push_back(batch.logitRows());
    const Sequence &sequence = scheduler.group(run.group).sequences[run.sequence];
    batch.add(sequence.tokens.data() + run.first, run.first, run.count, sequence.cache,
              wantedLogits(run));
  }
  firstLogits.push_back(batch.logitRows());
  LLMOPT_TRY(device->copyPages(scheduled.copies));
  LLMOPT_TRY(device->run(batch.view()));
  LLMOPT_ASSIGN(const float *logits, device->logits());

  const int64_t vocabulary = device->artifact().manifest.vocabularySize;
  std::map<int64_t, std::vector<const float *>> lastLogits; // of groups that all went to their end
  for (size_t i = 0; i < scheduled.runs.size(); ++i) {
    const ScheduledRun &run = scheduled.runs[i];
    const Active &active = requests.at(run.group);
    int64_t rows = firstLogits[i + 1] - firstLogits[i];
    const float *first = logits + firstLogits[i] * vocabulary;
    if (rows == run.count && active.request.onPromptLogits)
      reportPromptLogits(run, rows, first);
    if (scheduler.group(run.group).sequences[run.sequence].pending() == 0)
      lastLogits[run.group].push_back(rows ? first + (rows - 1) * vocabulary : nullptr);
  }
  for (const auto &[id, rows] : lastLogits) {
    std::optional<TokenEvent> event;
    if (requests.at(id).request.maxNewTokens == 0) {
      event = TokenEvent{id, {}, FinishReason::Length};
    } else if (requests.at(id).search) {
      LLMOPT_ASSIGN(event, advanceBeams(id, rows));
    } else {
      LLMOPT_ASSIGN(event, sampleNext(id, rows.front()));
    }
    if (!event)
      continue;
    if (event->finished)
      cancel(id);
    events.push_back(std::move(*event));
  }
  return events;
}

} // namespace llmopt
