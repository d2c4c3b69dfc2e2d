#include "support/CudaTarget.h"

namespace llmopt {

static constexpr int64_t kilobyte = 1024;

/// A100, A10G, L40S, H100.
static const CudaTarget targets[] = {
    {"sm_80", 108, 163 * kilobyte, 164 * kilobyte, false},
    {"sm_86", 80, 99 * kilobyte, 100 * kilobyte, false},
    {"sm_89", 142, 99 * kilobyte, 100 * kilobyte, false},
    {"sm_90", 132, 227 * kilobyte, 228 * kilobyte, false},
    {"sm_90a", 132, 227 * kilobyte, 228 * kilobyte, true},
};

Result<CudaTarget> findCudaTarget(const std::string &arch) {
  std::string known;
  for (const CudaTarget &target : targets) {
    if (target.arch == arch)
      return target;
    known += (known.empty() ? "" : ", ") + target.arch;
  }
  return makeError("unknown architecture '{}'; known: {}", arch, known);
}

} // namespace llmopt
