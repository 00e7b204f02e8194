"""The programs of both sides as running processes; ../serve.hpp says what they are asked and answer."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/release"
PROGRAMS = {
    "xtape": [BUILD / "benchmarks/bench_xtape"],
    "libtorch": [BUILD / "benchmarks/bench_libtorch"],
    "pytorch": [sys.executable, ROOT / "benchmarks/pytorch/main.py"],
}
PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Setting:
    """An environment that a side may run in; the faster one counts."""

    name: str
    unset: tuple = ()
    changed: tuple = ()

    def environment(self, threads):
        kept = {name: value for name, value in os.environ.items() if name not in self.unset}
        return kept | dict(self.changed) | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}


def settings(side, matrix_products, threads):
    """As the environment is; OpenBLAS free to take the kernels that fit this machine; and for the peer also what it does
    not do of itself: AVX-512 in element-wise kernels, and OpenMP's threads not spinning in the way of OpenBLAS's."""
    names, unset, changed = [], (), ()
    found = [Setting("")]

    def also(name):
        names.append(name)
        found.append(Setting(", ".join(names), unset, changed))

    if matrix_products and any(pin in os.environ for pin in PINS):
        unset = PINS
        also("OpenBLAS unpinned")
    if side == "xtape":
        return found
    if " avx512f " in Path("/proc/cpuinfo").read_text():
        changed += (("ATEN_CPU_CAPABILITY", "avx512"),)
        found = found[:1]
        also("ATen AVX-512")
    if matrix_products and threads > 1:
        changed += (("OMP_WAIT_POLICY", "passive"),)
        also("passive waits")
    return found


class Process:
    """A row made ready on one side. Waits on its input, and so takes no time, while others run."""

    def __init__(self, side, row, case, threads, setting, *variant):
        self.side, self.setting, self.variant, self.outputs = side, setting, "", {}
        command = [*map(str, PROGRAMS[side]), row, case, str(threads), *variant]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=setting.environment(threads)
        )
        for line in iter(self._line, "ready"):
            word, _, rest = line.partition(" ")
            if word == "output":
                name, *values = rest.split()
                self.outputs[name] = [float(value) for value in values]
            elif word == "variant":
                self.variant = rest

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self.process.args)}: ended with status {self.process.wait()}")
        return line.rstrip("\n")

    def _ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return float(self._line())

    def run(self, count=1):
        """Seconds of each of `count` runs, on average."""
        return self._ask(f"run {count}") / count

    def peak(self):
        """The most bytes it ever had resident."""
        return self._ask("peak")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def describe(self):
        return ", ".join(filter(None, [self.variant, self.setting.name]))
