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
  if (request.assumedTokens < 0 || request.assumedTokens >= promptTokens)
    return makeError("{} tokens of a prompt of {} are assumed: at least one is to be computed",
                     request.assumedTokens, promptTokens);
  if (request.assumedTokens > 0 && (request.onPromptLogits || request.beams > 1))
    return makeError("tokens that are assumed have neither logits nor beams");
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
  scheduler.add(id, request.prompt, request.beams, request.assumedTokens);
  Active &active = requests[id];
  if (request.beams > 1 && request.maxNewTokens > 0)
    active.search.emplace(request.beams, request.maxNewTokens, request.stopTokens);
  active.request = std::move(request);
  return id;
}

Status Engine::repeatCache(int64_t pages) {
  if (!idle() || pages < 1 || pages > cache.pageCount())
    return makeError("{} pages of a cache of {} cannot be repeated{}", pages, cache.pageCount(),
                     idle() ? "" : " while requests use it");
  std::vector<PageCopy> copies;
  for (int64_t page = pages; page < cache.pageCount(); ++page)
    copies.push_back({static_cast<int32_t>(page % pages), static_cast<int32_t>(page)});
  return device->copyPages(copies);
}

void Engine::cancel(int64_t id) {
  if (requests.erase(id))
    scheduler.remove(id);
}

//===- Steps ----------------------------------------------------------------------------------===//

Result<std::vector<TokenEvent>> Engine::step() {
  if (queued.empty()) {
    ScheduledStep scheduled = scheduler.next();
    if (scheduled.runs.empty())
      return std::vector<TokenEvent>();
    LLMOPT_TRY(queue(std::move(scheduled)));
  }
  if (queued.size() == 1)
    LLMOPT_TRY(queueAhead());
  QueuedStep step = std::move(queued.front());
  queued.pop_front();
  return finish(step);
}

/// All rows while a prompt's logits are still to be handed out, else the row whose token is the
/// sequence's last. (Without new tokens that row tells when the prompt has been computed.)
WantedLogits Engine::wantedLogits(const ScheduledRun &run) const {
  const Active &active = requests.at(run.group);
  if (active.request.onPromptLogits &&
      active.reported < static_cast<int64_t>(active.request.prompt.size()))
    return WantedLogits::All;
  const SequenceGroup &group = scheduler.group(run.group);
  return group.sequences[run.sequence].pending() == 0 ? WantedLogits::Last : WantedLogits::None;
}

bool Engine::readsLogits(const ScheduledRun &run) const {
  return !device->samples() || requests.at(run.group).search ||
         wantedLogits(run) == WantedLogits::All;
}

Status Engine::queue(ScheduledStep scheduled) {
  QueuedStep step;
  Batch batch;
  for (const ScheduledRun &run : scheduled.runs) {
    step.firstLogits.push_back(batch.logitRows());
    const Sequence &sequence = scheduler.group(run.group).sequences[run.sequence];
    batch.add(sequence.tokens.data() + run.first, run.first, run.count, sequence.cache,
              wantedLogits(run));
    step.readsLogits |= readsLogits(run);
  }
  step.firstLogits.push_back(batch.logitRows());
  step.scheduled = std::move(scheduled);
  LLMOPT_TRY(device->copyPages(step.scheduled.copies));
  if (device->samples() && batch.logitRows() > 0)
    LLMOPT_TRY(runChosen(step, batch));
  else
    LLMOPT_TRY(device->run(batch.view()));
  queued.push_back(std::move(step));
  return success();
}

/// Has the device choose a token from every row of logits; for those whose tokens are not looked at
/// the most probable one, which takes the least.
Status Engine::runChosen(const QueuedStep &step, Batch &batch) {
  std::vector<LlmoptSampling> rows(batch.logitRows(), LlmoptSampling{0, 0, 1, 0, 0});
  for (size_t i = 0; i < step.scheduled.runs.size(); ++i) {
    if (step.firstLogits[i] == step.firstLogits[i + 1])
      continue;
    const SamplingOptions &sampling = requests.at(step.scheduled.runs[i].group).request.sampling;
    LlmoptSampling &row = rows[step.firstLogits[i + 1] - 1];
    row.temperature = static_cast<float>(sampling.temperature);
    row.topK = static_cast<int32_t>(std::min<int64_t>(sampling.topK, INT32_MAX));
    row.topP = static_cast<float>(sampling.topP);
    row.seed = sampling.seed;
    row.stream = sampling.stream;
  }
  return device->runSampled(batch.view(), rows.data());
}

