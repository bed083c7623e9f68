"""One filter over one image of a thousand by a thousand."""

from importlib.util import find_spec

import pytest

from fastconv.benchmark import LAYERS

pytestmark = [
    pytest.mark.benchmark(max_time=0.3, min_rounds=5, warmup=True, warmup_iterations=2),
    pytest.mark.skipif(find_spec("fastconv.signal") is None, reason="this fastconv has no signal module"),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layer", [la for la in LAYERS if la.op == "correlate2d"], ids=lambda layer: layer.name)
def test_correlate2d(timed, layer, dtype):
    timed(layer, "signal", dtype)
