#include "runtime/engine/KvCache.h"

namespace llmopt {

KvCache::KvCache(int64_t pages, int64_t pageTokens) : pageTokens(pageTokens), references(pages, 0) {
  unused.reserve(pages);
  for (int64_t page = pages - 1; page >= 0; --page)
    unused.push_back(static_cast<int32_t>(page));
}

int32_t KvCache::take() {
  int32_t page = unused.back();
  unused.pop_back();
  references[page] = 1;
  return page;
}

void KvCache::drop(int32_t page) {
  if (--references[page] == 0)
    unused.push_back(page);
}

bool KvCache::append(CachedSequence &sequence, int64_t tokens, std::vector<PageCopy> &copies) {
  if (tokens == 0)
    return true;
  bool partial = sequence.length % pageTokens != 0;
  bool copy = partial && references[sequence.pages.back()] > 1;
  int64_t fresh = pagesFor(sequence.length + tokens) - static_cast<int64_t>(sequence.pages.size());
  if (fresh + copy > freePages())
    return false;
  if (copy) {
    int32_t own = take();
    copies.push_back({sequence.pages.back(), own});
    drop(sequence.pages.back());
    sequence.pages.back() = own;
  }
  for (int64_t i = 0; i < fresh; ++i)
    sequence.pages.push_back(take());
  sequence.length += tokens;
  return true;
}

void KvCache::truncate(CachedSequence &sequence, int64_t length) {
  while (static_cast<int64_t>(sequence.pages.size()) > pagesFor(length)) {
    drop(sequence.pages.back());
    sequence.pages.pop_back();
  }
  sequence.length = length;
}

CachedSequence KvCache::fork(const CachedSequence &sequence) {
  for (int32_t page : sequence.pages)
    ++references[page];
  return sequence;
}

void KvCache::release(CachedSequence &sequence) { truncate(sequence, 0); }

} // namespace llmopt
