"""What the suites share: a layer is checked, then timed, and its rate is shown below pytest-benchmark's table.

pytest bench --benchmark-only
pytest bench --benchmark-only -k "vgg and plain"
"""

import pytest

from fastconv.benchmark.modes import work
from fastconv.benchmark.worker import problem, with_fastconv

_RATES = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[_RATES] = []


@pytest.fixture
def timed(rated):
    """timed(layer, mode, dtype): check some outputs against their definition, then time the call."""

    def run(layer, mode, dtype="float32"):
        facts = layer.request()
        data = problem.arrays(facts, dtype)
        call, fetch = next(iter(with_fastconv.forms(facts, mode, data).values()))
        problem.check(facts, data, fetch(call()))
        rated(layer, mode, dtype, call)

    return run


@pytest.fixture
def rated(benchmark, request):
    """rated(layer, mode, dtype, call): time the call and keep its rates."""

    def run(layer, mode, dtype, call):
        benchmark.group = f"{mode}, {dtype}"
        benchmark(call)
        if benchmark.stats is None:  # --benchmark-disable: checked, not timed
            return
        operations, traffic = work(layer, mode, 8 if dtype == "float64" else 4)
        median = benchmark.stats.stats.median
        benchmark.extra_info.update(shape=layer.describe(), operations=operations, bytes=traffic)
        benchmark.extra_info["gflops"] = operations / median / 1e9
        benchmark.extra_info["gbytes"] = traffic / median / 1e9
        request.config.stash[_RATES].append((mode, dtype, layer.name, median, benchmark.extra_info))

    return run


@pytest.hookimpl(trylast=True)  # below pytest-benchmark's tables
def pytest_terminal_summary(terminalreporter, config):
    rates = config.stash[_RATES]
    if not rates:
        return
    terminalreporter.section("rates: operations of the direct algorithm over the median time")
    width = max(len(name) for _, _, name, _, _ in rates)
    figures = f"{'median us':>10}  {'GFLOP/s':>8}  {'GB/s':>7}"
    terminalreporter.line(f"{'mode':13}  {'dtype':7}  {'layer':{width}}  {figures}")
    for mode, dtype, name, median, info in rates:
        figures = f"{median * 1e6:10.1f}  {info['gflops']:8.1f}  {info['gbytes']:7.1f}"
        terminalreporter.line(f"{mode:13}  {dtype:7}  {name:{width}}  {figures}")
