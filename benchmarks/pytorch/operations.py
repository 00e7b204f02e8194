"""Losses and normalisations, forward and backward. ../xtape/operations.cpp has the same."""

import torch
from torch.nn import functional

from serve import labels, numbers, output


def cross_entropy():
    logits, target = numbers(1, (4096, 1000), 5).requires_grad_(), labels(2, 4096, 1000)

    def run():
        logits.grad = None
        loss = functional.cross_entropy(logits, target)
        loss.backward()
        return loss

    def print_outputs():
        output("loss", run())
        output("gradient", logits.grad)

    return (lambda: run), print_outputs


def normalization(function, shape, features, layout=torch.contiguous_format):
    """A normalising layer in the middle of a network: gradients of input, weight and bias."""
    x, g = (numbers(seed, shape).contiguous(memory_format=layout) for seed in (1, 2))
    weight, bias = numbers(3, (features,)).requires_grad_(), numbers(4, (features,)).requires_grad_()
    x.requires_grad_()

    def run():
        y = function(x, weight, bias)
        return y, torch.autograd.grad(y, (x, weight, bias), g)

    def print_outputs():
        y, gradients = run()
        output("y", y)
        for i, gradient in enumerate(gradients):
            output(f"gradient.{i}", gradient)

    return (lambda: run), print_outputs


def layer_norm(x, weight, bias):
    return functional.layer_norm(x, weight.shape, weight, bias)


def norms(case):
    if case == "layer_norm (512, 1024)":
        return {"": normalization(layer_norm, (512, 1024), 1024)}
    mean, variance = torch.zeros(64), torch.ones(64)

    def batch_norm(x, weight, bias):
        return functional.batch_norm(x, mean, variance, weight, bias, training=True)

    shape = (128, 64, 28, 28)
    return {
        "NCHW": normalization(batch_norm, shape, 64),
        "channels_last": normalization(batch_norm, shape, 64, torch.channels_last),
    }


ROWS = {"cross_entropy": lambda case: {"": cross_entropy()}, "norms": norms}
