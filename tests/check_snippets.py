"""The C++ of a page of documents stands in a test in the same words: names each block that does not, and fails if there are any.

usage: check_snippets.py <page.md> <test.cpp>
"""

import re
import sys
from pathlib import Path


def lines(text):
    """Without indentation and empty lines."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def main():
    page, test = (Path(name) for name in sys.argv[1:])
    blocks = [(page.read_text().count("\n", 0, m.start()) + 1, lines(m[1]))
              for m in re.finditer(r"^```cpp\n(.*?)^```", page.read_text(), re.M | re.S)]
    compiled = lines(test.read_text())
    missing = [line for line, block in blocks
               if not any(compiled[i:i + len(block)] == block for i in range(len(compiled)))]
    for line in missing:
        print(f"{page}:{line}: this code is not in {test.name}")
    print(f"{len(blocks)} blocks, {len(missing)} of them not in {test.name}")
    return 1 if missing or not blocks else 0


sys.exit(main())
