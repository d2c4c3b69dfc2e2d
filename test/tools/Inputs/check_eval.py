#!/usr/bin/env python3
"""Prints the keys of llmopt-eval's JSON and holds its numbers to those of its lines of tokens.

    check_eval.py RESULT.json TOKENS.jsonl
"""

import json
import math
import statistics
import sys

result = json.load(open(sys.argv[1]))
tokens = [json.loads(line) for line in open(sys.argv[2])]
baseline = result["baseline"]
print(*result)
print("baseline:", *baseline)
print(f"{result['precision']} beside {baseline['precision']}, context {result['context']}, "
      f"stride {result['stride']}")
print("token:", *tokens[0])


def near(a, b):
    assert math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12), (a, b)


def error(values):
    return statistics.stdev(values) / math.sqrt(len(values))


nlls = [token["nll"] for token in tokens]
differences = [token["nll"] - token["baseline_nll"] for token in tokens]
divergences = [token["kl"] for token in tokens]
# Windows overlap, so every token but the first is scored.
assert [token["index"] for token in tokens] == list(range(1, len(tokens) + 1))
assert len(tokens) == result["tokens"] == baseline["tokens"]
near(result["nll_sum"], sum(nlls))
near(result["perplexity"], math.exp(statistics.mean(nlls)))
near(result["perplexity_error"], result["perplexity"] * error(nlls))
near(baseline["nll_sum"], sum(token["baseline_nll"] for token in tokens))
near(result["perplexity_ratio"], math.exp(statistics.mean(differences)))
near(result["perplexity_ratio_error"], result["perplexity_ratio"] * error(differences))
near(result["perplexity_ratio"], result["perplexity"] / baseline["perplexity"])
near(result["kl_mean"], statistics.mean(divergences))
near(result["kl_p99"], statistics.quantiles(divergences, n=100, method="inclusive")[98])
near(result["kl_max"], max(divergences))
near(result["top1_agreement"], statistics.mean(token["same_top"] for token in tokens))
near(result["bytes_per_weight"], 2)
near(baseline["weight_bytes"], 2 * result["weight_bytes"])
print("the lines agree with the object")
