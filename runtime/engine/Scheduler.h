//===- Scheduler.h - What the next step computes ----------------------------------------------===//
//
// Batching per iteration: every step takes the next token of all running groups, and fills what is
// left of its token budget with chunks of prompts, in the order of arrival. A group is the one or
// more sequences of a request (beams), which advance together: their last tokens are computed in
// one step. When pages run out, the group that came last gives up its pages and computes its tokens
// again later. Everything follows from the order of arrival, nothing from time.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_ENGINE_SCHEDULER_H
#define LLMOPT_RUNTIME_ENGINE_SCHEDULER_H

#include "runtime/engine/KvCache.h"

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace llmopt {

struct Sequence {
  std::vector<int32_t> tokens; ///< prompt and what was generated
  CachedSequence cache;        ///< of tokens[0, cache.length)

  int64_t pending() const { return static_cast<int64_t>(tokens.size()) - cache.length; }
};

struct SequenceGroup {
  std::vector<Sequence> sequences;
  int64_t width = 1; ///< the most sequences that it will have
  /// Of the prompt's tokens, so many first ones get pages but are not computed: whatever these
  /// pages hold are their keys and values.
  int64_t assumed = 0;

  bool holdsPages() const;
};

/// Tokens [first, first + count) of a sequence, computed in one step.
struct ScheduledRun {
  int64_t group = 0; ///< its id
  int64_t sequence = 0;
  int64_t first = 0;
  int64_t count = 0;
};

struct ScheduledStep {
  std::vector<ScheduledRun> runs;
  std::vector<PageCopy> copies; ///< to be made before the step
};

struct SchedulerOptions {
  int64_t stepTokens = 512;  ///< rows of a step
  int64_t chunkTokens = 512; ///< rows of one prompt in a step
};

class Scheduler {
public:
  Scheduler(const SchedulerOptions &options, KvCache &cache) : options(options), cache(cache) {}

  /// Adds a group of one sequence that may become `width`; ids rise with arrival.
  void add(int64_t id, std::vector<int32_t> tokens, int64_t width, int64_t assumed = 0);
  /// Drops a group and its pages.
  void remove(int64_t id);
  bool empty() const { return groups.empty(); }
  SequenceGroup &group(int64_t id) { return groups.at(id); }
  const SequenceGroup &group(int64_t id) const { return groups.at(id); }

  /// Makes the next step, and room in the cache for it. Empty only if there are no groups, given
  /// that each group alone fits into the cache, and its width into a step.
  ScheduledStep next();

  /// Makes the step after `last` while the tokens that `last` computes are not known yet: the
  /// decodes of the same groups, with room in the cache. Nothing, and nothing changed, where next()
  /// would take other groups once they are known, or where `last` is more than decodes of groups of
  /// one sequence.
  std::optional<ScheduledStep> nextDecodes(const ScheduledStep &last);

  /// Times that a group gave up its pages, so far.
  int64_t preemptions() const { return preempted; }

private:
  void scheduleDecodes(ScheduledStep &step);
  void schedulePrompts(ScheduledStep &step, bool force);
  bool admit(const SequenceGroup &group) const;
  bool wouldJoin(const ScheduledStep &last) const;
  bool takeAssumed(SequenceGroup &group, ScheduledStep &step);
  std::vector<ScheduledRun> chunksOf(int64_t id, int64_t rows) const;
  bool reserve(int64_t id, ScheduledStep &step, const std::vector<ScheduledRun> &runs,
               bool mayPreempt);
  bool preemptAfter(int64_t id);
  void preempt(SequenceGroup &group);

  SchedulerOptions options;
  KvCache &cache;
  std::map<int64_t, SequenceGroup> groups;
  int64_t preempted = 0;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ENGINE_SCHEDULER_H
