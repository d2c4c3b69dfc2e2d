//===- NvrtcTest.h - NVRTC for tests ----------------------------------------------------------===//

#ifndef LLMOPT_TEST_UNIT_CUDA_NVRTCTEST_H
#define LLMOPT_TEST_UNIT_CUDA_NVRTCTEST_H

#include "runtime/devices/cuda/Nvrtc.h"

#include <gtest/gtest.h>

namespace llmopt {

/// The library of the toolkit, or of the wheel that the set-up installed.
inline const Result<Nvrtc> &testNvrtc() {
  static const Result<Nvrtc> nvrtc = Nvrtc::open({LLMOPT_SOURCE_DIR "/.deps/nvrtc"});
  return nvrtc;
}

/// Skips the test where no NVRTC is installed.
#define LLMOPT_NEED_NVRTC(name)                                                                    \
  if (!testNvrtc())                                                                                \
    GTEST_SKIP() << testNvrtc().error().message();                                                 \
  const Nvrtc &name = *testNvrtc()

} // namespace llmopt

#endif // LLMOPT_TEST_UNIT_CUDA_NVRTCTEST_H
