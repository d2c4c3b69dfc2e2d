#!/usr/bin/env python3
"""Runs what a page shows in its ```console blocks and compares what is printed.

    check_console.py SOURCE BUILD PAGE...

Commands begin with `$ ` and run one after the other in SOURCE, with `build/` meaning an empty folder
of the page's own that has the tools of BUILD. Numbers with a fraction, and large ones, depend on the machine
and are not compared, nor the blanks before them. A line of dots (`...`) stands for lines that are left out.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)


def masked(text):
    text = re.sub(r" *(\d+\.\d+(e-?\d+)?|\d{6,})", " #", text)
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def commands(text):
    """Pairs of a command and what the page says that it prints."""
    for block in BLOCK.findall(text):
        for entry in re.split(r"^\$ ", block, flags=re.M)[1:]:
            lines = entry.splitlines(keepends=True)
            count = 1
            while lines[count - 1].endswith("\\\n"):
                count += 1
            yield "".join(lines[:count]).strip(), "".join(lines[count:])


def agrees(expected, actual):
    """Whether the lines are the same but for those that dots stand for."""
    if not expected:
        return not actual
    if expected[0].strip() == "...":
        return any(agrees(expected[1:], actual[i:]) for i in range(len(actual) + 1))
    return bool(actual) and expected[0] == actual[0] and agrees(expected[1:], actual[1:])


def main():
    source, build = map(pathlib.Path, sys.argv[1:3])
    failed = False
    for page in map(pathlib.Path, sys.argv[3:]):
        with tempfile.TemporaryDirectory() as folder:
            shadow = pathlib.Path(folder)
            for entry in source.iterdir():
                if entry.name != "build":
                    (shadow / entry.name).symlink_to(entry)
            (shadow / "build" / "demo").mkdir(parents=True)
            (shadow / "build" / "bin").symlink_to(build / "bin")
            path = f"{build / 'bin'}:{os.environ['PATH']}"
            for command, expected in commands(page.read_text()):
                result = subprocess.run(command, shell=True, cwd=shadow, text=True,
                                        env={**os.environ, "PATH": path},
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                if agrees(masked(expected), masked(result.stdout)):
                    print(f"{page}: ok: {command}")
                    continue
                failed = True
                print(f"{page}: not what it prints: {command}\n--- the page\n{expected}"
                      f"--- now\n{result.stdout}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
