"""The machine and the versions that the figures belong to."""

import os
import re
import subprocess
import sys
from pathlib import Path

from process import PINS, ROOT

PACKAGES = ("libopenblas0-pthread", "libtbb-dev", "libxsimd-dev", "libtorch-dev", "python3-torch", "libdnnl2")
CORE_NAME = (
    "import ctypes; name = ctypes.CDLL('libopenblas.so.0').openblas_get_corename; "
    "name.restype = ctypes.c_char_p; print(name().decode())"
)


def said(command, **options):
    """What a command prints; nothing when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **options)
    return done.stdout.strip() if done.returncode == 0 else ""


def openblas_core(environment):
    return said([sys.executable, "-c", CORE_NAME], env=environment)


def field(file, name):
    found = re.search(rf"^{name}\s*[:=]\s*\"?(.*?)\"?$", Path(file).read_text(), re.MULTILINE)
    return found.group(1) if found else "unknown"


def vector_units():
    flags = field("/proc/cpuinfo", "flags").split()
    return ", ".join(flag.upper() for flag in ("avx2", "avx512f") if flag in flags)


def description():
    """Pairs of what and which."""
    free = {name: value for name, value in os.environ.items() if name not in PINS}
    pins = ", ".join(f"{pin}={os.environ[pin]}" for pin in PINS if pin in os.environ) or "neither " + " nor ".join(PINS)
    gigabytes = int(field("/proc/meminfo", "MemTotal").split()[0]) / 1e6
    processor = f"{field('/proc/cpuinfo', 'model name')}, family {field('/proc/cpuinfo', 'cpu family')}"
    commit = said(["git", "describe", "--always", "--dirty"]) or "not in git"
    versions = said(["dpkg-query", "--show", "--showformat", "${Package} ${Version}, ", *PACKAGES]).rstrip(", ")
    return [
        ("processor", f"{os.cpu_count()} cores of {processor} ({vector_units()}), {gigabytes:.0f} GB"),
        ("system", f"{field('/etc/os-release', 'PRETTY_NAME')}, {said(['g++', '--version']).splitlines()[0]}"),
        ("packages", versions),
        ("OpenBLAS core", f"{openblas_core(dict(os.environ))} as the environment is ({pins}), {openblas_core(free)} unpinned"),
        ("xtape", f"commit {commit}"),
    ]
