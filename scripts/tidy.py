#!/usr/bin/env python3
"""tidy.py BUILD: clang-tidy on what BUILD has compiled.

Tests are left out, but for those of the CPU's kernels: nothing else of the project compiles these.

A file that passed is not checked again until it, a header of the project that it includes, its command
line or the configuration changes. What it includes is what the compiler told ninja when it was built.
"""

import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "llmopt/clang-tidy"
# The compiler's own warnings belong to the compiler; generated code has unused parameters.
CLANG_TIDY = ["clang-tidy-19", "--quiet", "--extra-arg=-Wno-everything"]


def wanted(path, build):
    if path.startswith((f"{build}/", f"{ROOT}/test/")):
        return path.startswith(f"{ROOT}/test/unit/kernels/")
    return True


def recorded_inputs(build):
    """Output of a compilation -> the files of the project that went into it, generated ones too."""
    listing = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True, capture_output=True, text=True)
    absolute = functools.lru_cache(None)(lambda path: os.path.realpath(build / path))
    result = {}
    for line in listing.stdout.splitlines():
        if line.startswith("    "):
            path = absolute(line.strip())
            if path.startswith(f"{ROOT}/") and not path.endswith(".gch"):
                inputs.add(path)
        elif line:
            inputs = result[absolute(line.split(": #deps")[0])] = set()
    return result


def inputs_of(entry, build, recorded):
    """What one compilation reads of the project, through a precompiled header too; None if not built."""
    words = entry["command"].split()
    after = lambda flag: [os.path.realpath(build / b) for a, b in zip(words, words[1:]) if a == flag]
    outputs = after("-o") + [f"{header}.gch" for header in after("-include")]
    if any(output not in recorded for output in outputs):
        return None
    return sorted(path for path in set().union(*(recorded[output] for output in outputs)) if os.path.exists(path))


@functools.lru_cache(None)
def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def compilations(build):
    """Source -> (its entries of the compilation database, what each of them reads)."""
    recorded = recorded_inputs(build)
    result = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = os.path.realpath(entry["file"])
        inputs = inputs_of(entry, build, recorded) if wanted(source, build) else None
        if inputs:
            entries, read = result.setdefault(source, ([], []))
            entries.append(entry)
            read.append(inputs)
    return result


def key(entries, read, build, shared):
    """Names all that the answer about a source depends on, the same in every clone and build folder."""
    facts = [shared]
    for entry, inputs in zip(entries, read):
        facts += [entry["command"], *(f"{path} {digest(path)}" for path in inputs)]
    return hashlib.sha256("\n".join(facts).replace(str(build), "BUILD").replace(str(ROOT), "ROOT").encode()).hexdigest()


def check(source, database):
    """What clang-tidy has to say; nothing when all is well."""
    run = subprocess.run([*CLANG_TIDY, "-p", database, source], capture_output=True, text=True)
    return "" if run.returncode == 0 else run.stdout or run.stderr


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    version = subprocess.run(["clang-tidy-19", "--version"], check=True, capture_output=True, text=True).stdout
    shared = version + " ".join(CLANG_TIDY) + (ROOT / ".clang-tidy").read_text()
    CACHE.mkdir(parents=True, exist_ok=True)
    sources = compilations(build)
    if not sources:
        sys.exit(f"tidy.py: {build} has not compiled anything yet")
    passed = {source: CACHE / key(*found, build, shared) for source, found in sources.items()}
    pending = [source for source in sources if not passed[source].exists()]

    failed = 0
    with tempfile.TemporaryDirectory() as database:
        # Without what was never built, whose generated headers may be missing.
        entries = [entry for source in pending for entry in sources[source][0]]
        pathlib.Path(database, "compile_commands.json").write_text(json.dumps(entries))
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for source, output in zip(pending, pool.map(lambda each: check(each, database), pending)):
                if output:
                    failed += 1
                    print(output, flush=True)
                else:
                    passed[source].touch()
    print(f"clang-tidy: {len(sources)} files, {len(pending)} of them checked anew, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
