//===- TuningFile.h - The tuning file that a load uses ----------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_TUNINGFILE_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_TUNINGFILE_H

#include "runtime/devices/cuda/CudaPlan.h"
#include "runtime/devices/cuda/Driver.h"

#include <optional>
#include <string>

namespace llmopt {

/// Where llmopt-tune writes what it found on a card, and loads look for it: CARD.ARCH.json in
/// $XDG_CACHE_HOME/llmopt/tuning or ~/.cache/llmopt/tuning. Empty if the environment has neither.
std::string tuningPath(const CudaCard &card, const std::string &arch);

/// The file that `option` names (DeviceOptions::tuning), if any. A named one may be another card's
/// of the same architecture; that of the card at hand is left where it is if it is not.
Result<std::optional<CudaTuning>> openTuning(const std::string &option, const CudaCard &card,
                                             const std::string &arch, bool quiet);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_TUNINGFILE_H
