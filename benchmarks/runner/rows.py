"""What is measured: the rows, their cases, and how far the outputs of both sides may lie apart."""

from dataclasses import dataclass, field

THREADS = (2, 1)

MEMORY = "memory"  # a row of xtape's program: loops that do nothing but pass over memory

# Cases, each with the loop over the same memory.
NARROW, IMAGES, SQUARE = 100352 * 64, 512 * 128 * 28 * 28, 1000 * 1000
PRIMITIVES = {
    "(100352, 64) sum 0": f"read {NARROW}",
    "(100352, 64) sum 1": f"read {NARROW}",
    "(100352, 64) sum all": f"read {NARROW}",
    "(512, 128, 28, 28) sum 0": f"read {IMAGES}",
    "(512, 128, 28, 28) sum 3": f"read {IMAGES}",
    "(512, 128, 28, 28) sum 0, 2, 3": f"read {IMAGES}",
    "(512, 128, 28, 28) + (128, 1, 1)": f"copy {IMAGES}",
    "(512, 128, 28, 28) += (128, 1, 1)": f"update {IMAGES}",
    "(1000, 1000) + (1000, 1)": f"copy {SQUARE}",
    "(1000, 1000) + (1, 1000)": f"copy {SQUARE}",
    "transpose (1000, 1000)": f"copy {SQUARE}",
    "(512, 128, 28, 28) to NHWC": f"copy {IMAGES}",
    "(512, 28, 28, 128) to NCHW": f"copy {IMAGES}",
}
PERCEPTRON = {"(1000, 4096)": f"read {1000 * 4096}"}


def layers_flops(samples, layers, training):
    """Of the direct algorithm. `layers`: outputs and inputs of each output. Training takes the forward product twice more,
    but for the gradient of the network's input."""
    forward = [2 * samples * outputs * inputs for outputs, inputs in layers]
    return 3 * sum(forward) - forward[0] if training else sum(forward)


S5 = ((28 * 28 * 128, 25), (14 * 14 * 64, 128 * 9), (128, 3136), (47, 128))
MLP = ((512, 784), (512, 512), (10, 512))


@dataclass(frozen=True)
class Row:
    name: str
    cases: tuple
    peer: str  # "pytorch" or "libtorch"
    tolerance: float = 1e-4  # of |xtape - peer| / |peer|, per output
    matrix_products: bool = False  # whether OpenBLAS's environment matters
    flops: float = 0  # of one run, where products of matrices are most of it
    memory: dict = field(default_factory=dict)  # by case, where memory is what it waits for: the loop that only passes over it


TIMED = (
    Row("s5_train", ("batch 512",), "pytorch", 5e-3, True, layers_flops(512, S5, training=True)),
    Row("s5_infer", ("batch 512", "batch 512, peer in TorchScript"), "pytorch", 1e-4, True, layers_flops(512, S5, training=False)),
    Row("demo_train", ("batch 128",), "pytorch", 2e-2, True),
    Row("s5_latency", ("batch 1", "batch 1, peer in TorchScript"), "pytorch", 1e-4, True),
    Row("mlp_adam", ("batch 128",), "pytorch", 5e-3, True, layers_flops(128, MLP, training=True)),
    Row("s3_step", ("100 samples",), "libtorch", 1e-4, True),
    Row("s2_step", tuple(PERCEPTRON), "libtorch", 1e-4, True, memory=PERCEPTRON),
    Row("cross_entropy", ("(4096, 1000)",), "pytorch"),
    Row("norms", ("layer_norm (512, 1024)", "batch_norm (128, 64, 28, 28)"), "pytorch"),
    Row("focal_plain", ("1000000 numbers",), "libtorch"),
    Row("focal_elementwise", ("1000000 logits", "1000000 probabilities"), "libtorch"),
    Row("scalar_chain", ("2000 operations",), "libtorch"),
    Row("array_primitives", tuple(PRIMITIVES), "pytorch", 1e-5, memory=PRIMITIVES),
)
SGEMM = Row("sgemm", ("1152",), "pytorch", matrix_products=True, flops=2 * 1152**3)
PEAK_MEMORY = "peak_memory"
COMPILE = "compile"
NAMES = tuple(row.name for row in TIMED) + (PEAK_MEMORY, COMPILE)
