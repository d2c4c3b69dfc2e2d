#include "runtime/engine/Scheduler.h"

#include <algorithm>
#include <set>

namespace llmopt {

bool SequenceGroup::holdsPages() const {
  return std::any_of(sequences.begin(), sequences.end(),
                     [](const Sequence &sequence) { return !sequence.cache.pages.empty(); });
}

/// Every sequence lacks only its last token.
static bool decodes(const SequenceGroup &group) {
  return std::all_of(group.sequences.begin(), group.sequences.end(),
                     [](const Sequence &sequence) { return sequence.pending() == 1; });
}

void Scheduler::add(int64_t id, std::vector<int32_t> tokens, int64_t width, int64_t assumed) {
  groups[id].width = width;
  groups[id].assumed = assumed;
  groups[id].sequences.push_back({std::move(tokens), {}});
}

void Scheduler::remove(int64_t id) {
  for (Sequence &sequence : groups.at(id).sequences)
    cache.release(sequence.cache);
  groups.erase(id);
}

ScheduledStep Scheduler::next() {
  ScheduledStep step;
  scheduleDecodes(step);
  schedulePrompts(step, /*force=*/false);
  // Prompts that wait for each other's pages: the first one takes them.
  if (step.runs.empty())
    schedulePrompts(step, /*force=*/true);
  return step;
}

std::optional<ScheduledStep> Scheduler::nextDecodes(const ScheduledStep &last) {
  for (const ScheduledRun &run : last.runs) {
    auto group = groups.find(run.group);
    if (group == groups.end() || group->second.width > 1 || run.count != 1 ||
        group->second.sequences[0].pending() != 0)
      return std::nullopt;
  }
  ScheduledStep step;
  for (const ScheduledRun &run : last.runs) {
    CachedSequence &cached = groups.at(run.group).sequences[0].cache;
    // Groups of one sequence share no pages, so there is nothing to copy.
    if (!cache.append(cached, 1, step.copies))
      break;
    step.runs.push_back({run.group, 0, cached.length - 1, 1});
  }
  if (step.runs.size() == last.runs.size() && !wouldJoin(last))
    return step;
  for (const ScheduledRun &run : step.runs)
    cache.truncate(groups.at(run.group).sequences[0].cache, run.first);
  return std::nullopt;
}

/// Whether next() would take a group that has no part in `last`, whose groups have room for their
/// next tokens already.
bool Scheduler::wouldJoin(const ScheduledStep &last) const {
  std::set<int64_t> running;
  for (const ScheduledRun &run : last.runs)
    running.insert(run.group);
  bool waiting = false; // those after a group that waits wait too
  for (const auto &[id, group] : groups) {
    if (running.count(id))
      continue;
    if (group.holdsPages() || (!waiting && admit(group)))
      return true;
    waiting = true;
  }
  return false;
}

/// A group begins when there is room for all of its tokens beside what the running groups still
/// lack, and rows for its decodes beside theirs.
bool Scheduler::admit(const SequenceGroup &candidate) const {
  int64_t pages = 0;
  int64_t rows = 0;
  for (const auto &[id, group] : groups) {
    if (&group != &candidate && !group.holdsPages())
      continue;
    rows += group.width;
    for (const Sequence &sequence : group.sequences) {
      // Room for a token that is not known yet counts as its own.
      int64_t tokens =
          std::max(static_cast<int64_t>(sequence.tokens.size()), sequence.cache.length);
      pages += cache.pagesFor(tokens) - static_cast<int64_t>(sequence.cache.pages.size());
    }
  }
  return pages <= cache.freePages() && rows <= options.stepTokens;
}

void Scheduler::scheduleDecodes(ScheduledStep &step) {
  for (auto &[id, group] : groups) {
    if (!group.holdsPages() || !decodes(group))
      continue;
    std::vector<ScheduledRun> runs;
    runs.reserve(group.sequences.size());
    for (size_t i = 0; i < group.sequences.size(); ++i)
      runs.push_back({id, static_cast<int64_t>(i), group.sequences[i].cache.length, 1});
    if (!reserve(id, step, runs, /*mayPreempt=*/true))
      preempt(group);
  }
}

/// Adds chunks of groups whose tokens are not all in the cache. With `force` the first such group
/// takes the pages of those after it, and is the only one.
void Scheduler::schedulePrompts(ScheduledStep &step, bool force) {
  int64_t left = options.stepTokens;
  std::set<int64_t> scheduled;
  for (const ScheduledRun &run : step.runs) {
    left -= run.count;
    scheduled.insert(run.group);
  }
  bool waiting = false;
  for (auto &[id, group] : groups) {
    if (scheduled.count(id))
      continue;
    // Who comes after a group that has to wait waits too, or that one might wait for ever.
    if (!force && !group.holdsPages()) {
      waiting = waiting || !admit(group);
      if (waiting)
        continue;
    }
    if (!takeAssumed(group, step))
      continue;
    std::vector<ScheduledRun> runs = chunksOf(id, left);
    if (runs.empty() || !reserve(id, step, runs, force))
      continue;
    for (const ScheduledRun &run : runs)
      left -= run.count;
    if (force)
      break;
  }
}

/// Gives a group that begins the pages of the tokens that are not computed; false without room.
bool Scheduler::takeAssumed(SequenceGroup &group, ScheduledStep &step) {
  if (group.assumed == 0 || group.holdsPages())
    return true;
  return cache.append(group.sequences[0].cache, group.assumed, step.copies);
}

/// The next chunks of a group, of at most `rows` rows.
std::vector<ScheduledRun> Scheduler::chunksOf(int64_t id, int64_t rows) const {
  const SequenceGroup &group = groups.at(id);
  int64_t sequences = static_cast<int64_t>(group.sequences.size());
  bool last = decodes(group);
  if (last && sequences > rows)
    return {};
  // Several sequences keep their last tokens for a step of their own.
  int64_t kept = !last && sequences > 1 ? 1 : 0;
  std::vector<ScheduledRun> runs;
  for (int64_t i = 0; i < sequences; ++i) {
    const Sequence &sequence = group.sequences[i];
    int64_t count = std::min({sequence.pending() - kept, options.chunkTokens, rows});
    if (count <= 0)
      continue;
    runs.push_back({id, i, sequence.cache.length, count});
    rows -= count;
  }
  return runs;
}

/// Makes room for the runs of one group and adds them to the step; all or none.
bool Scheduler::reserve(int64_t id, ScheduledStep &step, const std::vector<ScheduledRun> &runs,
                        bool mayPreempt) {
  std::vector<Sequence> &sequences = groups.at(id).sequences;
  for (size_t done = 0; done < runs.size();) {
    if (cache.append(sequences[runs[done].sequence].cache, runs[done].count, step.copies)) {
      ++done;
      continue;
    }
    if (mayPreempt && preemptAfter(id))
      continue;
    // The copies stay in the step: a page that was copied is the sequence's own now.
    for (size_t i = 0; i < done; ++i)
      cache.truncate(sequences[runs[i].sequence].cache, runs[i].first);
    return false;
  }
  step.runs.insert(step.runs.end(), runs.begin(), runs.end());
  return true;
}

/// Takes the pages of the last group that has any and came after `id`; false if there is none.
bool Scheduler::preemptAfter(int64_t id) {
  for (auto it = groups.rbegin(); it != groups.rend() && it->first > id; ++it) {
    if (it->second.holdsPages()) {
      preempt(it->second);
      return true;
    }
  }
  return false;
}

void Scheduler::preempt(SequenceGroup &group) {
  for (Sequence &sequence : group.sequences)
    cache.release(sequence.cache);
  ++preempted;
}

} // namespace llmopt
