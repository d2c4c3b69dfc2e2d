#!/usr/bin/env python3
"""Checks that what a page quotes is what stands in the tree.

    check_quotes.py SOURCE PAGE...

A fenced block whose opening line names a file after the language quotes that file:

    ```cpp frontends/Frontend.cpp

Every line of the block must stand in the file, in order and without gaps; a line of dots (`...`,
behind any indentation or comment sign) stands for lines that are left out.
"""

import pathlib
import re
import sys

FENCE = re.compile(r"^```\w+ +(\S+)\n(.*?)^```$", re.M | re.S)


def parts(block):
    """The block's runs of lines between lines of dots."""
    part = []
    for line in block.splitlines():
        if line.strip(" /#") == "...":
            yield part
            part = []
        else:
            part.append(line)
    yield part


def find(lines, part, start):
    for at in range(start, len(lines) - len(part) + 1):
        if lines[at:at + len(part)] == part:
            return at + len(part)
    return None


def check(source, page):
    text = page.read_text()
    quotes = FENCE.findall(text)
    for name, block in quotes:
        file = source / name
        if not file.is_file():
            yield f"{page}: quotes {name}, which does not exist"
            continue
        lines, at = file.read_text().splitlines(), 0
        for part in parts(block):
            at = find(lines, part, at)
            if at is None:
                yield f"{page}: {name} does not have these lines (any more):\n" + "\n".join(part)
                break
    print(f"{page}: {len(quotes)} quotes")


def main():
    source = pathlib.Path(sys.argv[1])
    errors = [error for page in sys.argv[2:] for error in check(source, pathlib.Path(page))]
    sys.exit("\n\n".join(errors) or None)


if __name__ == "__main__":
    main()
