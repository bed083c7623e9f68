"""Activations, dropout and losses, forward and backward: a real feature map, and a call of mere overhead."""

import numpy as np
import pytest

import fastconv.functional as F

pytestmark = pytest.mark.benchmark(max_time=0.2, min_rounds=5, warmup=True, warmup_iterations=2)

SHAPES = {"8x64x56x56": (8, 64, 56, 56), "1x10": (1, 10)}


def of_output(name, *options):
    def calls(x, g):
        y = getattr(F, name)(x, *options)
        return lambda: getattr(F, name)(x, *options), lambda: getattr(F, f"{name}_backward")(g, y, *options)

    return calls


def of_input(name, **options):
    return lambda x, g: (
        lambda: getattr(F, name)(x, **options),
        lambda: getattr(F, f"{name}_backward")(g, x, **options),
    )


def prelu(x, g):
    weight = np.full(x.shape[1], 0.25, x.dtype)
    return lambda: F.prelu(x, weight), lambda: F.prelu_backward(g, x, weight)


def dropout(x, g):
    return lambda: F.dropout(x, seed=1), lambda: F.dropout_backward(g, seed=1)


def classes(name, shares=False):
    def calls(x, g):
        target = np.zeros((x.shape[0], *x.shape[2:]), np.int64)
        if shares:
            target = np.full(x.shape, 1 / x.shape[1], x.dtype)
        return lambda: getattr(F, name)(x, target), lambda: getattr(F, f"{name}_backward")(1.0, x, target)

    return calls


def mse_loss(x, g):
    return lambda: F.mse_loss(x, g), lambda: F.mse_loss_backward(1.0, x, g)


OPERATORS = {
    "relu": of_input("relu"),
    "leaky_relu": of_input("leaky_relu"),
    "prelu": prelu,
    "relu6": of_input("relu6"),
    "elu": of_input("elu"),
    "gelu": of_input("gelu"),
    "gelu-tanh": of_input("gelu", approximate="tanh"),
    "silu": of_input("silu"),
    "sigmoid": of_output("sigmoid"),
    "tanh": of_output("tanh"),
    "softmax": of_output("softmax", -1),
    "softmax-channels": of_output("softmax", 1),
    "log_softmax": of_output("log_softmax", -1),
    "log_softmax-channels": of_output("log_softmax", 1),
    "dropout": dropout,
    "cross_entropy": classes("cross_entropy"),
    "cross_entropy-shares": classes("cross_entropy", shares=True),
    "nll_loss": classes("nll_loss"),
    "mse_loss": mse_loss,
}


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", OPERATORS)
def test_pointwise(benchmark, name, shape, direction):
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal(SHAPES[shape], np.float32) for _ in range(2))
    call = OPERATORS[name](x, g)[direction == "backward"]
    assert np.isfinite(call()[0] if name == "prelu" and direction == "backward" else call()).all()
    benchmark.group = f"{shape}, {direction}"
    benchmark(call)
