//===- KvCache.h - Which pages of the key-value cache hold which tokens -----------------------===//
//
// The cache is a pool of pages of `pageTokens` positions each; page p means page p of every layer.
// A sequence's positions lie in its pages in order. Pages are counted: a forked sequence shares all
// pages of its origin, and gets a copy of the last one, if that is partly filled, when either is
// appended to. The bytes themselves are the device's.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_ENGINE_KVCACHE_H
#define LLMOPT_RUNTIME_ENGINE_KVCACHE_H

#include "runtime/devices/Device.h"

#include <cstdint>
#include <vector>

namespace llmopt {

/// The cached part of a sequence: its first `length` tokens.
struct CachedSequence {
  std::vector<int32_t> pages;
  int64_t length = 0;
};

class KvCache {
public:
  KvCache(int64_t pages, int64_t pageTokens);

  int64_t pageCount() const { return static_cast<int64_t>(references.size()); }
  int64_t freePages() const { return static_cast<int64_t>(unused.size()); }
  int64_t pagesFor(int64_t tokens) const { return (tokens + pageTokens - 1) / pageTokens; }

  /// Makes room for `tokens` more tokens, which the next step writes. The copies that the device is
  /// to make before that step are added to `copies`. False, and nothing changed, if there are too
  /// few free pages.
  bool append(CachedSequence &sequence, int64_t tokens, std::vector<PageCopy> &copies);

  /// Takes back the last appended tokens: `length` are left.
  void truncate(CachedSequence &sequence, int64_t length);

  /// Another sequence with the same content, sharing its pages.
  CachedSequence fork(const CachedSequence &sequence);

  /// Gives the pages back; the sequence is empty then.
  void release(CachedSequence &sequence);

private:
  int32_t take();
  void drop(int32_t page);

  int64_t pageTokens;
  std::vector<int32_t> references; ///< of each page
  std::vector<int32_t> unused;     ///< free pages, the next one last
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ENGINE_KVCACHE_H
