"""A call of each operator and its gradient; beside PyTorch: fastconv bench --modes operators,operators-backward."""

import pytest

from fastconv.benchmark import CALLS
from fastconv.benchmark.worker import calls, with_fastconv

pytestmark = pytest.mark.benchmark(max_time=0.2, min_rounds=5, warmup=True, warmup_iterations=2)


@pytest.mark.parametrize("mode", ["operators", "operators-backward"])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_operator(rated, call, mode):
    facts = call.request()
    run, results, _ = with_fastconv.operator(facts, mode, calls.arrays(facts, "float32"), "float32")
    calls.digest(facts, results(run()))
    rated(call, mode, "float32", run)
