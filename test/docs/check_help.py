#!/usr/bin/env python3
"""Checks that a page shows each tool's options as the tool's own --help does.

    check_help.py PAGE TOOL...

The page has a ```text block for each tool that begins with `$ TOOL --help`. Options, their descriptions
and the examples are compared; how the help is laid out is not.
"""

import re
import subprocess
import sys

OPTION = re.compile(r"^ +((?:-\w,)?--[\w-]+|\w+ (?=TEXT REQUIRED))(.*)$")


def options(text):
    """Pairs of an option (or positional argument) and its description, and the lines of examples."""
    found, examples, section = [], [], ""
    for line in text.splitlines():
        if line and not line.startswith(" "):
            section = line.split(":")[0].lower()
        elif section == "examples":
            examples.append(line.strip())
        elif match := OPTION.match(line):
            description = re.split(r" {2,}", match.group(2).strip(), maxsplit=1)[1:]
            found.append((match.group(1).strip(), " ".join(description)))
        elif found and line.startswith(" " * 20):
            found[-1] = (found[-1][0], (found[-1][1] + " " + line.strip()).strip())
    return found, [line for line in examples if line]


def main():
    page = open(sys.argv[1], encoding="utf-8").read()
    errors = []
    for tool in sys.argv[2:]:
        block = re.search(rf"^```text\n\$ {tool} --help\n(.*?)^```$", page, re.M | re.S)
        if not block:
            errors.append(f"{tool}: the page has no help")
            continue
        shown = options(block.group(1))
        actual = options(subprocess.run([tool, "--help"], check=True, text=True,
                                        capture_output=True).stdout)
        print(f"{tool}: {len(actual[0])} options, {len(actual[1])} examples")
        if shown != actual:
            errors.append(f"{tool}: the page says\n{shown}\nand --help says\n{actual}")
    sys.exit("\n".join(errors) or None)


if __name__ == "__main__":
    main()
