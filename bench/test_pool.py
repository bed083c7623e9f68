"""Pooling layers of real networks, forward and backward; the rate that matters is GB/s."""

import pytest

from fastconv.benchmark import LAYERS, select

pytestmark = pytest.mark.benchmark(max_time=0.2, min_rounds=5, warmup=True, warmup_iterations=2)
POOLS = [layer for layer in LAYERS if layer.is_pool]


@pytest.mark.parametrize("mode", ["pool", "pool-backward"])
@pytest.mark.parametrize("layer", POOLS, ids=lambda layer: layer.name)
def test_pool(timed, layer, mode):
    timed(layer, mode)


@pytest.mark.parametrize("mode", ["pool", "pool-backward"])
@pytest.mark.parametrize("layer", select("*-64@112-3x3s2"), ids=lambda layer: layer.name)
def test_float64(timed, layer, mode):
    timed(layer, mode, "float64")
