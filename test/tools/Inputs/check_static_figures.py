"""Tells what of the JSON of static-figures.py a test holds the compiler to."""

import json
import sys

for name, result in json.load(open(sys.argv[1])).items():
    code = result["code"]
    print(f"{name}: {len(code)} functions, {sum(f['spill_bytes'] > 0 for f in code.values())} spill")
    for rows, functions in result["steps"].items():
        linears = {n: f for n, f in functions.items() if f["weight_bytes"]}
        good = all(f["copies"].get("evict_first") and not f["copies"].get("narrow") and not f["copies"].get("plain")
                   for f in linears.values())
        least = min(f.get("bytes_in_flight", 0) for f in linears.values())
        print(f"rows{rows}: {len(linears)} stream weights, {'all' if good else 'not all'} 16 bytes or in bulk, "
              f"evict-first; {'at least 20 KB' if least >= 20 << 10 else f'{least} bytes'} under way")
