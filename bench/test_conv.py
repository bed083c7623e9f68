"""Convolutions of real networks: forward, prepared, and with all gradients."""

import pytest

import fastconv as fc
from fastconv.benchmark import LAYERS, select

pytestmark = pytest.mark.benchmark(max_time=0.3, min_rounds=5, warmup=True, warmup_iterations=2)
CONVOLUTIONS = [layer for layer in LAYERS if layer.op == "conv2d"]
FEW = select("lenet-conv2-b256,vgg-256@56,resnet-7x7s2,resnet-1x1-64-256@56,mobilenet-dw-32@112")


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=lambda layer: layer.name)
def test_plain(timed, layer):
    timed(layer, "plain")


@pytest.mark.skipif(not hasattr(fc, "compile"), reason="this fastconv has no compile()")
@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=lambda layer: layer.name)
def test_compiled(timed, layer):
    timed(layer, "compiled")


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=lambda layer: layer.name)
def test_backward(timed, layer):
    timed(layer, "backward")


@pytest.mark.parametrize("mode", ["plain", "backward"])
@pytest.mark.parametrize("layer", FEW, ids=lambda layer: layer.name)
def test_float64(timed, layer, mode):
    timed(layer, mode, "float64")
