"""What a kernel is made of: instructions of its machine code, and the copies of its PTX.

nvdisasm is looked for in $LLMOPT_NVDISASM, on the PATH, in the CUDA toolkit, beside Triton, and else fetched
once (5 MB) from the Python package index into the user's cache folder.
"""

import collections
import glob
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile

PACKAGE = "nvidia-cuda-nvdisasm"

# What is counted, by how an instruction of the machine code begins and what it has in it.
KINDS = [
    ("bulk", r"UBLKCP|UTMALDG"),           # copies of many bytes into shared memory
    ("copy16", r"LDGSTS\b.*\.128"),        # asynchronous copies of 16 bytes
    ("copy", r"LDGSTS"),                   # of fewer
    ("load16", r"LDG\b.*\.128"),
    ("load", r"LDG\b"),
    ("store", r"STG\b|RED\b|ATOM"),
    ("local", r"LDL\b|STL\b"),             # values that did not fit into registers
    ("matrix_load", r"LDSM|LDMATRIX"),
    ("shared", r"LDS\b|STS\b|STSM|ATOMS"),
    ("wgmma", r"HGMMA|QGMMA|IGMMA"),
    ("mma", r"HMMA|IMMA|QMMA"),
    ("fma", r"FFMA|FADD|FMUL|HFMA2|HADD2|HMUL2"),
    ("convert", r"F2F|F2I|I2F|F2FP|I2FP"),
    ("wait", r"BAR\b|SYNCS|DEPBAR|LDGDEPBAR|WARPGROUP|ACQBULK|MEMBAR|WARPSYNC"),
    ("branch", r"BRA|BRX|BSYNC|BSSY|EXIT|CALL|RET|BREAK"),
]
PRODUCTS = ("wgmma", "mma", "fma")


def find_nvdisasm(may_fetch):
    """The path of nvdisasm, or None."""
    wanted = os.environ.get("LLMOPT_NVDISASM")
    if wanted:
        return wanted
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "llmopt/nvdisasm"
    site = sysconfig.get_paths()["purelib"]
    places = [shutil.which("nvdisasm"), *glob.glob("/usr/local/cuda/bin/nvdisasm"),
              *glob.glob(f"{site}/nvidia/*/bin/nvdisasm"), *glob.glob(f"{site}/triton/backends/nvidia/bin/nvdisasm"),
              *glob.glob(f"{cache}/nvidia/*/bin/nvdisasm")]
    for place in places:
        if place and os.access(place, os.X_OK):
            return place
    return fetch(cache) if may_fetch else None


def fetch(folder):
    print(f"static-figures: fetching {PACKAGE} into {folder}", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, PACKAGE],
                          capture_output=True, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        print(f"static-figures: no nvdisasm here, and {PACKAGE} cannot be fetched", file=sys.stderr)
        return None
    with zipfile.ZipFile(wheels[-1]) as wheel:
        wheel.extractall(folder)
    found = glob.glob(f"{folder}/nvidia/*/bin/nvdisasm")
    if not found:
        print(f"static-figures: {wheels[-1].name} has no nvdisasm", file=sys.stderr)
        return None
    os.chmod(found[0], 0o755)
    return found[0]


# ---- Machine code ------------------------------------------------------------------------------------------


def kind_of(instruction):
    for name, pattern in KINDS:
        if re.match(pattern, instruction):
            return name
    return "other"


def instructions(nvdisasm, cubin):
    """Of each function a list of (address, instruction) and of (address, target address) of branches."""
    text = subprocess.run([nvdisasm, "-c", cubin], capture_output=True, text=True, check=True).stdout
    functions, labels, current, waiting = {}, {}, None, []
    for line in text.splitlines():
        if section := re.match(r"\.text\.(\w+):", line):
            current = functions.setdefault(section[1], {"code": [], "jumps": []})
            continue
        if label := re.match(r"(\.L_x_\d+):", line):
            waiting.append(label[1])
            continue
        code = re.match(r"\s+/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+ +)?(.*?) ?;", line)
        if not code or current is None:
            continue
        address = int(code[1], 16)
        for name in waiting:
            labels[name] = address
        waiting = []
        current["code"].append((address, code[2]))
        if jump := re.match(r"BRA\b.*`\((\.L_x_\d+)\)", code[2]):
            current["jumps"].append((address, jump[1]))
    for function in functions.values():
        function["jumps"] = [(at, labels[to]) for at, to in function["jumps"] if to in labels]
    return functions


def count(code):
    kinds = collections.Counter(kind_of(text) for _, text in code)
    kinds["all"] = len(code)
    return kinds


def main_loop(function):
    """The counts of the innermost loop that does most of the products, or without products of most copies and
    loads; None where there is no loop. Code that the compiler put behind the function's end is not in it."""
    ends = {}
    for at, to in function["jumps"]:
        if to <= at:
            ends[to] = max(at, ends.get(to, 0))
    loops = [count([c for c in function["code"] if begin <= c[0] <= end]) for begin, end in ends.items()]
    for wanted in (PRODUCTS[:2], PRODUCTS, ("bulk", "copy16", "copy", "load16", "load")):
        most = max((sum(loop[k] for k in wanted) for loop in loops), default=0)
        if most > 0:
            doing = [loop for loop in loops if sum(loop[k] for k in wanted) * 2 >= most]
            return min(doing, key=lambda loop: loop["all"])
    return None


# ---- PTX ---------------------------------------------------------------------------------------------------


def copies(ptx):
    """Of each function how its asynchronous copies are written: {"evict_first": n, "plain": n, "narrow": n};
    narrow ones are of less than 16 bytes."""
    result = {}
    for body in ptx.split(".entry ")[1:]:
        name = re.match(r"\w+", body)[0]
        first = set(re.findall(r"createpolicy\.fractional\.L2::evict_first\.b64\s+(%rd\d+)", body))
        moved = dict(re.findall(r"mov\.b64\s+(%rd\d+), (%rd\d+);", body))
        found = collections.Counter()
        for line in re.findall(r"cp\.async\.(?:cg|ca|bulk)\.[^;]*;", body):
            registers = re.findall(r"%rd\d+", line)
            policy = registers[-1] if "cache_hint" in line and registers else None
            streams = policy in first or moved.get(policy) in first
            wide = ".bulk." in line or re.search(r"\], 16\b", line)
            found["narrow" if not wide else "evict_first" if streams else "plain"] += 1
        result[name] = found
    return result
