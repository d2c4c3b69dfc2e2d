"""Holds every pass of both default pipelines against the interpreter, at every precision, fused and
not, on the module or the checkpoint directories that are given."""

import itertools
import subprocess
import sys

TARGETS = ["cpu", "cuda"]
PRECISIONS = ["32-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed"]


def command(model, target, precision, fuse):
    if model.endswith(".mlir"):
        pipeline = f"--llm-{target}=precision={precision} fuse={str(fuse).lower()}"
        return ["llmopt-opt", model, pipeline, "--verify-pass-semantics", "-o", "/dev/null"]
    return (
        ["llmopt-compile", model, "--emit=mlir", "-o", "/dev/null", "--verify-pass-semantics"]
        + ["--quiet", "--target", target, "--precision", precision]
        + ([] if fuse else ["--no-fuse"])
    )


failures = 0
for model, *settings in itertools.product(sys.argv[1:], TARGETS, PRECISIONS, [True, False]):
    run = subprocess.run(command(model, *settings), capture_output=True, text=True)
    if run.returncode != 0:
        failures += 1
        print(" ".join(run.args), run.stderr, sep="\n")
sys.exit(1 if failures else 0)
