//===- DeviceLimits.h - What a device's memory and arithmetic can do at most ------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_DEVICELIMITS_H
#define LLMOPT_RUNTIME_DEVICES_DEVICELIMITS_H

#include "support/Error.h"

#include <string>

namespace llmopt {

/// Measures when it is asked, each time anew, so that a limit can stand beside what it is compared
/// with in time.
class DeviceLimits {
public:
  virtual ~DeviceLimits() = default;

  /// Bytes per second of a sum over a buffer much larger than the caches; the best of some passes.
  virtual Result<double> readBandwidth() = 0;

  /// Multiplications and additions per second of the type that linears compute in; the best of some
  /// passes.
  virtual Result<double> arithmeticPeak() = 0;

  /// What arithmeticPeak() measures: "vdpbf16ps (512 bit) on registers".
  virtual std::string arithmetic() const = 0;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_DEVICELIMITS_H
