"""Measuring: both sides in turn, medians, and whether they computed the same."""

import math
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from process import BUILD, ROOT, Process, Setting, settings
from rows import COMPILE, MEMORY, PEAK_MEMORY, SGEMM

BATCH_SECONDS = 0.05  # that one measurement should take at least
SIDE_SECONDS = 2.5  # for all the measurements of a side
SLOW_SECONDS = 0.3  # a run that takes longer is repeated less when settings are chosen
FEWEST_ROUNDS, MOST_ROUNDS = 5, 21


@dataclass
class Result:
    row: str
    case: str
    threads: int
    xtape: float
    peer: float
    unit: str = "s"
    spread: tuple = ()  # least and greatest ratio of a round
    share: float = math.nan  # of what the machine can do
    peer_share: float = math.nan
    notes: list = field(default_factory=list)
    differences: list = field(default_factory=list)  # outputs that are not the same

    @property
    def ratio(self):
        """How many times better xtape is; a wrong answer is worth nothing."""
        return 0.0 if self.differences else self.peer / self.xtape


def differences(ours, peers, tolerance):
    """The outputs that lie too far apart, in words."""
    found = [f"{name}: only one side has it" for name in ours.keys() ^ peers.keys()]
    for name in ours.keys() & peers.keys():
        a, b = ours[name], peers[name]
        distance = math.dist(a, b) if len(a) == len(b) else math.inf
        relative = distance / (math.hypot(*b) or 1)
        if not relative <= tolerance:
            found.append(f"{name}: {relative:.1e} apart, {tolerance:.0e} allowed")
    return sorted(found)


def quickest(stack, side, row, case, threads):
    """The side's process in the setting in which it is quickest, with the seconds of one run; the others are ended."""
    processes = [
        stack.enter_context(Process(side, row.name, case, threads, setting))
        for setting in settings(side, row.matrix_products, threads)
    ]
    first = {process: process.run() for process in processes}  # warms up
    counts = {process: max(1, round(BATCH_SECONDS / 2 / seconds)) for process, seconds in first.items()}
    few = max(first.values()) > SLOW_SECONDS
    rounds = [{process: process.run(counts[process]) for process in processes} for _ in range(2 if few else 5)]
    times = {process: median(each[process] for each in rounds) for process in processes}
    best = min(times, key=times.get)
    for process in processes:
        if process is not best:
            process.close()
    return best, times[best]


def timed(row, case, threads, peak):
    """A row whose runs are timed; `peak` gives the machine's sgemm FLOPS with so many threads."""
    with ExitStack() as stack:
        ours, our_time = quickest(stack, "xtape", row, case, threads)
        peers, peer_time = quickest(stack, row.peer, row, case, threads)
        first = {ours: our_time, peers: peer_time}
        if case in row.memory:
            memory = stack.enter_context(Process("xtape", MEMORY, row.memory[case], threads, Setting("")))
            memory.run()  # warms up
            first[memory] = memory.run()
        counts = {process: max(1, round(BATCH_SECONDS / seconds)) for process, seconds in first.items()}
        slowest = max(first[process] * count for process, count in counts.items())
        rounds = min(MOST_ROUNDS, max(FEWEST_ROUNDS, round(SIDE_SECONDS / slowest)))
        times = {process: [] for process in first}
        for _ in range(rounds):
            for process, count in counts.items():
                if count > 1:
                    process.run(count // 4 + 1)  # back into the caches that the other has used
                times[process].append(process.run(count))
    result = Result(row.name, case, threads, median(times[ours]), median(times[peers]))
    ratios = [peer / our for our, peer in zip(times[ours], times[peers])]
    result.spread = min(ratios), max(ratios)
    result.differences = differences(ours.outputs, peers.outputs, row.tolerance)
    best = row.flops / peak(threads) if row.flops else median(times[memory]) if case in row.memory else math.nan
    result.share, result.peer_share = best / result.xtape, best / result.peer
    result.notes = [f"{side}: {text}" for side, text in (("xtape", ours.describe()), ("peer", peers.describe())) if text]
    return result


def sgemm_peak(threads):
    """The most FLOPS that anybody here reaches in a product of two (1152, 1152) matrices."""
    best = 0
    for side in ("xtape", SGEMM.peer):
        for setting in settings(side, True, threads):
            with Process(side, SGEMM.name, SGEMM.cases[0], threads, setting) as process:
                process.run(5)
                best = max(best, *(SGEMM.flops / process.run(3) for _ in range(40)))
    return best


def peak_memory(threads, steps=4):
    """Of whole processes that take a few training steps of S5."""

    def peak_of(side, row, *variant):
        with Process(side, row, "", threads, Setting(""), *variant) as process:
            process.run(steps)
            return process.peak()

    peers = {variant: peak_of("pytorch", PEAK_MEMORY, variant) for variant in ("NCHW", "channels_last")}
    least = min(peers, key=peers.get)
    result = Result(PEAK_MEMORY, "S5, batch 512", threads, peak_of("xtape", PEAK_MEMORY), peers[least], "B")
    above = [(whole - peak_of(side, "nothing")) / 1e6 for side, whole in (("xtape", result.xtape), ("pytorch", result.peer))]
    result.notes = [f"peer: {least}", "above a process that only starts: {:.0f} MB, peer {:.0f} MB".format(*above)]
    return result


def compile_commands(folder):
    """What a user types for one file with a model and a training step."""
    libraries = [f"{BUILD.relative_to(ROOT)}/{name}/libxtape_{name}.a" for name in ("nn", "optim", "datasets", "autograd")]
    one = "benchmarks/one_model"
    return {
        "xtape": f"g++ -std=c++17 -O2 -I{BUILD.relative_to(ROOT)}/include {one}/xtape.cpp -o {folder}/xtape "
        + f"{' '.join(libraries)} -lopenblas -ltbb -lfmt -lz -pthread",
        "libtorch": f"g++ -std=c++17 -O2 -I/usr/include/torch/csrc/api/include {one}/libtorch.cpp -o {folder}/libtorch "
        + "-ltorch -ltorch_cpu -lc10",
    }


def wall_seconds(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"CCACHE_DISABLE": "1"})
    return time.perf_counter() - begin


def compile_and_link(rounds=3):
    """Compilers have one thread: the same result stands for both numbers of threads."""
    with tempfile.TemporaryDirectory() as folder:
        commands = compile_commands(folder)
        times = {side: [] for side in commands}
        for number in range(rounds + 1):
            for side, command in commands.items():
                seconds = wall_seconds(command.split())
                if number:  # the first one only reads the headers into memory
                    times[side].append(seconds)
        for side in commands:
            subprocess.run([f"{folder}/{side}"], check=True, stdout=subprocess.DEVNULL)
    ratios = [peer / our for our, peer in zip(times["xtape"], times["libtorch"])]
    spread = min(ratios), max(ratios)
    ours, peers = median(times["xtape"]), median(times["libtorch"])
    return [Result(COMPILE, "one model, g++ -O2", threads, ours, peers, spread=spread) for threads in (2, 1)]
