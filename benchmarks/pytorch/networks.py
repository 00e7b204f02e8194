"""Networks from layers: training steps with Adam, and inference. ../xtape/networks.cpp has the same."""

import torch
from torch import nn
from torch.nn import functional

from serve import labels, numbers, output

CHANNELS_LAST = torch.channels_last
NCHW = torch.contiguous_format


def s5(dropout):
    return nn.Sequential(
        nn.Conv2d(1, 128, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(128, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, 47),
    )  # fmt: skip


def demo(dropout):
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(dropout), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, 10),
    )  # fmt: skip


def mlp(dropout):
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def with_weights(net):
    """The same on both sides, but that PyTorch keeps the weights of linear layers transposed; the scales of batch
    normalisation stay as they begin."""
    for seed, (name, parameter) in enumerate(net.named_parameters(), 101):
        shape = tuple(parameter.shape)
        if "bias" in name:
            parameter.data.copy_(numbers(seed, shape, 0.1))
        elif len(shape) > 1:
            scale = 1.5 / parameter[0].numel() ** 0.5
            values = numbers(seed, shape[::-1], scale).T if len(shape) == 2 else numbers(seed, shape, scale)
            parameter.data.copy_(values)
    return net


class Training:
    def __init__(self, net, shape, classes, rate, layout):
        self.net = with_weights(net).to(memory_format=layout).train()
        self.x = numbers(1, shape).contiguous(memory_format=layout)
        self.labels = labels(2, shape[0], classes)
        self.adam = torch.optim.Adam(self.net.parameters(), rate)

    def step(self):
        loss = functional.cross_entropy(self.net(self.x), self.labels)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()
        return loss.item()

    def gradient_norms(self):
        return [parameter.grad.norm().item() for parameter in self.net.parameters()]


def training(make, shape, classes, dropout, layout):
    """Compared without dropout, whose masks are everybody's own, and at a rate that shows; timed at one that changes
    nothing."""

    def print_outputs():
        compared = Training(make(0), shape, classes, 1e-3, layout)
        losses = [compared.step()]
        output("gradient_norms", compared.gradient_norms())
        losses += [compared.step() for _ in range(2)]
        output("losses", losses)

    return (lambda: Training(make(dropout), shape, classes, 1e-6, layout).step), print_outputs


def layouts(make, batch, classes, dropout):
    shape = (batch, 1, 28, 28)
    return {
        "NCHW": training(make, shape, classes, dropout, NCHW),
        "channels_last": training(make, shape, classes, dropout, CHANNELS_LAST),
    }


def memory(layout):
    return (lambda: Training(s5(0.5), (512, 1, 28, 28), 47, 1e-3, layout).step), (lambda: None)


def inference(batch, layout, frozen):
    def predictor():
        net = with_weights(s5(0.5)).eval().to(memory_format=layout)
        x = numbers(1, (batch, 1, 28, 28)).contiguous(memory_format=layout)
        if frozen:
            net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, x)))

        @torch.inference_mode()
        def predict():
            return net(x)

        for _ in range(3 if frozen else 0):  # the compiler of TorchScript looks at the first runs
            predict()
        return predict

    return predictor, lambda: output("logits", predictor()())


def inferences(batch, case):
    """As everybody writes it; or traced, frozen and fused by TorchScript, which is a model one can no longer train."""
    script = case.endswith("TorchScript")
    return {
        "NCHW": inference(batch, NCHW, script),
        "channels_last": inference(batch, CHANNELS_LAST, script),
    }


ROWS = {
    "s5_train": lambda case: layouts(s5, 512, 47, 0.5),
    "s5_infer": lambda case: inferences(512, case),
    "s5_latency": lambda case: inferences(1, case),
    "demo_train": lambda case: layouts(demo, 128, 10, 0.25),
    "mlp_adam": lambda case: {"": training(mlp, (128, 784), 10, 0, NCHW)},
    "peak_memory": lambda case: {"NCHW": memory(NCHW), "channels_last": memory(CHANNELS_LAST)},
    "nothing": lambda case: {"": ((lambda: lambda: None), (lambda: None))},
}
