#!/usr/bin/env python3
"""Checks that a how-to's list of places is complete.

    check_places.py SOURCE PAGE WORD FOLDER...

Every C++ file under FOLDERs that has WORD is quoted by PAGE (see check_quotes.py).
"""

import pathlib
import re
import sys

source, page, word = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
quoted = set(re.findall(r"^```\w+ +(\S+)$", page.read_text(), re.M))
places = {str(file.relative_to(source)) for folder in sys.argv[4:]
          for file in (source / folder).rglob("*") if file.suffix in (".cpp", ".h", ".td")
          and re.search(rf"\b(LLM_)?{word}\b", file.read_text())}
print(f"{len(places)} files have {word}")
sys.exit("\n".join(f"{page} does not mention {place}" for place in sorted(places - quoted)) or None)
