"""Includes run downhill only: prints file:line of each one that does not, and fails if there are any.

usage: check_includes.py <source tree>
"""

import re
import sys
from pathlib import Path

MAY_USE = {
    "autograd": {"autograd"},
    "nn": {"nn", "autograd"},
    "optim": {"optim", "autograd"},
    "datasets": {"datasets", "autograd"},
}
PRIVATE = ("autograd/kernels/", "autograd/ops/")  # the inside of autograd, not installed
TAPE = ("autograd/node.hpp", "autograd/tape.hpp", "autograd/variable.hpp", "autograd/ops.hpp",
        "autograd/ops/")  # what no kernel knows
IN_SOURCES_ONLY = ("tbb/", "oneapi/", "fmt/", "cblas", "nlohmann/", "boost/", "zlib.h", "hdf5.h", "CLI/")
NOT_PUBLIC = (*PRIVATE, "xsimd/")
INSPECT = ("autograd/inspect/", "autograd/inspect.hpp")  # looks at autograd, which does without it

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(root, file):
    """Pairs (line, included): a path below the root for our own files, as written for all others."""
    for number, line in enumerate((root / file).read_text().splitlines(), 1):
        if match := INCLUDE.match(line):
            quote, target = match.groups()
            if target.startswith("xtape/"):
                target = target.removeprefix("xtape/")
            elif quote == '"':
                target = (root / file).parent.joinpath(target).resolve().relative_to(root).as_posix()
            yield number, target


def way_to_tape(root, file, seen):
    """The chain of includes by which a file reaches the tape, or None."""
    if file.startswith(TAPE):
        return [file]
    seen.add(file)
    for _, target in includes(root, file):
        if target not in seen and (root / target).is_file() and (way := way_to_tape(root, target, seen)):
            return [file, *way]
    return None


def complaints(root, file):
    folder = file.split("/")[0]
    for line, target in includes(root, file):
        ours = (root / target).is_file()
        if ours and target.split("/")[0] not in MAY_USE[folder]:
            why = f"{folder} may use only {' and '.join(sorted(MAY_USE[folder]))}"
        elif target.startswith(NOT_PUBLIC) and file.endswith(".hpp") and not file.startswith(PRIVATE):
            why = "does not belong into a public header"
        elif file.startswith("autograd/kernels/") and ours and (way := way_to_tape(root, target, set())):
            why = f"kernels know no tape ({' -> '.join(way)})"
        elif folder == "autograd" and target.startswith(INSPECT) and not file.startswith(INSPECT):
            why = "the tape does not know who looks at it"
        elif file.endswith(".hpp") and target.startswith(IN_SOURCES_ONLY):
            why = "belongs into .cpp files"
        else:
            continue
        yield f"{file}:{line}: {target}: {why}"


def main():
    root = Path(sys.argv[1]).resolve()
    paths = [path for folder in MAY_USE for path in sorted((root / folder).rglob("*.[hc]pp"))]
    files = [path.relative_to(root).as_posix() for path in paths]
    found = [complaint for file in files for complaint in complaints(root, file)]
    print(*found, f"{len(files)} files, {len(found)} includes against the direction", sep="\n")
    return 1 if found or not files else 0


sys.exit(main())
