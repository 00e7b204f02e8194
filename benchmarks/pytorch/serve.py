"""PyTorch's half of the protocol in ../serve.hpp, and the numbers that both sides begin with."""

import sys
import time

import numpy
import torch


def mixed(seed, i):
    """Number i (an array of positions) of the list of well-mixed 32-bit numbers that `seed` names."""
    h = i.astype(numpy.uint32) * numpy.uint32(0x9E3779B1) + numpy.uint32(seed * 0x632BE5AB & 0xFFFFFFFF)
    h = (h ^ (h >> 15)) * numpy.uint32(0x85EBCA77)
    h = (h ^ (h >> 13)) * numpy.uint32(0xC2B2AE3D)
    return h ^ (h >> 16)


def numbers(seed, shape, scale=1.0):
    """Uniform in [-scale, scale)."""
    values = numpy.empty(numpy.prod(shape, dtype=int), numpy.float32)
    for begin in range(0, values.size, 1 << 16):  # a piece at a time, for the sake of the caches
        piece = values[begin : begin + (1 << 16)]
        piece[:] = scale * (mixed(seed, numpy.arange(begin, begin + piece.size)) * 2.0**-31 - 1)
    return torch.from_numpy(values.reshape(shape))


def labels(seed, count, classes):
    """In [0, classes)."""
    return torch.from_numpy((mixed(seed, numpy.arange(count)) % numpy.uint32(classes)).astype(numpy.int64))


def output(name, values, most=500):
    """Prints an array for comparison: its norm, and all its elements or `most` of them."""
    flat = numpy.ascontiguousarray(torch.as_tensor(values).detach().numpy()).reshape(-1)
    norm = numpy.linalg.norm(flat.astype(numpy.float64))
    places = numpy.arange(min(flat.size, most))
    if flat.size > most:
        places = mixed(0, places) % numpy.uint32(flat.size)
    print("output", name, *(f"{value:.9g}" for value in [norm, *flat[places]]))


def seconds_of(run, count):
    begin = time.perf_counter()
    for _ in range(count):
        run()
    return time.perf_counter() - begin


def fastest(variants):
    """The name of the way to do it that is fastest here; each is (make ready, print outputs)."""
    times = {}
    for name, (prepare, _) in variants.items():
        run = prepare()
        slow = seconds_of(run, 1) > 0.3
        times[name] = min(seconds_of(run, 1) for _ in range(1 if slow else 5))
    return min(times, key=times.get)


def peak_resident_bytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def serve(rows):
    """The whole of the program. A row is a function from the case to {variant: (make ready, print outputs)}; the fastest
    variant is measured, or the one that a fourth argument names."""
    row, case, threads = sys.argv[1:4]
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    variants = rows[row](case)
    chosen = sys.argv[4] if len(sys.argv) > 4 else fastest(variants) if len(variants) > 1 else next(iter(variants))
    prepare, print_outputs = variants[chosen]
    print_outputs()
    run = prepare()
    print("variant", chosen)
    print("ready", flush=True)
    for line in sys.stdin:
        command, *arguments = line.split()
        answer = {"run": lambda count: seconds_of(run, int(count)), "peak": peak_resident_bytes}[command]
        print(answer(*arguments), flush=True)
