#!/usr/bin/env python3
"""Measures the error of each precision on trained checkpoints; prints the table of docs/precision.md.

    scripts/precision.py MODELS [--bin build/bin] [--text FILE] [MODEL...]

MODELS holds Hugging Face directories, each with

- expected.json: `prompts`, a list of `text`, `ids` and `greedy` (the ids that follow, greedily), and
  `perplexity`, by the name of a text: `context`, `head_tokens`, `head_nll_sum_float64`;
- logits.safetensors: `logits` [T, V] of the first prompt,

computed in float64 from the stored weights. FILE is the text that is scored.
"""

import argparse
import array
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

PRECISIONS = ["32-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed"]


def run(*command):
    result = subprocess.run([str(part) for part in command], text=True, capture_output=True)
    if result.returncode:
        sys.exit(result.stderr)
    return result.stdout


def read_logits(path):
    """The tensor `logits` of a safetensors file, as a list of rows."""
    data = path.read_bytes()
    header_bytes = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8:8 + header_bytes])["logits"]
    begin, end = (8 + header_bytes + offset for offset in entry["data_offsets"])
    values, columns = array.array("f", data[begin:end]), entry["shape"][1]
    return [values[i:i + columns] for i in range(0, len(values), columns)]


def difference(rows, reference):
    """The largest absolute difference, and ||rows - reference|| / ||reference||."""
    pairs = [(a, b) for row, other in zip(rows, reference) for a, b in zip(row, other)]
    absolute = max(abs(a - b) for a, b in pairs)
    return absolute, math.sqrt(sum((a - b) ** 2 for a, b in pairs) / sum(b * b for _, b in pairs))


def negative_log_likelihood(rows, ids):
    """Of ids[1:], each after the ones before it."""
    total = 0.0
    for row, target in zip(rows, ids[1:]):
        largest = max(row)
        total += largest + math.log(sum(math.exp(x - largest) for x in row)) - row[target]
    return total


class Artifact:
    def __init__(self, tools, checkpoint, precision, folder):
        self.tools, self.path = tools, folder / "model.llmopt"
        self.dump = folder / "logits.safetensors"
        run(tools / "llmopt-compile", checkpoint, "-o", self.path, "--precision", precision, "--quiet")

    def logits(self, ids):
        run(self.tools / "llmopt-run", self.path, "--prompt-tokens", ",".join(map(str, ids)),
            "--max-new-tokens", 0, "--dump-logits", self.dump, "--json")
        return read_logits(self.dump)

    def greedy(self, text, count):
        output = run(self.tools / "llmopt-run", self.path, "--prompt", text, "--temperature", 0,
                     "--max-new-tokens", count, "--json")
        return json.loads(output)["token_ids"]


def common_prefix(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def measure(artifact, checkpoint, text):
    """The cells of a row of the table."""
    expected = json.loads((checkpoint / "expected.json").read_text())
    prompts = expected["prompts"]
    reference = read_logits(checkpoint / "logits.safetensors")
    absolute, relative = difference(artifact.logits(prompts[0]["ids"]), reference)
    agreed = [common_prefix(artifact.greedy(p["text"], len(p["greedy"])), p["greedy"]) for p in prompts]
    same = sum(count == len(p["greedy"]) for count, p in zip(agreed, prompts))
    cells = [f"{absolute:.1e}", f"{relative:.1e}", f"{same} of {len(prompts)}", str(min(agreed))]
    facts = expected["perplexity"].get(text.name) if text else None
    if not facts:
        return cells + ["", ""]
    tokens = run(artifact.tools / "llmopt-tokenize", artifact.path, "--whole", "--file", text)
    ids = [int(token) for token in tokens.split()][:facts["head_tokens"]]
    windows = [ids[i:i + facts["context"]] for i in range(0, len(ids), facts["context"])]
    scored = sum(len(window) - 1 for window in windows)
    likelihood = sum(negative_log_likelihood(artifact.logits(window), window) for window in windows)
    exact = math.exp(facts["head_nll_sum_float64"] / scored)
    perplexity = math.exp(likelihood / scored)
    return cells + [f"{perplexity:.4f}", f"{100 * (perplexity / exact - 1):+.3f} %"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("names", nargs="*", help="all of them if none is given")
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/bin"))
    parser.add_argument("--text", type=pathlib.Path)
    arguments = parser.parse_args()
    names = arguments.names or sorted(p.parent.name for p in arguments.models.glob("*/expected.json"))
    print("| model | precision | largest error of a logit | relative error | greedy texts equal "
          "| tokens until one differs | perplexity | change |")
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        for precision in PRECISIONS:
            with tempfile.TemporaryDirectory() as folder:
                artifact = Artifact(arguments.bin, arguments.models / name, precision,
                                    pathlib.Path(folder))
                cells = measure(artifact, arguments.models / name, arguments.text)
                print("|", " | ".join([name, f"`{precision}`", *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
