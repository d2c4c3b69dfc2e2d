#include "runtime/devices/cuda_emulated/Knowledge.h"

#include <algorithm>

namespace llmopt::emulated {

void Knowledge::append(std::vector<Run> &runs, int end, uint32_t stamp) {
  if (!runs.empty() && runs.back().stamp == stamp)
    runs.back().end = end;
  else
    runs.push_back({end, stamp});
}

Known Knowledge::ofBlock(int block, const std::vector<uint32_t> &stamps) {
  auto known = std::make_shared<Knowledge>();
  std::vector<Run> runs;
  for (size_t i = 0; i < stamps.size(); ++i)
    append(runs, static_cast<int>(i) + 1, stamps[i]);
  known->blocks.push_back({block, std::move(runs)});
  return known;
}

Known Knowledge::ofThreads(int block, int first, int last, uint32_t stamp) {
  auto known = std::make_shared<Knowledge>();
  std::vector<Run> runs;
  if (first > 0)
    append(runs, first, 0);
  append(runs, last, stamp);
  known->blocks.push_back({block, std::move(runs)});
  return known;
}

std::vector<Knowledge::Run> Knowledge::join(const std::vector<Run> &a, const std::vector<Run> &b) {
  std::vector<Run> runs;
  size_t i = 0, k = 0;
  while (i < a.size() && k < b.size()) {
    int end = std::min(a[i].end, b[k].end);
    append(runs, end, std::max(a[i].stamp, b[k].stamp));
    i += a[i].end == end;
    k += b[k].end == end;
  }
  for (; i < a.size(); ++i)
    append(runs, a[i].end, a[i].stamp);
  for (; k < b.size(); ++k)
    append(runs, b[k].end, b[k].stamp);
  return runs;
}

/// Does `b` have all that `a` has?
bool Knowledge::isWithin(const std::vector<Run> &a, const std::vector<Run> &b) {
  size_t k = 0;
  for (size_t i = 0; i < a.size();) {
    uint32_t other = k < b.size() ? b[k].stamp : 0;
    if (a[i].stamp > other)
      return false;
    if (k < b.size() && b[k].end <= a[i].end) {
      i += b[k].end == a[i].end;
      ++k;
    } else {
      ++i;
    }
  }
  return true;
}

bool Knowledge::isWithin(const Knowledge &other) const {
  auto from = other.blocks.begin();
  for (const OfBlock &own : blocks) {
    from = std::find_if(from, other.blocks.end(),
                        [&](const OfBlock &each) { return each.block >= own.block; });
    if (from == other.blocks.end() || from->block != own.block || !isWithin(own.runs, from->runs))
      return false;
  }
  return true;
}

Known Knowledge::join(const Known &a, const Known &b) {
  if (!b || a == b)
    return a;
  if (!a || a->isWithin(*b))
    return b;
  if (b->isWithin(*a))
    return a;
  auto both = std::make_shared<Knowledge>();
  auto left = a->blocks.begin(), right = b->blocks.begin();
  while (left != a->blocks.end() || right != b->blocks.end()) {
    if (right == b->blocks.end() || (left != a->blocks.end() && left->block < right->block))
      both->blocks.push_back(*left++);
    else if (left == a->blocks.end() || right->block < left->block)
      both->blocks.push_back(*right++);
    else {
      both->blocks.push_back({left->block, join(left->runs, right->runs)});
      ++left;
      ++right;
    }
  }
  return both;
}

bool Knowledge::covers(int block, int first, int last, uint32_t stamp) const {
  auto own = std::lower_bound(blocks.begin(), blocks.end(), block,
                              [](const OfBlock &each, int index) { return each.block < index; });
  if (own == blocks.end() || own->block != block)
    return false;
  for (const Run &run : own->runs) {
    if (run.end <= first)
      continue;
    if (run.stamp < stamp)
      return false;
    if (run.end >= last)
      return true;
  }
  return false;
}

} // namespace llmopt::emulated
