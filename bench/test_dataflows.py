"""Every dataflow by its name, on layers that it suits and with all others that can compute them: the tables, a group a
layer, show for each dataflow one that it computes fastest.

    pytest bench/test_dataflows.py --benchmark-only
"""

import numpy as np
import pytest

from fastconv import _arguments as args
from fastconv.benchmark.layer import parse
from fastconv.benchmark.worker import problem
from fastconv.kernels import conv

pytestmark = pytest.mark.benchmark(max_time=0.3, min_rounds=5, warmup=True, warmup_iterations=2)

# The dataflow that is meant to win: the layer. Lines win where there are 32 registers.
FORWARD = {
    "panels": "3x28x28->1008 3x3 s4 p1 b59",
    "rows": "1x28x28->6 5x5 p2 b256",
    "channels": "1024x14x14->256 1x1",
    "filters": "32x112x112->32 3x3 p1 g32",
    "winograd4": "128x56x56->128 3x3 p1",
    "winograd3": "3x224x224->64 7x7 s2 p3",
    "winograd2": "96x26x26->256 5x5 p2",
    "lines4": "40x1x500->512 1x3",
    "lines2": "6x14x14->16 5x5 b256",
}
GRADIENT = {
    "lanes": "1x28x28->6 5x5 p2 b256",
    "product": "64x56x56->256 1x1",
    "filters": "32x112x112->32 3x3 p1 g32",
    "winograd4": "128x56x56->128 3x3 p1",
    "winograd3": "64x56x56->64 4x4 p1",
    "winograd2": "96x26x26->256 5x5 p2",
}


def _cases(layers, of):
    """(layer, the dataflow meant to win, each dataflow that can compute it)"""
    for meant, notation in layers.items():
        layer = parse(notation)
        for name in conv.conv2d_dataflow(*_place(layer), of=of)[1]:
            yield pytest.param(layer, meant, name, id=f"{meant}-{name}")


def _place(layer):
    """What the kernels want to know of a layer: weights, sizes, geometry."""
    weight = np.empty(layer.weight_shape, np.float32)
    options = layer.stride, layer.padding, layer.dilation, layer.groups
    _, geometry = args.conv2d(layer.input_shape, layer.weight_shape, *options)
    return weight, *layer.input_shape[2:], *layer.output_shape[2:], *geometry


@pytest.mark.parametrize(("layer", "meant", "name"), list(_cases(FORWARD, "output")))
def test_forward(benchmark, layer, meant, name):
    data = problem.arrays(layer.request(), "float32")
    output = np.empty(layer.output_shape, np.float32)
    prepared = conv.Convolution(data["weight"], data["bias"], *_place(layer)[1:], dataflow=name)
    prepared.forward(data["input"], output)
    problem.check(layer.request(), data, {"output": output})
    benchmark.group = f"{layer.describe()}, meant for {meant}"
    benchmark(prepared.forward, data["input"], output)


@pytest.mark.parametrize(("layer", "meant", "name"), list(_cases(GRADIENT, "grad_weight")))
def test_gradient_of_weights(benchmark, layer, meant, name):
    data = problem.arrays(layer.request(), "float32")
    weight, geometry = np.empty(layer.weight_shape, np.float32), _place(layer)[5:]
    conv.conv2d_backward_weight(data["grad_output"], data["input"], weight, *geometry, dataflow=name)
    problem.check(layer.request(), data, {"grad_weight": weight})
    benchmark.group = f"gradient of weights, {layer.describe()}, meant for {meant}"
    benchmark(conv.conv2d_backward_weight, data["grad_output"], data["input"], weight, *geometry, dataflow=name)
