//===- ThreadPool.h - Parallel loops for work outside the step --------------------------------===//

#ifndef LLMOPT_SUPPORT_THREADPOOL_H
#define LLMOPT_SUPPORT_THREADPOOL_H

#include "support/Error.h"

#include <cstdint>
#include <functional>

namespace llmopt {

/// Cores that this process may use.
int availableThreads();

/// A number of threads that was asked for, 0 meaning one for each core; an Error outside 0 to 1024.
Result<int> resolveThreads(int threads);

/// Calls body(i) for i in [0, count) from `threads` threads, each taking the next i. The body must
/// not throw. Returns when all calls have.
void parallelFor(int64_t count, int threads, const std::function<void(int64_t)> &body);

} // namespace llmopt

#endif // LLMOPT_SUPPORT_THREADPOOL_H
