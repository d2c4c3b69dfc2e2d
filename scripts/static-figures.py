#!/usr/bin/env python3
"""static-figures.py ARTIFACT... [--rows 1,4,8,16,2048] [--json|--markdown] [--no-fetch]: what is known of an
artifact's CUDA functions without a card.

Of each function that a step of so many rows launches (decode: a row for each sequence; from --prefill on, 512
rows, a prompt), from the compiler's report, the plan and the disassembly. Where the artifact has a persistent
kernel for so many rows, that is the function.

  blocks/SM    blocks that a multiprocessor has of it at once: by registers, shared memory and threads, and not
               more than the grid has
  in flight    bytes of weights that these blocks keep under way: the stages of their queues, but for the one that
               is being multiplied. The next launch has as many under way where it fits beside
  blocks       of its grid; of attention at decode the most, which a long context has
  waves        rounds that the card needs for the function's tiles
  copies       asynchronous copies of 16 bytes or more in the source, by what they ask of the L2 cache
  main loop    instructions of the loop that multiplies, by kind

The artifact's sources are compiled by NVRTC, as when it is loaded (program cubin-dump); nvdisasm is fetched if
there is none (scripts/disassembly.py). Exit status 1 if a function spills registers.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import disassembly

# Of the card that an architecture is named after here: multiprocessors, and what each of these has: bytes of
# shared memory, of which each block takes 1 KiB more than it asks for; threads; blocks. Registers: 65,536, given
# to a warp in units of 256.
CARDS = {
    "sm_80": ("A100", 108, 164 << 10, 2048, 32),
    "sm_86": ("RTX 3090", 82, 100 << 10, 1536, 16),
    "sm_89": ("RTX 4090", 128, 100 << 10, 1536, 24),
    "sm_90": ("H100", 132, 228 << 10, 2048, 32),
    "sm_90a": ("H100", 132, 228 << 10, 2048, 32),
}

# Bytes of weights that a block has under way, by the template and its parameters: its queue is filled but for the
# stage that is being multiplied.
QUEUES = {
    "Matvec": lambda p: p["Warps"] * (p["Stages"] - 1) * p["Columns"] * 512,
    "PanelMatvec": lambda p: (p["Stages"] - 1) * p["Columns"] * p["Depth"] * 2,
    "GemmSchedule": lambda p: (p["Stages"] - 1) * p["Columns"] * p["Depth"] * 2,
    "WgmmaSchedule": lambda p: (p["Stages"] - 1) * p["Columns"] * 128,
}


def schedules(artifact):
    """Of each function its template and parameters, as its source names them: /*Rows=*/1."""
    found = {}
    for source in sorted((artifact / "source").glob("*.cu")):
        text = source.read_text()
        macros = dict(re.findall(r"#define (\w+) (.*)", text))
        for name, body in re.findall(r"^(\w+)\(const __grid_constant__.*?\{\n(.*?)^\}", text, re.S | re.M):
            for template, arguments in re.findall(rf"\b({'|'.join(QUEUES)})<(.*?)>", body):
                for macro, value in macros.items():
                    arguments = re.sub(rf"\b{macro}\b", value.replace("\\", ""), arguments)
                numbers = re.findall(r"/\*(\w+)=\*/ ?(\d+)", arguments)
                parameters = {key: int(value) for key, value in numbers}
                found[name] = (template, parameters, QUEUES[template](parameters))
        # A persistent kernel has one queue for all of its linears.
        for size, stages in re.findall(r"using Stream = WeightStream<(\d+), /\*Stages=\*/ ?(\d+)", text):
            size, stages = int(size), int(stages)
            found[source.stem] = ("WeightStream", {"Stages": stages, "Bytes": size}, (stages - 1) * size)
    return found


def resources(log):
    """Of each function what the compiler's report says."""
    found = {}
    for body in log.split("Compiling entry function '")[1:]:
        name = body[:body.index("'")]
        number = lambda pattern: int(m[1]) if (m := re.search(pattern, body)) else 0
        found[name] = {
            "registers": number(r"Used (\d+) registers"),
            "barriers": number(r"used (\d+) barriers"),
            "stack_bytes": number(r"(\d+) bytes stack frame"),
            "spill_bytes": number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
            "static_shared_bytes": number(r"(\d+) bytes smem"),
        }
    return found


