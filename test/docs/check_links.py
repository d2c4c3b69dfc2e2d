#!/usr/bin/env python3
"""Checks the relative links of the Markdown pages in SOURCE: the files that they name exist."""

import pathlib
import re
import sys

source = pathlib.Path(sys.argv[1])
pages = [source / "README.md"] + [page for folder in ("docs", "models")
                                  for page in sorted((source / folder).rglob("*.md"))]
broken = [f"{page}: {target}" for page in pages
          for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
          if not (page.parent / target).exists()]
sys.exit("\n".join(broken) or None)
