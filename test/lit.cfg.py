"""lit configuration: RUN lines see the tools of this build, FileCheck, and

  %models   the models and configs of this repository
  %goldens  test/goldens
  %shared   trained checkpoints and texts beside the repository; tests that use them say
            `REQUIRES: shared` and are reported as unsupported without
"""

import glob
import os

import lit.formats

config.name = "llmopt"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["goldens", "unit", "fuzz", "Inputs"]
config.test_source_root = os.path.join(config.llmopt_source, "test")
config.test_exec_root = os.path.join(config.llmopt_build, "test", "lit")

config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.llmopt_build, "bin"), config.llvm_tools, os.environ["PATH"]]
)
for name in ("HOME", "CXX", "CUDA_HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LLMOPT_NVRTC"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

config.substitutions.append(("%models", os.path.join(config.llmopt_source, "models")))
config.substitutions.append(("%goldens", os.path.join(config.llmopt_source, "test", "goldens")))
config.substitutions.append(("%python", "python3"))

shared = os.path.realpath(os.path.join(config.llmopt_source, "..", "shared"))
config.substitutions.append(("%shared", shared))
if os.path.isdir(os.path.join(shared, "models")):
    config.available_features.add("shared")
# Where NVRTC can be: tests that compile for a card say `REQUIRES: nvrtc`.
toolkits = [os.environ.get("CUDA_HOME", "/nonexistent"), "/usr/local/cuda"]
nvrtc = [f"{toolkit}/lib64/libnvrtc.so*" for toolkit in toolkits]
nvrtc.append(os.path.join(config.llmopt_source, ".deps", "nvrtc", "nvidia", "*", "lib", "libnvrtc.so*"))
if "LLMOPT_NVRTC" in os.environ or any(glob.glob(place) for place in nvrtc):
    config.available_features.add("nvrtc")
if not config.sanitized:
    config.available_features.add("unsanitized")
