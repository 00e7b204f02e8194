"""The results as lines to read, as JSON and as benchmarks/RESULTS.md."""

import json
import math
from datetime import date
from string import Template

from machine import description
from measure import compile_commands
from process import ROOT

RESULTS = ROOT / "benchmarks/RESULTS.md"
BY_HAND = "<!-- From here on written by hand; scripts/bench keeps it. -->"
HEADINGS = ("row", "case", "threads", "xtape", "peer", "ratio", "of the rounds", "of the machine", "how")

PAGE = Template("""\
# Measured

Written by `scripts/bench` on $today: xtape against PyTorch and libtorch, medians of runs taken in turn. The ratio is peer / xtape:
above 1, xtape is better. Both sides begin with the same numbers and their outputs were compared before anything was timed.

$machine

$table

"of the machine": for products of matrices FLOPs of the direct algorithm per second, as a share of what the machine reached in a product of two
(1152, 1152) matrices, the best of xtape's and PyTorch's, in this run: $peaks. Winograd's algorithm does less than the direct one,
so it may pass 100 %. For passes over memory the time of a loop that only reads, overwrites or copies as many numbers
(benchmarks/memory.cpp), taken in the same turns; s2_step's loop reads the samples once. "how": the fastest of the environments and of the peer's memory layouts or spellings that were tried.

The commands of `compile`, from the project's folder:

```
$commands
```

$by_hand
""")


def quantity(value, unit):
    if unit == "B":
        return f"{value / 1e6:.0f} MB"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1:
            break
    return f"{value * factor:.3g} {name}"


def cells(result):
    share = "" if math.isnan(result.share) else f"{result.share:.0%}, peer {result.peer_share:.0%}"
    spread = "{:.2f} to {:.2f}".format(*result.spread) if result.spread else ""
    ratio = "WRONG" if result.differences else f"{result.ratio:.2f}"
    ours, peers = (quantity(value, result.unit) for value in (result.xtape, result.peer))
    how = "; ".join(result.notes + result.differences)
    return (result.row, result.case, str(result.threads), ours, peers, ratio, spread, share, how)


def line(result):
    widths = (17, 33, 7, 9, 9, 6, 16, 16, 0)
    return "  ".join(text.ljust(width) for text, width in zip(cells(result), widths)).rstrip()


def heading():
    widths = (17, 33, 7, 9, 9, 6, 16, 16, 0)
    return "  ".join(text.ljust(width) for text, width in zip(HEADINGS, widths)).rstrip()


def write_json(results, file):
    keys = ("row", "case", "threads", "xtape", "peer", "ratio")
    file.write_text(json.dumps([{key: getattr(result, key) for key in keys} for result in results], indent=1) + "\n")


def markdown(rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write_page(results, peaks):
    """All but what stands below the line that says it was written by hand."""
    before, mark, by_hand = RESULTS.read_text().partition(BY_HAND) if RESULTS.exists() else ("", "", "")
    RESULTS.write_text(
        PAGE.substitute(
            today=date.today().isoformat(),
            machine="\n".join(f"* {what}: {which}" for what, which in description()),
            table=markdown([HEADINGS, ["---"] * len(HEADINGS), *map(cells, results)]),
            peaks=", ".join(f"{flops / 1e9:.0f} GFLOPS with {n} thread{'s' * (n > 1)}" for n, flops in sorted(peaks.items())),
            commands="\n".join(compile_commands("/tmp").values()),
            by_hand=BY_HAND + by_hand.rstrip(),
        )
    )
