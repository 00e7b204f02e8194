"""Single array operations. ../xtape/primitives.cpp has the same; here they may also write into an array kept for the result."""

import torch

from serve import numbers, output

ROWS_AND_COLUMNS, IMAGES, SQUARE = (100352, 64), (512, 128, 28, 28), (1000, 1000)

# case: (shape, function of x, other and out, shape of the other operand)
PRIMITIVES = {
    "(100352, 64) sum 0": (ROWS_AND_COLUMNS, lambda x, _, out: torch.sum(x, 0, out=out)),
    "(100352, 64) sum 1": (ROWS_AND_COLUMNS, lambda x, _, out: torch.sum(x, 1, out=out)),
    "(100352, 64) sum all": (ROWS_AND_COLUMNS, lambda x, _, out: torch.sum(x, (0, 1), out=out)),
    "(512, 128, 28, 28) sum 0": (IMAGES, lambda x, _, out: torch.sum(x, 0, out=out)),
    "(512, 128, 28, 28) sum 3": (IMAGES, lambda x, _, out: torch.sum(x, 3, out=out)),
    "(512, 128, 28, 28) sum 0, 2, 3": (IMAGES, lambda x, _, out: torch.sum(x, (0, 2, 3), out=out)),
    "(512, 128, 28, 28) + (128, 1, 1)": (IMAGES, lambda x, b, out: torch.add(x, b, out=out), (128, 1, 1)),
    "(512, 128, 28, 28) += (128, 1, 1)": (IMAGES, lambda x, b, out: x.add_(b), (128, 1, 1)),
    "(1000, 1000) + (1000, 1)": (SQUARE, lambda x, b, out: torch.add(x, b, out=out), (1000, 1)),
    "(1000, 1000) + (1, 1000)": (SQUARE, lambda x, b, out: torch.add(x, b, out=out), (1, 1000)),
    "transpose (1000, 1000)": (SQUARE, lambda x, _, out: copied(x.T, out)),
    "(512, 128, 28, 28) to NHWC": (IMAGES, lambda x, _, out: copied(x.permute(0, 2, 3, 1), out)),
    "(512, 28, 28, 128) to NCHW": ((512, 28, 28, 128), lambda x, _, out: copied(x.permute(0, 3, 1, 2), out)),
}


def copied(view, out):
    return view.contiguous() if out is None else out.copy_(view)


def primitive(case):
    shape, function, *other_shape = PRIMITIVES[case]
    x, other = numbers(1, shape), numbers(2, other_shape[0]) if other_shape else None
    first = function(x, other, None).clone()
    kept = first.clone()

    def new():
        with torch.inference_mode():
            return function(x, other, None)

    def reused():
        with torch.inference_mode():
            return function(x, other, kept)

    print_outputs = lambda: output("result", first)
    return {"out=": ((lambda: reused), print_outputs), "new": ((lambda: new), print_outputs)}


def sgemm():
    a, b = numbers(1, (1152, 1152)), numbers(2, (1152, 1152))
    out = torch.empty(1152, 1152)
    return (lambda: lambda: torch.mm(a, b, out=out)), (lambda: None)


ROWS = {"array_primitives": primitive, "sgemm": lambda case: {"": sgemm()}}