def resident_blocks(arch, registers, threads, shared):
    _, _, shared_bytes, most_threads, most_blocks = CARDS[arch]
    warps = -(-threads // 32)
    by_registers = 65536 // 256 // (-(-registers * 32 // 256)) // warps
    by_shared = shared_bytes // (-(-shared // 128) * 128 + 1024)
    return min(by_registers, by_shared, most_threads // (warps * 32), most_blocks)


def calls(plan, rows, prefill, processors):
    """Of a step of so many rows the functions to launch, and how often, with their grids."""
    sequences = rows if rows < prefill else 1
    found = {}
    for step in plan["target"].get("persistent", []):
        if rows <= step["max_rows"]:
            weights = sum(launch["weight_bytes"] for launch in plan["launches"])
            return {step["name"]: {"kernel": step["name"], "launches": 1, "weight_bytes": weights, "blocks": processors,
                                   "tiles": processors, "splits": 1, "threads": step["block"], "shared_bytes": step["shared"]}}
    for launch in plan["launches"]:
        count = rows if launch["space"] == "token" else sequences
        variants = launch["target"].get("variants", [])
        variant = next((v for v in variants if count <= v.get("max_rows", count)), None)
        if variant is None:
            sys.exit(f"static-figures.py: {launch['kernel']} has nothing for {count} rows")
        for index, function in enumerate(variant["functions"]):
            if "product" in function:
                name, tiles, blocks = f"{launch['kernel']} (cuBLASLt)", None, None
            else:
                name, per_tile = function["name"], function["rows_per_tile"]
                tiles = function["tiles"] * (count // per_tile + sequences if function.get("per_sequence")
                                             else -(-count // per_tile))
                blocks = min(tiles, function.get("blocks_per_multiprocessor", tiles) * processors)
            entry = found.setdefault(name, {"kernel": launch["kernel"], "launches": 0, "weight_bytes": 0,
                                            "blocks": blocks, "tiles": tiles,
                                            "splits": function.get("splits", 1), "threads": function.get("block"),
                                            "shared_bytes": function.get("shared")})
            entry["launches"] += 1
            if index == len(variant["functions"]) - 1:
                entry["weight_bytes"] += launch["weight_bytes"]
    return found


def read_code(artifact, dumper, nvdisasm):
    """Of each function: resources, its main loop, local accesses, copies."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([dumper, artifact, folder], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"static-figures.py: {done.stderr.strip()}")
        for log in sorted(pathlib.Path(folder).glob("*.log")):
            copies = disassembly.copies(log.with_suffix(".ptx").read_text())
            code = disassembly.instructions(nvdisasm, log.with_suffix(".cubin")) if nvdisasm else {}
            for name, facts in resources(log.read_text()).items():
                facts["copies"] = copies.get(name, {})
                if name in code:
                    facts["local_instructions"] = disassembly.count(code[name]["code"])["local"]
                    facts["main_loop"] = disassembly.main_loop(code[name])
                found[name] = facts
    return done.stdout.strip(), found


def figures(path, options, nvdisasm):
    artifact = pathlib.Path(path)
    try:
        manifest = json.loads((artifact / "manifest.json").read_text())
        plan = json.loads((artifact / "plan.json").read_text())
    except (OSError, ValueError) as problem:
        sys.exit(f"static-figures.py: {path} is no artifact: {problem}")
    arch = manifest.get("arch")
    if manifest.get("target") != "cuda":
        sys.exit(f"static-figures.py: {path} was compiled for target '{manifest.get('target')}', not cuda")
    if arch not in CARDS:
        sys.exit(f"static-figures.py: {path} is for {arch}, which is no card that this script knows")
    compiler, code = read_code(path, options.dumper, nvdisasm)
    card, processors = CARDS[arch][:2]
    queues = schedules(artifact)
    steps = {}
    for rows in options.rows:
        steps[rows] = functions = calls(plan, rows, options.prefill, processors)
        for name, facts in functions.items():
            if name not in code:
                continue
            facts.update(code[name])
            fit = resident_blocks(
                arch, facts["registers"], facts["threads"], facts["shared_bytes"] + facts["static_shared_bytes"])
            if facts["splits"] > 1 and rows < options.prefill:
                facts["blocks"] = facts["tiles"] = max(facts["tiles"], min(facts["tiles"] * facts["splits"],
                                                                           fit * processors))
            facts["blocks_that_fit"] = fit
            facts["blocks_per_multiprocessor"] = resident = min(fit, -(-facts["blocks"] // processors))
            # A block that makes tile after tile is one of as many as the card holds.
            at_once = facts["blocks"] if facts["blocks"] < facts["tiles"] else fit * processors
            facts["waves"] = facts["tiles"] / at_once
            if name in queues:
                template, parameters, in_flight = queues[name]
                facts["schedule"] = {"template": template, **parameters}
                facts["bytes_in_flight"] = resident * in_flight
    return {"artifact": artifact.name, "model": manifest["model"], "arch": arch, "card": card,
            "multiprocessors": processors, "compiler": compiler, "code": code, "steps": steps}


# ---- Reports -----------------------------------------------------------------------------------------------

COLUMNS = ["function", "launches", "threads", "regs", "spilled", "shared KB", "blocks/SM", "in flight KB/SM", "blocks",
           "waves", "copies", "main loop"]
# The short form has the functions that read weights or the cache.
SHORT = "registers, blocks per multiprocessor x shared KB, KB in flight per multiprocessor, waves"


def mix(loop):
    if not loop:
        return ""
    names = [name for name, _ in disassembly.KINDS] + ["other"]
    return f"{loop['all']}: " + ", ".join(f"{loop[n]} {n}" for n in names if loop.get(n))


def copy_text(copies):
    return ", ".join(f"{n} {name}" for name, n in copies.items() if n)


def row(name, facts):
    if "registers" not in facts:
        return [name, facts["launches"]] + [""] * (len(COLUMNS) - 2)
    flight = facts.get("bytes_in_flight")
    return [name, facts["launches"], facts["threads"], facts["registers"], facts["spill_bytes"],
            f"{facts['shared_bytes'] / 1024:.0f}", facts["blocks_per_multiprocessor"],
            f"{flight / 1024:.0f}" if flight else "", facts["blocks"], f"{facts['waves']:.1f}",
            copy_text(facts["copies"]), mix(facts.get("main_loop"))]


def print_table(rows):
    rows = [[str(cell) for cell in line] for line in [COLUMNS] + rows]
    widths = [max(len(line[i]) for line in rows) for i in range(len(COLUMNS))]
    for line in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    print()


def report(result):
    print(f"{result['artifact']}: {result['arch']} on {result['card']} ({result['multiprocessors']} multiprocessors), "
          f"{result['compiler']}\n")
    for rows, functions in result["steps"].items():
        print(f"{rows} row{'s' if rows != 1 else ''}: {sum(f['launches'] for f in functions.values())} launches\n")
        print_table([row(name, facts) for name, facts in functions.items()])


def short_form(facts):
    if "registers" not in facts:
        return "cuBLASLt"
    flight = facts.get("bytes_in_flight")
    parts = [str(facts["registers"]), f"{facts['blocks_per_multiprocessor']} x {facts['shared_bytes'] / 1024:.0f}",
             f"{flight / 1024:.0f}" if flight else "-", f"{facts['waves']:.1f}"]
    return ", ".join(parts)


def markdown_report(results):
    """A line for each kernel of each artifact, a column for each number of rows."""
    steps = list(results[0]["steps"])
    print(f"Each cell: {SHORT}.\n")
    print("| | kernel | " + " | ".join(f"{rows} row{'s' if rows != 1 else ''}" for rows in steps) + " |")
    print("|---|---|" + "---|" * len(steps))
    for result in results:
        kernels = {}
        for rows, functions in result["steps"].items():
            for facts in functions.values():
                if facts["weight_bytes"] or "attention" in facts["kernel"]:
                    kernels.setdefault(facts["kernel"], {})[rows] = facts
        for i, (kernel, by_rows) in enumerate(kernels.items()):
            cells = [short_form(by_rows[rows]) if rows in by_rows else "" for rows in steps]
            name = f"{result['artifact'].removesuffix('.llmopt')}" if i == 0 else ""
            print(f"| {name} | `{kernel}` | " + " | ".join(cells) + " |")


def main():
    here = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", nargs="+", metavar="ARTIFACT")
    parser.add_argument("--rows", default="1,4,8,16", help="rows of the steps (1,4,8,16)")
    parser.add_argument("--prefill", type=int, default=512, help="a step of so many rows is of one sequence (512)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object, an entry for each artifact")
    form.add_argument("--markdown", action="store_true", help="a short table in Markdown")
    parser.add_argument("--no-fetch", action="store_true", help="do without nvdisasm if there is none")
    parser.add_argument("--dumper", default=os.path.join(os.environ.get("LLMOPT_BIN", here / "build/bin"), "cubin-dump"),
                        help="the program cubin-dump (build/bin/cubin-dump)")
    options = parser.parse_args()
    if not re.fullmatch(r"[1-9]\d{0,5}(,[1-9]\d{0,5})*", options.rows):
        parser.error(f"--rows: '{options.rows}' is no list of numbers of rows")
    options.rows = [int(rows) for rows in options.rows.split(",")]
    if not os.access(options.dumper, os.X_OK):
        sys.exit(f"static-figures.py: {options.dumper} is missing; build it first")
    nvdisasm = disassembly.find_nvdisasm(not options.no_fetch)
    if not nvdisasm:
        print("static-figures.py: without nvdisasm there is no main loop to count in", file=sys.stderr)
    results = [figures(path, options, nvdisasm) for path in options.artifacts]
    if options.json:
        print(json.dumps({result["artifact"]: result for result in results}, indent=1))
    elif options.markdown:
        markdown_report(results)
    else:
        for result in results:
            report(result)
    spilling = [f"{result['artifact']}: {name}" for result in results for name, facts in result["code"].items()
                if facts["spill_bytes"]]
    for name in spilling:
        print(f"static-figures.py: {name} spills registers", file=sys.stderr)
    return 1 if spilling else 0


if __name__ == "__main__":
    sys.exit(main())