/// Queues the step behind the queued one, if it is of the same sequences, whatever their tokens.
Status Engine::queueAhead() {
  const QueuedStep &last = queued.front();
  if (last.readsLogits)
    return success();
  for (const ScheduledRun &run : last.scheduled.runs) {
    auto active = requests.find(run.group);
    if (active == requests.end() ||
        active->second.generated + 1 >= active->second.request.maxNewTokens)
      return success();
  }
  std::optional<ScheduledStep> next = scheduler.nextDecodes(last.scheduled);
  if (!next)
    return success();
  QueuedStep step;
  Batch batch;
  const int32_t unknown = 0;
  for (const ScheduledRun &run : next->runs) {
    step.firstLogits.push_back(batch.logitRows());
    batch.add(&unknown, run.first, 1, scheduler.group(run.group).sequences[0].cache,
              WantedLogits::Last);
  }
  step.firstLogits.push_back(batch.logitRows());
  step.scheduled = *std::move(next);
  LLMOPT_TRY(device->runNext(batch.view()));
  queued.push_back(std::move(step));
  return success();
}

//===- Results --------------------------------------------------------------------------------===//

Result<Engine::StepResults> Engine::take(const QueuedStep &step) {
  StepResults results;
  if (device->samples() && step.firstLogits.back() > 0) {
    LLMOPT_ASSIGN(results.tokens, device->takeTokens());
  }
  if (step.readsLogits) {
    LLMOPT_ASSIGN(results.logits, device->logits());
  }
  return results;
}

/// Hands out what a step computed. Groups that have gone since it was queued are passed over.
Result<std::vector<TokenEvent>> Engine::finish(const QueuedStep &step) {
  const int64_t vocabulary = device->artifact().manifest.vocabularySize;
  LLMOPT_ASSIGN(StepResults results, take(step));
  std::map<int64_t, std::vector<int64_t>> lastRows; // of groups that all went to their end
  for (size_t i = 0; i < step.scheduled.runs.size(); ++i) {
    const ScheduledRun &run = step.scheduled.runs[i];
    auto active = requests.find(run.group);
    if (active == requests.end())
      continue;
    int64_t rows = step.firstLogits[i + 1] - step.firstLogits[i];
    if (rows == run.count && active->second.request.onPromptLogits && results.logits)
      reportPromptLogits(run, rows, results.logits + step.firstLogits[i] * vocabulary);
    const Sequence &sequence = scheduler.group(run.group).sequences[run.sequence];
    if (run.first + run.count == static_cast<int64_t>(sequence.tokens.size()))
      lastRows[run.group].push_back(step.firstLogits[i + 1] - 1);
  }
  std::vector<TokenEvent> events;
  for (const auto &[id, rows] : lastRows) {
    std::optional<TokenEvent> event;
    if (requests.at(id).request.maxNewTokens == 0) {
      event = TokenEvent{id, {}, FinishReason::Length};
    } else if (requests.at(id).search) {
      std::vector<const float *> logits;
      for (int64_t row : rows)
        logits.push_back(results.logits + row * vocabulary);
      LLMOPT_ASSIGN(event, advanceBeams(id, logits));
    } else {
      LLMOPT_ASSIGN(int32_t token, nextToken(id, results, rows.front()));
      event = append(id, token);
    }
    if (!event)
      continue;
    if (event->finished)
      cancel(id);
    events.push_back(std::move(*event));
  }
  return events;
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

/// The token chosen from a row of logits, by the device if it does that.
Result<int32_t> Engine::nextToken(int64_t id, const StepResults &results, int64_t row) const {
  const int64_t vocabulary = device->artifact().manifest.vocabularySize;
  if (!results.tokens)
    return sampleToken(results.logits + row * vocabulary, vocabulary,
                       requests.at(id).request.sampling,
                       static_cast<int64_t>(scheduler.group(id).sequences[0].tokens.size()));
  int32_t token = results.tokens[row];
  if (token < 0 || token >= vocabulary)
    return makeError("the model's logits are not numbers (NaN), or the largest is infinite");
  return token;
}

TokenEvent Engine::append(int64_t id, int32_t token) {
  Active &active = requests.at(id);
  scheduler.group(id).sequences[0].tokens.push_back(token);
  ++active.generated;
  TokenEvent event{id, {token}, std::nullopt};
  const std::vector<int32_t> &stops = active.request.stopTokens;
  if (std::find(stops.begin(), stops.end(), token) != stops.end())
    event.finished = FinishReason::StopToken;
  else if (active.generated >= active.request.maxNewTokens)
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

} // namespace llmopt
