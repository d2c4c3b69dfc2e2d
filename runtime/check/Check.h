//===- Check.h - Whether an artifact does on a device what it should --------------------------===//
//
// Four checks, each by way of the engine:
// 1. logits: those of each prompt against the golden ones, ||out - ref|| / ||ref||;
// 2. bits: computed again, they are the same to the bit;
// 3. greedy: all prompts are continued in one batch, step by step from the cache; every token must
//    be what the logits of the whole text, computed as one prompt, choose, or as near to that as
//    the precision tells apart. In float32 it is also the golden's, where that has one;
// 4. sampled: likewise with temperature, top-k and top-p; the host chooses from the same logits
// with
//    the same random numbers. Where two choices are near each other in the distribution rounding
//    decides, so a few may differ.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_CHECK_CHECK_H
#define LLMOPT_RUNTIME_CHECK_CHECK_H

#include "runtime/devices/Device.h"
#include "support/Error.h"
#include "support/Json.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmopt {

struct CheckOptions {
  std::string artifact;
  std::string goldens; ///< a folder (Goldens.h)
  int64_t newTokens = 16;
  DeviceOptions device;
};

struct CheckResult {
  std::string artifact, model, precision, arch;
  int64_t prompts = 0;
  double logitsError = 0; ///< the largest of the prompts
  double bound = 0;       ///< that it must be below
  bool repeats = true;    ///< the same bits each time
  int64_t greedyTokens = 0, greedyWrong = 0;
  int64_t sampledTokens = 0, sampledWrong = 0;

  /// What is wrong, a sentence each; none if all is well.
  std::vector<std::string> failures() const;
  OrderedJson toJson() const;
  /// One line of a table, and the line above it.
  std::string row() const;
  static std::string heading();
};

/// An Error if the checks cannot be made at all.
Result<CheckResult> runCheck(const CheckOptions &options);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_CHECK_CHECK_H
