#!/usr/bin/env python3
"""Measures xtape against its peers. Options and what is written: scripts/bench --help."""

import argparse
import functools
import sys
from pathlib import Path

import measure
import report
from rows import COMPILE, NAMES, PEAK_MEMORY, THREADS, TIMED


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures xtape against PyTorch and libtorch and prints what came out. A whole run takes about twelve "
        "minutes and writes benchmarks/RESULTS.md; one with --filter does not touch it. Fails when the outputs of "
        "both sides differ.",
        epilog="rows: " + ", ".join(NAMES),
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file too")
    parser.add_argument("--filter", default="", metavar="NAME", help="only rows whose name contains this")
    return parser.parse_args()


def results(names, peak):
    for row in TIMED:
        if row.name in names:
            for case in row.cases:
                for threads in THREADS:
                    yield measure.timed(row, case, threads, peak)
    if PEAK_MEMORY in names:
        yield from map(measure.peak_memory, THREADS)
    if COMPILE in names:
        yield from measure.compile_and_link()


def main():
    options = arguments()
    names = [name for name in NAMES if options.filter in name]
    if not names:
        print(f"bench: no row's name contains {options.filter!r}", file=sys.stderr)
        return 2
    peaks = {}

    @functools.lru_cache(None)
    def peak(threads):
        return peaks.setdefault(threads, measure.sgemm_peak(threads))

    print(report.heading(), flush=True)
    done = []
    for result in results(names, peak):
        print(report.line(result), flush=True)
        done.append(result)
    if options.json:
        report.write_json(done, options.json)
    if names == list(NAMES):
        report.write_page(done, peaks)
    wrong = sum(bool(result.differences) for result in done)
    if wrong:
        print(f"bench: in {wrong} of {len(done)} measurements the outputs differ", file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main())
